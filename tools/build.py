"""Build the real programs that the tests run, each from its own pinned Go module, and link them into `.tools/`.

OpenSearch, which is no Go module, is fetched by Maven, and LocalStack is installed by pip.

    python tools/build.py                     every program
    python tools/build.py prometheus etcd     these modules only

Finished programs are kept outside the clone, under `$XDG_CACHE_HOME/constructs_lib`, keyed by everything that they are
built from, so that a fresh clone only links them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOOLS = Path(__file__).parent
LINKS = TOOLS.parent / ".tools"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "constructs_lib" / "tools"
ENVIRONMENT = {
    **os.environ,
    "CGO_ENABLED": "0",  # images of the tests hold the program and nothing else: no C library
    "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
}
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
# Module (a directory here) -> packages to build, and the names under which each program is linked.
# The order is the order of building: what most tests need comes first.
PROGRAMS: dict[str, dict[str, tuple[str, ...]]] = {
    "prometheus": {
        "github.com/prometheus/prometheus/cmd/promtool": ("promtool",),
        "github.com/prometheus/prometheus/cmd/prometheus": ("prometheus",),
    },
    "kubernetes": {".": KUBERNETES},
    "etcd": {"go.etcd.io/etcd/server/v3": ("etcd",)},
    "kube-router": {"github.com/cloudnativelabs/kube-router/v2/cmd/kube-router": ("kube-router",)},
    "coredns": {"github.com/coredns/coredns": ("coredns",)},
    "probe": {".": ("probe",)},
    "blocks": {".": ("blocks",)},
    "alertmanager": {
        "github.com/prometheus/alertmanager/cmd/alertmanager": ("alertmanager",),
        "github.com/prometheus/alertmanager/cmd/amtool": ("amtool",),
    },
    "config-reloader": {
        "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader": (
            "prometheus-config-reloader",
        )
    },
    "node_exporter": {"github.com/prometheus/node_exporter": ("node_exporter",)},
    "kube-state-metrics": {"k8s.io/kube-state-metrics/v2": ("kube-state-metrics",)},
    "postgres_exporter": {
        "github.com/prometheus-community/postgres_exporter/cmd/postgres_exporter": ("postgres_exporter",)
    },
    "redis_exporter": {"github.com/oliver006/redis_exporter": ("redis_exporter",)},
    "blackbox_exporter": {"github.com/prometheus/blackbox_exporter": ("blackbox_exporter",)},
    "loki": {
        "github.com/grafana/loki/v3/cmd/loki": ("loki",),
        "github.com/grafana/loki/v3/cmd/logcli": ("logcli",),
    },
    "jaeger": {
        "github.com/jaegertracing/jaeger/cmd/jaeger": ("jaeger",),
        "github.com/jaegertracing/jaeger/cmd/es-index-cleaner": ("es-index-cleaner",),
    },
    "versitygw": {"github.com/versity/versitygw/cmd/versitygw": ("versitygw",)},
    "alloy": {".": ("alloy",)},
    "oauth2-proxy": {"github.com/oauth2-proxy/oauth2-proxy/v7": ("oauth2-proxy",)},
    "traefik": {"github.com/traefik/traefik/v3/cmd/traefik": ("traefik",)},
    "external-secrets": {"github.com/external-secrets/external-secrets": ("external-secrets",)},
}
# Module -> the Go module that it builds from a copy, over which the files below its `_added` are laid: those that a
# release makes and its Go module lacks, without which it does not compile, and those that leave out what no test runs.
ADDED = {
    "alertmanager": "github.com/prometheus/alertmanager",
    "alloy": "github.com/grafana/alloy",
    "external-secrets": "github.com/external-secrets/external-secrets",
}

OPENSEARCH = "opensearch"
# Without plugins: nobody is asked for a password, and there is no TLS.
DISTRIBUTION = "org.opensearch.distribution.integ-test-zip:opensearch:2.19.0:zip"
DISTRIBUTION_SHA256 = "84b8d1a06a31b57993cfe2801cbf01bdbc54fe07b45aee5cb2ba87917a01c751"

LOCALSTACK = "localstack"
VERSIONS = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"


def digest(module: Path) -> str:
    """A key of everything that a program is built from: its sources, pins, flags, added files and compiler."""
    added = {path for path in (module / "_added").rglob("*") if path.is_file()}
    sources = sorted(added | {path for path in module.rglob("*") if path.suffix in {".go", ".mod", ".sum"}})
    compiler = subprocess.run(["go", "version"], check=True, capture_output=True).stdout
    parts = [compiler, ENVIRONMENT["GOFLAGS"].encode(), *(path.read_bytes() for path in sources)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def complete(module: str, scratch: Path) -> list[str]:
    """Copy a module out of Go's cache, add our files to it, and give the option that builds from the copy."""
    path = ADDED[module]
    command = ["go", "list", "-m", "-f", "{{.Dir}}", path]
    subprocess.run(["go", "mod", "download", path], cwd=TOOLS / module, env=ENVIRONMENT, check=True)
    found = subprocess.run(command, cwd=TOOLS / module, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    copy = scratch / "copy"
    shutil.copytree(found.stdout.strip(), copy, copy_function=shutil.copyfile)
    for directory in (copy, *(each for each in copy.rglob("*") if each.is_dir())):
        directory.chmod(0o755)  # Go's cache is read-only, its directories too
    shutil.copytree(TOOLS / module / "_added", copy, dirs_exist_ok=True)
    pins = (TOOLS / module / "go.mod").read_text()
    (scratch / "go.mod").write_text(f"{pins}\nreplace {path} => {copy}\n")
    shutil.copy(TOOLS / module / "go.sum", scratch / "go.sum")
    return [f"-modfile={scratch / 'go.mod'}"]


def build(module: str) -> None:
    """Build what is missing of one module, and link its programs."""
    finished = CACHE / f"{module}-{digest(TOOLS / module)}"
    for package, names in PROGRAMS[module].items():
        program = finished / names[0]
        if not program.exists():
            print(f"building {names[0]} from {module}: the first time takes minutes", flush=True)
            finished.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=finished) as scratch:
                output = Path(scratch) / names[0]
                options = complete(module, Path(scratch)) if module in ADDED else []
                command = ["go", "build", *options, "-ldflags=-s -w", "-o", str(output), package]
                subprocess.run(command, cwd=TOOLS / module, env=ENVIRONMENT, check=True)
                output.rename(program)
        for name in names:
            link(name, program)


