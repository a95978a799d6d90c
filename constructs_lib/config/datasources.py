"""Grafana's data sources as typed data, and how each leads to the others.

Source: https://grafana.com/docs/grafana/latest/administration/provisioning/#data-sources
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Protocol

from constructs_lib.contract import Endpoint
from constructs_lib.errors import ConstructError
from constructs_lib.metrics.jaeger import SPAN_METRICS
from constructs_lib.promql import metric
from constructs_lib.units import prometheus_duration

PROMETHEUS, LOKI, JAEGER, ALERTMANAGER = "prometheus", "loki", "jaeger", "alertmanager"
# By which names programs write the trace into a line of a log, or into an exemplar.
TRACE_ID = r"""[Tt][Rr][Aa][Cc][Ee][-_.]?[Ii][Dd]["']?\s*[:=]\s*["']?([0-9a-fA-F]{16,32})"""
EXEMPLAR_LABELS = ("trace_id", "traceID")
# A program writes of a request while it serves it, or a little later.
AROUND = timedelta(minutes=1)
(CALLS,) = (metric.name for metric in SPAN_METRICS.metrics)
Uids = Mapping[str, str]


class DataSource(Protocol):
    """What Grafana asks.

    `uid` and `name` are how dashboards and people name it, `kind` is what Grafana calls its plugin.
    """

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """By which people choose it, and its uid: fixed, since dashboards name it."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers."""

    def to_dict(self, others: Uids) -> dict[str, Any]:
        """What it needs besides.

        Args:
            others: The uid of the first data source of each kind; no link leads where there is none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSource:
    """Metrics; an exemplar leads to its trace.

    Args:
        endpoint: Where it answers.
        name: By which people choose it, and its uid.
        interval: Between two scrapes: no rate is asked for over less than four.
    Source: https://grafana.com/docs/grafana/latest/datasources/prometheus/configure/
    """

    kind: ClassVar[str] = PROMETHEUS

    endpoint: Endpoint
    name: str = PROMETHEUS
    interval: timedelta

    def to_dict(self, others: Uids) -> dict[str, Any]:
        traces = others.get(JAEGER)
        exemplars = [{"name": label, "datasourceUid": traces} for label in EXEMPLAR_LABELS] if traces else []
        return {
            "jsonData": {
                "httpMethod": "POST",
                "prometheusType": "Prometheus",
                "timeInterval": prometheus_duration(self.interval),
                **_alerts(others),
                **({"exemplarTraceIdDestinations": exemplars} if exemplars else {}),
            }
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiSource:
    """Logs; a line that names a trace leads to it.

    Args:
        endpoint: Where it answers.
        name: By which people choose it, and its uid.
        tenant: Whose logs, where Loki tells tenants apart.
    Source: https://grafana.com/docs/grafana/latest/datasources/loki/configure-loki-data-source/
    """

    kind: ClassVar[str] = LOKI

    endpoint: Endpoint
    name: str = LOKI
    tenant: str | None = None

    def to_dict(self, others: Uids) -> dict[str, Any]:
        traces = others.get(JAEGER)
        field = {
            "name": "trace",
            "matcherType": "regex",
            "matcherRegex": TRACE_ID,
            "url": "${__value.raw}",
            "urlDisplayLabel": "Show its trace",
            "datasourceUid": traces,
        }
        named = {"httpHeaderName1": "X-Scope-OrgID"} if self.tenant else {}
        return {
            "jsonData": {
                "maxLines": 1000,
                **_alerts(others),
                **({"derivedFields": [field]} if traces else {}),
                **named,
            },
            **({"secureJsonData": {"httpHeaderValue1": self.tenant}} if self.tenant else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class JaegerSource:
    """Traces; a span leads to the lines that name its trace, and to the metrics of its name.

    Args:
        endpoint: Where its query answers.
        name: By which people choose it, and its uid.
    Source: https://grafana.com/docs/grafana/latest/datasources/jaeger/
    """

    kind: ClassVar[str] = JAEGER

    endpoint: Endpoint
    name: str = JAEGER

    def to_dict(self, others: Uids) -> dict[str, Any]:
        logs, metrics = others.get(LOKI), others.get(PROMETHEUS)
        shift = {
            "spanStartTimeShift": f"-{prometheus_duration(AROUND)}",
            "spanEndTimeShift": prometheus_duration(AROUND),
        }
        to_logs = {
            "datasourceUid": logs,
            **shift,
            "customQuery": True,
            # No tag of a span is sure to be there: Jaeger does not hand out the service as one.
            "query": '{namespace=~".+"} |= "${__span.traceId}"',
        }
        served = metric(CALLS, span_name="${__span.name}")
        failed = metric(CALLS, span_name="${__span.name}", status_code="STATUS_CODE_ERROR")
        to_metrics = {
            "datasourceUid": metrics,
            **shift,
            "queries": [
                {"name": "Spans a second", "query": f"sum by (service_name) (rate({served}[5m]))"},
                {"name": "Failed spans a second", "query": f"sum by (service_name) (rate({failed}[5m]))"},
            ],
        }
        return {
            "jsonData": {
                "nodeGraph": {"enabled": True},
                **({"tracesToLogsV2": to_logs} if logs else {}),
                **({"tracesToMetrics": to_metrics} if metrics else {}),
            }
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerSource:
    """Alerts and silences; alerts of Grafana's own rules can be sent there once its administrator says so.

    Args:
        endpoint: Where it answers.
        name: By which people choose it, and its uid.
    Source: https://grafana.com/docs/grafana/latest/datasources/alertmanager/
    """

    kind: ClassVar[str] = ALERTMANAGER

    endpoint: Endpoint
    name: str = ALERTMANAGER

    def to_dict(self, others: Uids) -> dict[str, Any]:
        return {"jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": True}}


def provisioned(sources: Mapping[str, DataSource]) -> dict[str, Any]:
    """The file that Grafana reads at its start: what is in none any more is deleted.

    Args:
        sources: By uid, in the order of their adding: the first Prometheus is the default one, or else the first.
    """
    first: dict[str, str] = {}
    for uid, source in sources.items():
        first.setdefault(source.kind, uid)
    default = first.get(PROMETHEUS) or next(iter(sources), None)
    return {
        "apiVersion": 1,
        "prune": True,
        "datasources": [
            {
                "name": source.name,
                "uid": uid,
                "type": source.kind,
                "access": "proxy",
                "url": source.endpoint.url,
                "isDefault": uid == default,
                "editable": False,
                **_escaped(source.to_dict(first)),
            }
            for uid, source in sources.items()
        ],
    }


def named(name: str) -> str:
    """Give back a name that can be a uid.

    Raises:
        ConstructError: one that Grafana refuses.
    Source: https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
    """
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", name):
        raise ConstructError(f"{name!r} cannot be a data source: use up to 40 letters, digits, dashes and underscores")
    return name


def _alerts(others: Uids) -> dict[str, Any]:
    """Its rules are shown, with the silences of who notifies of them."""
    return {"manageAlerts": True, **({"alertmanagerUid": others[ALERTMANAGER]} if ALERTMANAGER in others else {})}


def _escaped(value: Any) -> Any:
    """Grafana takes a dollar in these files for a variable of its process."""
    match value:
        case str():
            return value.replace("$", "$$")
        case dict():
            return {key: _escaped(each) for key, each in value.items()}
        case list():
            return [_escaped(each) for each in value]
        case _:
            return value
