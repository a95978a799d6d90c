"""What tests ask a running Prometheus."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from apps.environments import PROD
from tests.cluster.kubernetes import Kubernetes

DIST = Path(__file__).parents[2] / "dist" / "prod"
NODES = 3
# Each job of prod, and what it must find: pods of applications.yaml, or so many targets of the cluster itself.
PODS_BY_JOB = {
    "prometheus": {"prometheus-0", "prometheus-1"},
    "alertmanager": {"alertmanager-0", "alertmanager-1"},
    "loki": {"loki-0", "loki-1", "loki-2"},
    "grafana": {"grafana-0", "grafana-1"},
    "collector": {"prometheus-0", "prometheus-1"},
    "backup": {"prometheus-0", "prometheus-1"},
    "dashboard-collector": {"grafana-0", "grafana-1"},
    "api": {"api"},
    "backend": {"backend"},
    "data-service": {"data-service"},
    "orchestrator": {"orchestrator"},
    "nats": {"nats"},
    "neo4j": {"neo4j"},
    "qdrant": {"qdrant"},
    "annotated-pods": {"worker"},
    "annotated-services": {"legacy"},
}
COUNT_BY_JOB = {
    **{"apiserver": 1, "kubelet": NODES, "cadvisor": NODES, "node-exporter": NODES, "log-collector": NODES},
    **{"kube-state-metrics": 1, "kube-state-metrics-telemetry": 1, "postgres": 1, "redis": 1},
    **{"jaeger-collector": PROD.jaeger_collectors, "span-metrics": PROD.jaeger_collectors, "jaeger-query": 1},
    **{"blackbox-exporter": 1, "blackbox": 5},
    **{f"{name}-proxy": PROD.sign_in_replicas for name in ("prometheus", "alertmanager", "jaeger-query")},
}


@dataclass(frozen=True, slots=True)
class PrometheusPod:
    """One server of `dist/`, asked from within its pod."""

    cluster: Kubernetes
    name: str

    def api(self, path: str, **parameters: str) -> Any:
        """The data of an answer of `/api/v1`."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        status, body = self.cluster.http_get("monitoring", self.name, 9090, f"/api/v1/{path}{query}")
        assert status == 200, body
        return json.loads(body)["data"]

    def query(self, expr: str, time: float | None = None) -> list[dict[str, Any]]:
        """The series of an instant query."""
        at = {} if time is None else {"time": str(time)}
        series: list[dict[str, Any]] = self.api("query", query=expr, **at)["result"]
        return series

    def targets(self) -> list[dict[str, Any]]:
        """Every target that it scrapes."""
        targets: list[dict[str, Any]] = self.api("targets", state="active")["activeTargets"]
        return targets

    def pod(self) -> dict[str, Any]:
        """The pod as the API server has it."""
        return self.cluster.get("pod", self.name, "monitoring")

    def restarts(self) -> int:
        """How often Prometheus' container was started again."""
        (status,) = (each for each in self.pod()["status"]["containerStatuses"] if each["name"] == "prometheus")
        count: int = status["restartCount"]
        return count
