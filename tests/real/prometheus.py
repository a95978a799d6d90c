"""What tests ask a running Prometheus."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.cluster.kubernetes import Kubernetes


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
