"""The package's borders: which engine is imported where, and what is public."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import constructs_lib
from constructs_lib import kube
from tests.rendered import ROOT

PACKAGE = ROOT / "constructs_lib"
ENGINES = {"cdk8s", "cdk8s_plus_27", "aws_cdk", "constructs", "jsii"}
ALLOWED = {"kube": {"cdk8s", "cdk8s_plus_27", "constructs"}, "aws": {"aws_cdk", "constructs"}}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
WITHOUT_ENGINE = [module for module in MODULES if module.parts[0] not in ALLOWED]
PUBLIC = {
    *("Alertmanager", "AuthProxy", "BlackboxExporter", "Collector", "DashboardCollector", "ExternalSecret", "Grafana"),
    *("Ingress", "KubeStateMetrics", "LokiStore", "Monitored", "Routes"),
    *("Namespaces", "NodeExporter"),
    *("LogCollector", "PostgresExporter", "PrometheusHA", "RedisExporter", "StorageClass", "Tracing"),
}
PUBLIC_OF_KUBE = PUBLIC | {
    *("Component", "ComponentEndpoint", "ConfigMap", "Manifest", "synth"),
    *("Container", "FieldOfPod", "OfSecret", "Placement", "Probe", "Resources", "Text"),
    *("API_ACCESS", "Claimed", "ConfigMapFiles", "HostPath", "Mount", "SecretFiles", "SecretKey", "Volume"),
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


def test_constructs_come_from_the_package_itself() -> None:
    """In a fresh interpreter the package gives every public name, and loads the engine only then."""
    names = ", ".join(sorted(PUBLIC))
    code = f"import sys, constructs_lib; before = 'cdk8s' in sys.modules; from constructs_lib import {names}"
    assert python(f"{code}; print(before, 'cdk8s' in sys.modules)") == "False True\n"


def test_public_names_are_exact() -> None:
    """Nothing becomes public, or stops being it, by accident; checkers are told the same names."""
    assert set(constructs_lib.__all__) == PUBLIC
    assert set(kube.__all__) == PUBLIC_OF_KUBE
    assert all(getattr(constructs_lib, name) is getattr(kube, name) for name in PUBLIC)
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
