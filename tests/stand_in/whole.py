"""The files of a Grafana with which nothing is wrong."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

INI = """\
# A comment.
instance_name = ${POD_NAME}

[server]
root_url = https://grafana.example.com/

[database]
type = sqlite3

[security]
admin_user = $__file{/etc/grafana/credentials/admin/user}
admin_password = $__file{/etc/grafana/credentials/admin/password}
secret_key = $__file{/etc/grafana/credentials/admin/secret-key}
content_security_policy_template = \"\"\"script-src 'self'; object-src 'none';\"\"\"

[dashboards]
default_home_dashboard_path = /etc/grafana/dashboards/system.json

[metrics]
enabled = true
"""
SOURCES: dict[str, Any] = {
    "apiVersion": 1,
    "prune": True,
    "datasources": [
        {
            "name": "Prometheus",
            "type": "prometheus",
            "uid": "prometheus",
            "url": "http://prometheus:9090",
            "access": "proxy",
            "isDefault": True,
            "jsonData": {
                "httpMethod": "POST",
                "exemplarTraceIdDestinations": [{"name": "trace_id", "datasourceUid": "jaeger"}],
            },
        },
        {
            "name": "Loki",
            "type": "loki",
            "uid": "loki",
            "url": "http://loki:3100",
            "jsonData": {
                "httpHeaderName1": "X-Scope-OrgID",
                "derivedFields": [
                    {"name": "trace", "matcherRegex": "a(b)", "url": "$${__value.raw}", "datasourceUid": "jaeger"}
                ],
            },
            "secureJsonData": {"httpHeaderValue1": "$__file{/etc/grafana/credentials/admin/tenant}"},
        },
        {
            "name": "Jaeger",
            "type": "jaeger",
            "uid": "jaeger",
            "url": "http://jaeger-query:16686",
            "jsonData": {
                "tracesToLogsV2": {"datasourceUid": "loki", "tags": [{"key": "service.name", "value": "app"}]},
                "tracesToMetrics": {"datasourceUid": "prometheus", "queries": [{"name": "calls", "query": "up"}]},
            },
        },
        {
            "name": "Alertmanager",
            "type": "alertmanager",
            "uid": "alertmanager",
            "url": "http://alertmanager:9093",
            "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
        },
    ],
}
PROVIDERS: dict[str, Any] = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "platform",
            "folder": "Platform",
            "type": "file",
            "disableDeletion": True,
            "updateIntervalSeconds": 1,
            "options": {"path": "/etc/grafana/dashboards"},
        },
        {
            "name": "teams",
            "updateIntervalSeconds": 1,
            "options": {"path": "/etc/grafana/teams", "foldersFromFilesStructure": True},
        },
    ],
}


def board(uid: str, title: str) -> dict[str, Any]:
    """A dashboard of two panels, one of them in a row."""
    source = {"type": "prometheus", "uid": "prometheus"}
    target = {"refId": "A", "expr": "up", "datasource": source}
    inside = panel(2, "Inside", y=9) | {"datasource": {"type": "prometheus", "uid": "${source}"}}
    return {
        "uid": uid,
        "title": title,
        "schemaVersion": 41,
        "links": [{"type": "link", "url": "/d/system", "title": "System"}],
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus"},
                {"name": "job", "type": "query", "datasource": source, "query": "label_values(up, job)"},
            ]
        },
        "annotations": {"list": [{"name": "built in", "datasource": {"type": "grafana", "uid": "-- Grafana --"}}]},
        "panels": [
            panel(1, "Up") | {"datasource": source, "targets": [target]},
            panel(3, "More", kind="row", y=8, h=1) | {"panels": [inside]},
        ],
    }


def panel(number: int, title: str, *, kind: str = "timeseries", x: int = 0, y: int = 0, h: int = 8) -> dict[str, Any]:
    return {"id": number, "title": title, "type": kind, "gridPos": {"x": x, "y": y, "w": 24, "h": h}}


@dataclass(frozen=True, slots=True)
class Files:
    """Files below a directory that is `/` to a Grafana."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its container."""
        return {"GF_PATHS_CONFIG": "/etc/grafana/config/grafana.ini", "POD_NAME": "grafana-0", "HOSTNAME": "grafana-0"}

    def at(self, path: str) -> Path:
        """A file, whose directory is made."""
        found = self.root / path
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def write(self) -> None:
        """All of them."""
        self.at("etc/grafana/config/grafana.ini").write_text(INI)
        for name, secret in {"user": "boss", "password": "pa#ss", "secret-key": "key", "tenant": "us\n"}.items():
            self.at(f"etc/grafana/credentials/admin/{name}").write_text(secret)
        self.at("etc/grafana/provisioning/datasources/all.yaml").write_text(yaml.safe_dump(SOURCES))
        self.at("etc/grafana/provisioning/dashboards/all.yaml").write_text(yaml.safe_dump(PROVIDERS))
        # As a ConfigMap is mounted: links to a hidden directory.
        self.at("etc/grafana/dashboards/..data/system.json").write_text(json.dumps(board("system", "System")))
        self.at("etc/grafana/dashboards/system.json").symlink_to("..data/system.json")
        self.at("etc/grafana/teams/shop/sales.sales.json").write_text(json.dumps(board("shop-sales", "Sales")))
        self.at("var/lib/grafana/").mkdir(parents=True)

    def change(self, path: str, old: str, new: str) -> None:
        """Put one text in the place of another one, which must be there."""
        text = self.at(path).read_text()
        assert old in text
        self.at(path).write_text(text.replace(old, new, 1))

    def edit(self, path: str, change: Callable[[Any], object]) -> None:
        """Change what a file of YAML or JSON holds."""
        content = yaml.safe_load(self.at(path).read_text())
        change(content)
        self.at(path).write_text(json.dumps(content))
