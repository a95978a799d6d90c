"""The alerts that Prometheus evaluates, as series: what is wrong now, and what was while a curve bent."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as models

from constructs_lib.config.datasources import PROMETHEUS
from constructs_lib.contract import ORIGIN
from constructs_lib.metrics.model import Kind, Metric, Program
from constructs_lib.promql import metric, not_equal
from constructs_lib.rules.model import HEARTBEAT, Severity

NAME, FIRING = "ALERTS", "firing"
# By what people know which one it is.
TOLD_BY = (
    *("severity", "alertname", "team", ORIGIN, "job", "instance", "namespace", "pod", "container"),
    *("node", "service", "persistentvolumeclaim", "queue", "model"),
)
# Of every alert, beside those of its expression, which are as many as there are alerts: so it is in no file of
# constructs_lib.metrics, whose labels are all that a series has.
ALERTS = Program(
    name="rules of prometheus",
    version="3.13.3",
    job="any",
    metrics=(Metric(NAME, Kind.GAUGE, ("alertstate", *TOLD_BY)),),
    source="https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/#inspecting-alerts-during-runtime",
)


def firing(severity: Severity) -> str:
    """How many alerts of a severity fire, of those that the platform hears of; nothing where nothing is evaluated."""
    told = metric(NAME, alertstate=FIRING, severity=severity.value, **{ORIGIN: ""})
    return f"(count({told}) or vector(0)) and on () {metric(NAME, alertname=HEARTBEAT)}"


def all_firing() -> str:
    """What fires, the heartbeat too: where even that does not, nothing is evaluated."""
    return f"count by ({', '.join(TOLD_BY)}) ({metric(NAME, alertstate=FIRING)})"


class _Annotation(models.AnnotationQuery):
    """With what Prometheus' plugin reads, which the SDK does not know.

    Source: https://github.com/grafana/grafana/blob/main/packages/grafana-prometheus/src/annotations.ts
    """

    def to_json(self) -> dict[str, object]:
        return {
            **super().to_json(),
            "target": {"expr": self.expr, "interval": "1m", "refId": "Anno"},
            "titleFormat": "{{alertname}}",
            "tagKeys": "severity,team",
        }


class _Builder(build.AnnotationQuery):
    def __init__(self) -> None:
        self._internal = _Annotation()


def annotation() -> build.AnnotationQuery:
    """Marks on every graph for as long as alerts fire that somebody must hear of."""
    told = metric(NAME, alertstate=FIRING, severity=not_equal(Severity.NONE.value))
    return (
        _Builder()
        .name("Firing alerts")
        .datasource(models.DataSourceRef(type_val=PROMETHEUS, uid=PROMETHEUS))
        .enable(True)
        .hide(False)
        .icon_color("red")
        .expr(told)
    )
