"""The pods and nodes of a healthy system, and how they are scraped."""

from collections.abc import Iterator
from dataclasses import dataclass

from apps.environment import Environment
from constructs_lib.config import discovery
from constructs_lib.metrics.backup import BACKUP
from constructs_lib.metrics.collector import COLLECTOR, DASHBOARDS_JOB
from constructs_lib.metrics.jaeger import SPAN_METRICS
from tests.real.simulation import Target, minute

NODES = ("node-a", "node-b", "node-c")
# What another team releases.
TEAM, NAMESPACE_OF_TEAM, JOB_OF_TEAM = "checkout", "shop", "shop/cart"
# One pod of a service is started again, and so is the last of several servers of Prometheus.
RESTARTED, RESTARTED_AT = "api-1", minute(20)
SERVER_RESTARTED_AT = minute(40)
# A rollout of Loki takes the last member, for some minutes.
LOKI_RESTARTED_AT = minute(32)
# A node is busy for a moment.
FAILS_AT = minute(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Equal pods of one container.

    Args:
        kind: deployment, statefulset or daemonset.
        name: Also of the container and the application.
        namespace: Where it runs.
        replicas: How many.
        job: By which each pod is scraped.
        telemetry: By which its other ports are, which tell of the program itself, or of what runs beside it.
        team: Whose release it comes from, if it is not the platform's.
    """

    kind: str
    name: str
    namespace: str
    replicas: int
    job: str
    telemetry: tuple[str, ...] = ()
    team: str | None = None

    def pods(self) -> Iterator[tuple[str, str]]:
        """The names of its pods, and the node of each."""
        for ordinal in range(self.replicas):
            yield f"{self.name}-{ordinal}", NODES[ordinal % len(NODES)]

    def targets(self) -> Iterator[Target]:
        """Its pods as they are scraped."""
        for ordinal, (pod, node) in enumerate(self.pods()):
            labels = {"namespace": self.namespace, "pod": pod, "node": node, "app": self.name}
            labels |= {"team": self.team, "origin": self.namespace} if self.team else {}
            restarts = RESTARTED_AT if pod == RESTARTED else float("inf")
            if 0 < ordinal == self.replicas - 1:
                restarts = {"prometheus": SERVER_RESTARTED_AT, "loki": LOKI_RESTARTED_AT}.get(self.job, restarts)
            fails = FAILS_AT if (self.job, node) == ("node-exporter", NODES[1]) else float("inf")
            instance = f"10.1.{len(self.name)}.{ordinal}:8080"
            yield Target(job=self.job, labels={"instance": instance, **labels}, restarts=restarts, fails=fails)
            for port, job in enumerate(self.telemetry, 8081):
                yield Target(job=job, labels={"instance": instance.replace("8080", str(port)), **labels})


def workloads(values: Environment) -> list[Workload]:
    """Those of an environment."""

    def workload(
        kind: str,
        name: str,
        replicas: int,
        job: str | None = None,
        *,
        namespace: str | None = None,
        telemetry: tuple[str, ...] = (),
        team: str | None = None,
    ) -> Workload:
        return Workload(
            kind=kind,
            name=name,
            namespace=namespace or values.namespace,
            replicas=replicas,
            job=job or name,
            telemetry=telemetry,
            team=team,
        )

    theirs = values.application_namespace
    beside = (COLLECTOR.job, *([BACKUP.job] if values.restore_points else []))
    collectors = "deployment" if values.traces_host else "statefulset"
    traces = [
        workload(collectors, "jaeger-collector", values.jaeger_collectors, telemetry=(SPAN_METRICS.job,)),
        *([workload("deployment", "jaeger-query", 1)] if values.traces_host else []),
    ]
    return [
        workload("statefulset", "prometheus", values.prometheus_replicas, telemetry=beside),
        workload("statefulset", "alertmanager", values.alertmanager_replicas),
        workload("statefulset", "loki", values.loki_replicas),
        workload("daemonset", "log-collector", len(NODES), namespace=f"{values.namespace}-host"),
        *(traces if values.tracing else []),
        workload("statefulset", "grafana", values.grafana_replicas, telemetry=(DASHBOARDS_JOB,)),
        workload("deployment", "kube-state-metrics", 1, telemetry=("kube-state-metrics-telemetry",)),
        workload("daemonset", "node-exporter", len(NODES), namespace=f"{values.namespace}-host"),
        workload("deployment", "postgres-exporter", 1, "postgres"),
        workload("deployment", "redis-exporter", 1, "redis"),
        *([workload("deployment", "blackbox-exporter", 1)] if values.hosts_at else []),
        *(workload("deployment", f"{name}-proxy", values.sign_in_replicas) for name in behind_login(values)),
        *(workload("deployment", name, 2, namespace=theirs) for name in values.application_services),
        *(workload("statefulset", name, 1, namespace=theirs) for name in values.infrastructure),
        workload("deployment", "worker", 1, discovery.ANNOTATED_PODS, namespace=theirs),
        workload("deployment", "legacy", 1, discovery.ANNOTATED_SERVICES, namespace=theirs),
        workload("deployment", "cart", 2, JOB_OF_TEAM, namespace=NAMESPACE_OF_TEAM, team=TEAM),
    ]


def behind_login(values: Environment) -> list[str]:
    """What people come in to by a proxy."""
    served = values.ingress and values.sign_in_issuer
    return ["prometheus", "alertmanager", *(["jaeger-query"] if values.tracing else [])] if served else []


def cluster_targets() -> Iterator[Target]:
    """What is no pod: the API server, and on every node the kubelet with cAdvisor in it."""
    yield Target(job=discovery.API_SERVER, labels={"instance": "10.20.0.10:443"})
    for number, node in enumerate(NODES):
        for job in (discovery.KUBELET, discovery.CADVISOR):
            yield Target(job=job, labels={"instance": f"10.20.16.{number + 1}:10250", "node": node})


def target_of(pods: list[Workload], job: str, pod: int = 0) -> Target:
    """A pod's target."""
    return [target for workload in pods for target in workload.targets() if target.job == job][pod]
