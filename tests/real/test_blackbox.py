"""The real blackbox exporter: it reads what is rendered, and tells good hosts from bad ones, and Prometheus of both."""

import json
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import cdk8s
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from constructs_lib.config import to_yaml
from constructs_lib.config.blackbox import BEHIND_LOGIN, CREDENTIALS, OPEN, BlackboxConfig, HttpsModule, ProbedHost
from constructs_lib.config.discovery import BLACKBOX, probes
from constructs_lib.config.prometheus import Limits
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Endpoint, Pods, Port
from constructs_lib.kube.blackbox_exporter import BlackboxExporter
from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.metrics.model import Metric
from tests.cluster.programs import built
from tests.cluster.waiting import wait
from tests.config.blackbox_inputs import HOSTS
from tests.minimal import NAMESPACE, prometheus
from tests.real.loopback import asked, free_port, soon
from tests.real.promtool import promtool
from tests.rendered import Objects, rendered

SOON = timedelta(seconds=60)
# What a host answers, by path, and where it leads.
ANSWERS = {"/good": 200, "/login": 302, "/refused": 401, "/broken": 500}
CA = SecretKey("authorities", "ca.crt")
OURS = HttpsModule(name="ours", ca=CA)
OURS_BEHIND_LOGIN = replace(BEHIND_LOGIN, name="ours-behind-login", ca=CA)
IMPATIENT = replace(OURS, name="impatient", timeout=timedelta(seconds=1))
LOOPBACK = ("127.0.0.0/8",)
DAYS = 5