def fetch() -> None:
    """Fetch OpenSearch if it is missing, and link its directory."""
    finished = CACHE / f"{OPENSEARCH}-{DISTRIBUTION_SHA256[:16]}"
    if not finished.exists():
        if shutil.which("mvn") is None:
            sys.exit("OpenSearch is fetched by Maven: run `apt-get install maven`")
        print("fetching OpenSearch", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            options = [f"-Dartifact={DISTRIBUTION}", f"-DoutputDirectory={scratch}"]
            subprocess.run(["mvn", "-q", "-B", "dependency:copy", *options], cwd=scratch, check=True)
            (archive,) = Path(scratch).glob("*.zip")
            if hashlib.sha256(archive.read_bytes()).hexdigest() != DISTRIBUTION_SHA256:
                sys.exit(f"{archive.name} is not what is pinned here: its SHA-256 differs")
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(scratch)
            archive.with_suffix("").rename(finished)
    link(OPENSEARCH, finished)


def python() -> tuple[str, bytes]:
    """A Python that LocalStack runs on, and what tells it from others."""
    for candidate in ("python3.13", *map(str, VERSIONS.glob("3.13.*/bin/python3.13"))):
        if shutil.which(candidate):
            command = [candidate, "-c", "import sys; print(sys.version, sys.base_prefix)"]
            asked = subprocess.run(command, check=False, capture_output=True)
            if asked.returncode == 0:  # a shim of pyenv is found, but may not run
                return candidate, asked.stdout
    sys.exit("LocalStack runs on Python 3.13: install it beside the other one, on the PATH or by pyenv")


def install() -> None:
    """Install LocalStack if it is missing, beside all other Python, and link its directory."""
    interpreter, version = python()
    requirements = TOOLS / LOCALSTACK / "requirements.txt"
    finished = CACHE / f"{LOCALSTACK}-{hashlib.sha256(requirements.read_bytes() + version).hexdigest()[:16]}"
    if not finished.exists():
        print("installing LocalStack", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            made = Path(scratch) / LOCALSTACK
            subprocess.run([interpreter, "-m", "venv", str(made)], check=True)
            pip = [str(made / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--require-hashes", "-r", str(requirements)], check=True)
            made.rename(finished)
    link(LOCALSTACK, finished)


def link(name: str, target: Path) -> None:
    """Let a name in `.tools/` lead to what is finished."""
    path = LINKS / name
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def make(name: str) -> None:
    """Build the programs of a module, or bring what is no module."""
    if name == OPENSEARCH:
        fetch()
    elif name == LOCALSTACK:
        install()
    else:
        build(name)


def main(names: list[str]) -> None:
    known = (*PROGRAMS, OPENSEARCH, LOCALSTACK)
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no module {', '.join(unknown)} in tools/: choose from {', '.join(known)}")
    if shutil.which("go") is None:
        sys.exit("the real programs are built with Go 1.26.7 or later: install it from go.dev, and put it on the PATH")
    LINKS.mkdir(exist_ok=True)
    with ThreadPoolExecutor(2) as workers:  # compiling fills every core by itself, linking only one
        list(workers.map(make, names or known))


if __name__ == "__main__":
    main(sys.argv[1:])
