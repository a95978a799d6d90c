"""Where the programs of the test cluster are, and whether this machine can run them."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.errors import CannotRunError

BUILT = Path(__file__).parents[2] / ".tools"
# Root's own PATH may lack the directories of the system's programs, in CI above all.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "KUBECONFIG"},
    "PATH": os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"]),
}
CLUSTER = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
    *("kube-router", "coredns", "probe", "versitygw"),
)
# Debian package -> the programs of it that are needed.
SYSTEM = {
    "containerd": ("containerd", "ctr"),
    "runc": ("runc",),
    "iproute2": ("ip",),
    "iptables": ("iptables",),
    "ipset": ("ipset",),
    "nftables": ("nft",),
    "conntrack": ("conntrack",),
    "openssl": ("openssl",),
    "util-linux": ("unshare", "nsenter", "setpriv"),
}
POSTGRES = Path("/usr/lib/postgresql/15/bin")
JAVA = "openjdk-17-jre-headless"
# The same, of packages that only some images need, or OpenSearch outside.
FOR_IMAGES = {
    "postgresql-15": tuple(str(POSTGRES / name) for name in ("postgres", "initdb")),
    "postgresql-client-15": tuple(str(POSTGRES / name) for name in ("psql", "pg_dump", "pg_restore")),
    "redis-server": ("redis-server",),
    "redis-tools": ("redis-cli",),
    "python3.11": ("/usr/bin/python3.11",),
    "coreutils": ("/bin/cat", "/bin/cp", "/bin/rm", "/usr/bin/wc"),
    "dash": ("/bin/sh",),
    "sed": ("/bin/sed",),
    JAVA: ("java",),
}


def built(name: str) -> str:
    """Path of a program that `make tools` built; its name matters, as one program acts by several names."""
    path = BUILT / name
    if not path.exists():
        raise CannotRunError(f"the program {name} is not built: run `make tools`")
    return str(path)


def python(module: str, *arguments: str) -> list[str]:
    """The command line of a module of the tests that needs the standard library alone."""
    environment = (f"PYTHONPATH={BUILT.parent}", "PYTHONDONTWRITEBYTECODE=1")
    return ["env", *environment, sys.executable, "-S", "-m", module, *arguments]


def java() -> str:
    """Java 17, or the one that is installed: OpenSearch 2.19 runs on 11 to 21."""
    found = sorted(Path("/usr/lib/jvm").glob("java-17-openjdk-*/bin/java"))
    return str(found[0] if found else installed("java"))


def cni_plugins() -> str:
    """Directory of the network plugins."""
    for directory in ("/usr/lib/cni", "/opt/cni/bin"):
        if Path(directory, "bridge").exists():
            return directory
    raise CannotRunError(
        "the network plugins of containers are missing: run `apt-get install containernetworking-plugins`"
    )


def installed(name: str) -> Path:
    """A program of the system, by its name or path."""
    found = shutil.which(name, path=ENVIRONMENT["PATH"])
    if found is None:
        raise CannotRunError(f"the program {name} is not installed")
    return Path(found)


def require(packages: Iterable[str] = ()) -> None:
    """Refuse, in one sentence, a machine that cannot run the cluster.

    Args:
        packages: Further Debian packages, of `FOR_IMAGES`.
    """
    if sys.platform != "linux":
        raise CannotRunError(f"the test cluster needs Linux and its namespaces, and this is {sys.platform}")
    if os.geteuid() != 0:
        raise CannotRunError("the test cluster makes namespaces and mounts: run the tests as root")
    path = ENVIRONMENT["PATH"]
    needed = SYSTEM | {package: FOR_IMAGES[package] for package in packages}
    missing = [package for package, names in needed.items() if not all(shutil.which(name, path=path) for name in names)]
    if missing:
        raise CannotRunError(f"programs of the test cluster are missing: run `apt-get install {' '.join(missing)}`")
    for name in CLUSTER:
        built(name)
    cni_plugins()
