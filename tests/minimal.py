"""The smallest valid things that tests build on."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import cdk8s
from constructs import Construct

from constructs_lib.contract import Bucket, Cluster, Namespace, Port
from constructs_lib.image import Image
from constructs_lib.kube import (
    Alertmanager,
    Component,
    Container,
    Delivery,
    Links,
    LokiStore,
    Placement,
    PrometheusHA,
    Receiver,
    Resources,
    SecretKey,
    Stateful,
    Volume,
    Webhook,
)
from constructs_lib.rules.model import PLATFORM, Alert, Proof, Severity
from constructs_lib.units import Bytes, Cpu

CLUSTER = Cluster(name="blue", environment="test", api_server=("10.0.0.1/32", "10.9.0.0/24"), nodes=("10.8.0.0/16",))
NAMESPACE = Namespace(name="monitoring", cluster=CLUSTER)
LINKS = Links(external_url="https://prometheus.example.com", runbooks="https://runbooks.example.com/")
IMAGE = Image(registry="registry.example.com", repository="team/program", tag="1.2.3")
SMALL = Resources(cpu=Cpu(100), memory=Bytes.mib(64))
WEB = Port(name="web", number=8080)
LOGS = Bucket(name="logs", region="eu-central-1")
WEBHOOK = Receiver(name="webhook", integrations=(Webhook(url=SecretKey("receivers", "webhook-url")),))


def unrendered() -> cdk8s.Chart:
    """A chart that nobody renders; the one of cdk8s' own Testing leaves a directory behind."""
    return cdk8s.Chart(cdk8s.App(), "chart")


def container(name: str = "program", **more: Any) -> Container:
    return Container(**{"name": name, "image": IMAGE, "resources": SMALL, "ports": (WEB,), **more})


def component(scope: Construct, name: str, *ports: Port, containers: bool = True, **more: Any) -> Component:
    """A component of one container with one door; it has two replicas, and opens these ports too."""
    replicas = more.pop("replicas", 2)
    settings = {
        "namespace": NAMESPACE,
        "program": "program",
        "image": IMAGE,
        "workload": Stateful(
            replicas=replicas, volume=Volume(Bytes.gib(1)), user=1000, stop_within=timedelta(minutes=1)
        ),
        "placement": Placement(),
    }
    made = Component(scope, name, name=name, **{**settings, **more})
    made.endpoint(WEB)
    if containers:
        made.add_container(container(ports=(WEB, *ports)))
    made.endpoint(WEB)
    return made


def prometheus(scope: Construct, name: str = "prometheus", **more: Any) -> PrometheusHA:
    return PrometheusHA(scope, name, name=name, **{"namespace": NAMESPACE, "links": LINKS, **more})


def alertmanager(scope: Construct, name: str = "alertmanager", **more: Any) -> Alertmanager:
    settings = {"namespace": NAMESPACE, "external_url": "https://alertmanager.example.com"}
    return Alertmanager(scope, name, name=name, **{**settings, "delivery": Delivery(default=WEBHOOK), **more})


def loki(scope: Construct, name: str = "loki", **more: Any) -> LokiStore:
    return LokiStore(scope, name, name=name, **{"namespace": NAMESPACE, "store": LOGS, **more})


def alert(name: str = "TargetDown", **more: Any) -> Alert:
    settings: Mapping[str, Any] = {
        "expr": 'up{job="api"} == 0',
        "hold": timedelta(minutes=5),
        "severity": Severity.WARNING,
        "team": PLATFORM,
        "summary": "A target cannot be scraped.",
        "description": "It does not answer.",
        "proof": Proof(fires={"up": "0x9"}, at=timedelta(minutes=5), quiet={"up": "1x9"}),
    }
    return Alert(name=name, **{**settings, **more})