class Answer(BaseHTTPRequestHandler):
    """A host that answers by the path, and after a while."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(3)
        self.send_response(ANSWERS.get(self.path, 200))
        if self.path == "/login":
            self.send_header("Location", "/good")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class Authority:
    """An authority; what it issues is in its directory.

    Args:
        directory: That there is not yet.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self._request("ca", "-x509", "-days", "30", "-out", "ca.crt", "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name: str = "host", *, days: int = DAYS) -> tuple[Path, Path]:
        """A certificate for `localhost`, and its key; with fewer days than none it has ended."""
        self._request(name, "-out", f"{name}.csr", "-addext", "subjectAltName=DNS:localhost")
        signed = ("-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-copy_extensions", "copyall")
        self._openssl("x509", *signed, "-days", str(days), "-out", f"{name}.crt")
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"

    def _request(self, name: str, *options: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")
        self._openssl("req", "-config", "/dev/null", "-new", "-subj", f"/CN={name}", *key, *options)

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.directory)


@contextmanager
def host(certificate: Path, key: Path) -> Iterator[str]:
    """A host on loopback by HTTPS; its URL without a path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Exporter:
    """An exporter on loopback that has read the modules of some hosts."""

    def __init__(self, port: int) -> None:
        self.port = port

    def probe(self, module: HttpsModule, url: str) -> Mapping[str, float]:
        """The value of each series without labels, by its name."""
        told = soon(f"http://127.0.0.1:{self.port}/probe?{urlencode({'module': module.name, 'target': url})}")
        return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", told, re.MULTILINE)}


def probed(url: str, module: HttpsModule) -> ProbedHost:
    return ProbedHost(url=url, addresses=LOOPBACK, module=module)


def objects(*hosts: ProbedHost) -> Objects:
    """What is rendered for a server that probes these hosts."""

    def build(chart: cdk8s.Chart) -> None:
        prometheus(chart).probe(BlackboxExporter(chart, "exporter", namespace=NAMESPACE), *hosts)

    return rendered(build)


def checked(text: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Let the exporter read a file, whatever it says."""
    path = directory / "blackbox.yml"
    path.write_text(text)
    command = [built("blackbox_exporter"), f"--config.file={path}", "--config.check"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the exporter trusts."""
    return Authority(tmp_path_factory.mktemp("ours") / "authority")


@pytest.fixture(scope="module")
def url(authority: Authority) -> Iterator[str]:
    """Of a host that the exporter trusts."""
    with host(*authority.issue()) as url:
        yield url


@pytest.fixture(scope="module")
def exporter(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """The program with the arguments and the file that are rendered, but for the paths and the port."""
    directory = tmp_path_factory.mktemp("exporter")
    modules = (OPEN, OURS, OURS_BEHIND_LOGIN, IMPATIENT)
    found = objects(*(probed(f"https://localhost/{each.name}", each) for each in modules))
    text = found.named("ConfigMap", "blackbox-exporter-config")["data"]["blackbox.yml"]
    path, port = directory / "blackbox.yml", free_port()
    path.write_text(text.replace(f"{CREDENTIALS}/{CA.secret}", str(authority.directory)))
    (container,) = found.named("Deployment", "blackbox-exporter")["spec"]["template"]["spec"]["containers"]
    options = [each for each in container["args"] if not each.startswith("--config.file=")]
    assert len(options) == len(container["args"]) - 1
    command = [built("blackbox_exporter"), *options, f"--config.file={path}", f"--web.listen-address=127.0.0.1:{port}"]
    with (directory / "log").open("w") as log:
        program = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
    try:
        soon(f"http://127.0.0.1:{port}{container['readinessProbe']['httpGet']['path']}")
        yield Exporter(port)
    finally:
        program.kill()
        program.wait()


def test_what_is_rendered_is_accepted(tmp_path: Path) -> None:
    """By the exporter, and by Prometheus."""
    found = objects(probed("https://localhost/a", OPEN), probed("https://localhost/b?c=$1", OURS_BEHIND_LOGIN))
    ran = checked(found.named("ConfigMap", "blackbox-exporter-config")["data"]["blackbox.yml"], tmp_path)
    assert ran.returncode == 0, ran.stderr
    path = tmp_path / "prometheus.yml"
    path.write_text(found.named("ConfigMap", "prometheus-config")["data"]["prometheus.yml"])
    ran = promtool("check", "config", "--syntax-only", "--lint=all", "--lint-fatal", str(path))
    assert ran.returncode == 0, ran.stderr


def test_what_is_wrong_is_noticed(tmp_path: Path) -> None:
    """The judge of the other tests refuses a key that there is not."""
    document = BlackboxConfig(hosts=[probed("https://localhost", OPEN)]).to_dict()
    assert checked(to_yaml(document), tmp_path).returncode == 0
    document["modules"]["open"]["http"]["follow_redirect"] = False
    assert "follow_redirect" in checked(to_yaml(document), tmp_path).stderr


@settings(
    max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.lists(HOSTS, min_size=20, max_size=20, unique_by=lambda host: host.module_name))
def test_whatever_is_accepted_here_is_accepted_there(tmp_path: Path, hosts: list[ProbedHost]) -> None:
    """Nothing that the values accept is refused by the exporter or by Prometheus: more than a hundred random hosts."""
    ran = checked(to_yaml(BlackboxConfig(hosts=hosts).to_dict()), tmp_path)
    assert ran.returncode == 0, ran.stderr
    endpoint = Endpoint(pods=Pods.named("m", "e"), service="e", port=Port(name="metrics", number=9115))
    job = probes(endpoint, hosts, Limits()).to_dict()
    path = tmp_path / "prometheus.yml"
    path.write_text(to_yaml({"scrape_configs": [job]}))
    ran = promtool("check", "config", "--syntax-only", "--lint=all", "--lint-fatal", str(path))
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("path", "module", "good"),
    [
        ("/good", OURS, 1),
        ("/login", OURS, 0),
        ("/refused", OURS, 0),
        ("/broken", OURS, 0),
        ("/good", OURS_BEHIND_LOGIN, 0),
        ("/login", OURS_BEHIND_LOGIN, 0),
        ("/refused", OURS_BEHIND_LOGIN, 1),
        ("/broken", OURS_BEHIND_LOGIN, 0),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_good_answers_are_those_of_the_module(
    exporter: Exporter, url: str, path: str, module: HttpsModule, good: int
) -> None:
    """Behind a login it is a refusal, and no redirect, which a program without one gives too; none is followed."""
    told = exporter.probe(module, f"{url}{path}")
    assert told["probe_http_status_code"] == ANSWERS[path]
    assert told["probe_success"] == good


def test_the_end_of_the_certificate_is_told(exporter: Exporter, url: str) -> None:
    """Also by an answer that is not good."""
    for path in ("/good", "/broken"):
        left = exporter.probe(OURS, f"{url}{path}")["probe_ssl_earliest_cert_expiry"] - time.time()
        assert abs(left - DAYS * 86_400) < 3600


@pytest.mark.parametrize("module", [OPEN, OURS], ids=lambda module: module.name)
def test_a_certificate_that_nobody_trusts_is_refused(exporter: Exporter, tmp_path: Path, module: HttpsModule) -> None:
    """Be it by the system's authorities or by one's own; then nothing is told of its end."""
    with host(*Authority(tmp_path / "another").issue()) as url:
        told = exporter.probe(module, f"{url}/good")
    assert (told["probe_success"], told["probe_http_status_code"]) == (0, 0)
    assert "probe_ssl_earliest_cert_expiry" not in told


def test_an_authority_of_ones_own_takes_the_place_of_the_systems(exporter: Exporter, url: str) -> None:
    """The same host is good by the one module, and not by the other."""
    told = {module.name: exporter.probe(module, f"{url}/good")["probe_success"] for module in (OPEN, OURS)}
    assert told == {"open": 0, "ours": 1}


@pytest.mark.parametrize(("days", "good"), [(1, 1), (-1, 0)], ids=["not yet", "ended"])
def test_a_certificate_that_has_ended_is_no_answer(
    exporter: Exporter, authority: Authority, days: int, good: int
) -> None:
    """Though the very authority that is trusted has issued it; and then nothing is told of its end."""
    with host(*authority.issue("ending", days=days)) as url:
        told = exporter.probe(OURS, f"{url}/good")
    assert told["probe_success"] == good
    assert ("probe_ssl_earliest_cert_expiry" in told) == bool(good)


def test_a_host_of_another_name_is_refused(exporter: Exporter, url: str) -> None:
    """Its certificate is for `localhost`."""
    address = url.replace("localhost", "127.0.0.1")
    assert exporter.probe(OURS, f"{address}/good")["probe_success"] == 0


def test_a_host_that_takes_too_long_or_is_away_does_not_answer(exporter: Exporter, url: str) -> None:
    """By the module's own time, and at once; it is told as a probe, not as a scrape that fails."""
    assert exporter.probe(IMPATIENT, f"{url}/slow")["probe_success"] == 0
    assert exporter.probe(OURS, f"{url}/slow")["probe_success"] == 1
    away = exporter.probe(OURS, f"https://localhost:{free_port()}/good")
    assert (away["probe_success"], away["probe_http_status_code"]) == (0, 0)


@pytest.fixture(scope="module")
def server(exporter: Exporter, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus with the rendered job, whose exporter is on loopback; its URL."""
    directory = tmp_path_factory.mktemp("prometheus")
    found = objects(
        probed(f"{url}/good", OURS), probed(f"{url}/refused", OURS_BEHIND_LOGIN), probed(f"{url}/broken", OURS)
    )
    document = found.file("prometheus-config", "prometheus.yml")
    text = to_yaml(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [each for each in document["scrape_configs"] if each["job_name"] == BLACKBOX],
        }
    )
    replaced = text.replace("blackbox-exporter.monitoring.svc.cluster.local:9115", f"127.0.0.1:{exporter.port}")
    assert replaced != text
    path, port = directory / "prometheus.yml", free_port()
    path.write_text(replaced)
    options = (f"--storage.tsdb.path={directory / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}")
    with (directory / "log").open("w") as log:
        program = subprocess.Popen(
            [built("prometheus"), f"--config.file={path}", *options], stdout=log, stderr=log, cwd="/"
        )
    try:
        soon(f"http://127.0.0.1:{port}/-/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        program.terminate()
        program.wait()


def series(server: str, selector: str) -> dict[str, float]:
    """What there is of it, by its URL; it has no other label than job and instance."""
    answer = json.loads(asked(f"{server}/api/v1/query?{urlencode({'query': selector})}") or "{}")
    found = answer["data"]["result"]
    assert all(each["metric"].keys() - {"__name__"} == {"job", "instance"} for each in found)
    assert {each["metric"]["job"] for each in found} <= {BLACKBOX}
    return {each["metric"]["instance"]: float(each["value"][1]) for each in found}


def test_prometheus_knows_hosts_by_their_urls(server: str, url: str) -> None:
    """Each by its own module; the exporter answers for the one that is bad as well."""
    expected = {f"{url}/good": 1.0, f"{url}/refused": 1.0, f"{url}/broken": 0.0}
    wait("all are probed", lambda: series(server, "probe_success") == expected, SOON)
    assert series(server, "up") == dict.fromkeys(expected, 1.0)


@pytest.mark.parametrize("metric", BLACKBOX_EXPORTER.metrics, ids=lambda metric: metric.name)
def test_a_metric_is_as_its_contract_says(server: str, metric: Metric) -> None:
    """Its type, and no label beside those of its target."""
    wait(f"there is a series of {metric.name}", lambda: len(series(server, metric.name)) == 3, SOON)
    assert metric.labels == ()
    told = json.loads(soon(f"{server}/api/v1/targets/metadata?{urlencode({'metric': metric.name})}"))["data"]
    assert {own["type"] for own in told} == {metric.kind.value}
