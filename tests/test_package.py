"""The package's borders: which engine is imported where, and what is public."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import constructs_lib
from constructs_lib import aws, kube
from tests.rendered import ROOT

PACKAGE = ROOT / "constructs_lib"
ENGINES = {"cdk8s", "cdk8s_plus_27", "aws_cdk", "constructs", "jsii"}
ALLOWED = {"kube": {"cdk8s", "cdk8s_plus_27", "constructs"}, "aws": {"aws_cdk", "constructs", "jsii"}}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
WITHOUT_ENGINE = [module for module in MODULES if module.parts[0] not in ALLOWED]
PUBLIC_FROM_KUBE = {
    *("Alertmanager", "AuthProxy", "BlackboxExporter", "Collector", "DashboardCollector", "ExternalSecret", "Grafana"),
    *("Backup", "Ingress", "KubeStateMetrics", "LokiStore", "Monitored", "Routes"),
    *("Namespaces", "NodeExporter", "StaticVolumes"),
    *("LogCollector", "PostgresBackup", "PostgresExporter", "PrometheusHA", "RedisExporter", "StorageClass"),
    *("RestoreDrill", "Tracing"),
}
PUBLIC_FROM_AWS = {
    *("BackupPipeline", "BackupSchedule", "BackupWatch", "Notifications", "ObjectStore", "ReplicaVolumes"),
    *("GrafanaDatabase", "PrometheusAlarms", "RestoreDrillAlarms"),
}
PUBLIC = PUBLIC_FROM_KUBE | PUBLIC_FROM_AWS
PUBLIC_OF_AWS = PUBLIC_FROM_AWS | {"PrivateBucket", "RestorePointBucket", "ServiceAccountRole", "Snapshots"}
PUBLIC_OF_KUBE = PUBLIC_FROM_KUBE | {
    *("Component", "ComponentEndpoint", "ConfigMap", "Manifest", "synth"),
    *("Container", "FieldOfPod", "OfSecret", "Placement", "Probe", "Resources", "Text"),
    *("API_ACCESS", "Claimed", "ConfigMapFiles", "HostPath", "Mount", "Scratch", "SecretFiles", "ThrownAway"),
    *("SecretKey", "Volume"),
    *("Annotated", "BasicAuth", "Destination", "Limits", "Links", "PodsJob", "Retention", "ScrapeDefaults", "Streams"),
    *("PerNode", "Scheduled", "Stateful", "Stateless"),
    *("Delivery", "Email", "Heartbeat", "Inhibition", "PagerDuty", "Receiver", "Route", "Slack", "TimeInterval"),
    *("Timing", "Webhook"),
    *("Allowed", "Platform", "TeamJob"),
    *("AlertmanagerSource", "DataSource", "JaegerSource", "LokiSource", "PrometheusSource", "Queryable"),
    *("Login", "PostgresStore"),
    *("ClusterSecretStore", "Remote", "SecretStore"),
    *("BEHIND_LOGIN", "OPEN", "HttpsModule", "ProbedHost", "Dashboard", "OidcProvider", "Session", "Visitors"),
    *("UNLIMITED", "ClusterIssuer", "Gateway", "Issuer", "OtherController", "RequestLimits", "Traefik"),
    *("Embedded", "Engine", "Sampling", "SearchStore", "SpanLimits", "SpanMetrics"),
    *("Index", "Kept", "LogLimits", "LogSchema", "Loses", "SchemaPeriod"),
}


def imported_names(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def dotted(module: Path) -> str:
    return ".".join(("constructs_lib", *module.with_suffix("").parts)).removesuffix(".__init__")


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_each_engine_stays_in_its_half(module: Path) -> None:
    """kube/ imports cdk8s alone, aws/ the AWS CDK alone, everything else neither."""
    assert ENGINES & imported_names(PACKAGE / module) <= ALLOWED.get(module.parts[0], set())


def test_what_has_no_engine_starts_none() -> None:
    """All modules outside of kube/ and aws/ can be imported together, and no engine is loaded by the way."""
    imports = ", ".join(dotted(module) for module in WITHOUT_ENGINE)
    assert python(f"import sys, {imports}; print({ENGINES} & set(sys.modules))") == "set()\n"


@pytest.mark.parametrize(
    ("module", "engine"),
    [
        ("constructs_lib.kube", "cdk8s"),
        ("constructs_lib.aws", "aws_cdk"),
        ("apps.kube", "cdk8s"),
        ("apps.aws", "aws_cdk"),
    ],
)
def test_a_half_starts_its_own_engine_alone(module: str, engine: str) -> None:
    """Whoever renders one half does not wait for the engine of the other, not by the way either."""
    assert python(f"import sys, {module}; print({{'cdk8s', 'aws_cdk'}} & set(sys.modules))") == f"{{'{engine}'}}\n"


def test_what_is_imported_beside_node_asks_it_for_nothing() -> None:
    """Settings are read while node starts, and modules are imported while validation does: it answers one at a time."""
    assert python("import sys, apps.environments; print({'jsii', 'constructs'} & set(sys.modules))") == "set()\n"
    stopped = "import aws_cdk, jsii; jsii.kernel.provider._process.stop()"
    assert python(f"{stopped}; import apps.aws, apps.environments; print('imported')") == "imported\n"


@pytest.mark.parametrize(
    ("names", "engine"), [(PUBLIC_FROM_KUBE, "cdk8s"), (PUBLIC_FROM_AWS, "aws_cdk")], ids=["kube", "aws"]
)
def test_constructs_come_from_the_package_itself(names: set[str], engine: str) -> None:
    """In a fresh interpreter the package gives every public name, and loads the engine of its half only then."""
    engines = "{'cdk8s', 'aws_cdk'} & set(sys.modules)"
    code = f"import sys, constructs_lib; before = {engines}; from constructs_lib import {', '.join(sorted(names))}"
    assert python(f"{code}; print(before, {engines})") == f"set() {{'{engine}'}}\n"


def test_public_names_are_exact() -> None:
    """Nothing becomes public, or stops being it, by accident; checkers are told the same names."""
    assert set(constructs_lib.__all__) == PUBLIC
    assert set(kube.__all__) == PUBLIC_OF_KUBE
    assert set(aws.__all__) == PUBLIC_OF_AWS
    assert all(getattr(constructs_lib, name) is getattr(kube, name) for name in PUBLIC_FROM_KUBE)
    assert all(getattr(constructs_lib, name) is getattr(aws, name) for name in PUBLIC_FROM_AWS)
    typed = [node for node in ast.parse((PACKAGE / "__init__.py").read_text()).body if isinstance(node, ast.If)]
    assert {alias.name for node in ast.walk(typed[0]) if isinstance(node, ast.ImportFrom) for alias in node.names} == (
        PUBLIC
    )


@pytest.mark.parametrize("name", ["Component", "PrometheusHa", "cdk8s"])
def test_other_names_do_not_exist(name: str) -> None:
    """A name that is not public is an ordinary AttributeError, as for any module."""
    with pytest.raises(AttributeError, match=f"module 'constructs_lib' has no attribute '{name}'"):
        getattr(importlib.import_module("constructs_lib"), name)


def test_the_package_says_that_it_is_typed() -> None:
    """Checkers of other teams' apps read our types."""
    assert (PACKAGE / "py.typed").is_file()
