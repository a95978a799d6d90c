"""What programs write: how much of it, who writes errors, and the lines themselves."""

from collections.abc import Collection

from grafana_foundation_sdk.builders import dashboard as build

from constructs_lib.config.datasources import LOKI
from constructs_lib.dashboards.layout import LOW, WHOLE, Row, dashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.names import LOGS
from constructs_lib.dashboards.panels import (
    ANYTHING,
    AUTO,
    BYTES_A_SECOND,
    COUNT,
    RANGE,
    Panel,
    choice,
    counted,
    figure,
    found,
    graph,
    lines,
    or_none,
    to_dashboard,
    total,
)
from constructs_lib.promql import quoted
from constructs_lib.rules.log_model import LogAlert
from constructs_lib.rules.model import Severity

# Labels of a stream that are chosen; a stream without one of the last two is only among all of them.
CHOSEN = {"namespace": "$namespace", "app": "$app", "pod": "$pod"}
# Between backticks, and raw, a text with quotes stays as it is.
# https://grafana.com/docs/loki/latest/query/log_queries/#line-filter-expression
SEARCHED = "|= `${text:raw}`"
# As Loki calls what it takes for the level of a line.
# https://grafana.com/docs/loki/latest/get-started/labels/#default-labels-for-all-users
LEVEL, ERRORS = "detected_level", "error|fatal|critical"
MOST = 10  # curves that can be told apart
LINES = 500
# Not every pod says of which application it is.
BY, NAMED = "namespace, app, container", "{{namespace}}/{{container}}"


def log_lines(*, alerts: Collection[LogAlert] = ()) -> Dashboard:
    """The dashboard `logs`, against the limits of alerts on logs.

    Args:
        alerts: Each gets a panel of what it counts.
    """
    rows = [
        Row("In all", ((8, _every()), (8, _failed()), (8, _volume())), height=LOW),
        Row("Lines", ((12, _levels()), (12, _namespaces()))),
        Row("Errors", ((12, _errors()), (12, _writers()))),
        Row("What is written", ((24, _written()),), height=WHOLE),
    ]
    if alerts:
        width, rest = divmod(24, len(alerts))
        widths = (width + (number < rest) for number in range(len(alerts)))
        told = tuple(zip(widths, map(_told, alerts), strict=True))
        rows.insert(3, Row("What alerts count, whatever is chosen", told))
    return dashboard(
        name=LOGS,
        title="Logs",
        says="How much programs write, who writes errors, and the lines themselves.",
        variables=(
            choice("namespace", "Whose programs are shown.", LOKI, "label_values(namespace)"),
            choice(
                "app", "Which programs are shown.", LOKI, f"label_values({_streams('namespace')}, app)", every=ANYTHING
            ),
            choice(
                "pod",
                "Which pods are shown.",
                LOKI,
                f"label_values({_streams('namespace', 'app')}, pod)",
                every=ANYTHING,
            ),
            build.TextBoxVariable("text")
            .label("Text")
            .description("What a line holds, as it is written.")
            .default_value(""),
        ),
        rows=rows,
    )


def _streams(*labels: str) -> str:
    """The streams that are chosen by these labels; by the first of them, none is without it, as Loki demands."""
    return f"{{{', '.join(f'{label}=~{quoted(CHOSEN[label])}' for label in labels)}}}"


def _chosen(level: str | None = None) -> str:
    """The lines that are chosen."""
    only = f" | {LEVEL}=~{quoted(level)}" if level else ""
    return f"{_streams(*CHOSEN)} {SEARCHED}{only}"


def _every() -> Panel:
    return figure(
        "Lines in all",
        "How many lines were written in the time that is looked at.",
        COUNT,
        total(f"sum(count_over_time({_chosen()} [{RANGE}]))", "lines"),
    )


def _failed() -> Panel:
    return figure(
        "Errors in all",
        "How many lines that look like errors were written in the time that is looked at.",
        COUNT,
        total(f"sum(count_over_time({_chosen(ERRORS)} [{RANGE}])) or vector(0)", "errors"),
    )


def _volume() -> Panel:
    return figure(
        "Bytes in all",
        "How much text is written.",
        BYTES_A_SECOND,
        counted(f"sum(bytes_rate({_chosen()} [{AUTO}]))", "bytes"),
    )


def _levels() -> Panel:
    return graph(
        "Lines, by level",
        "How many lines of each level were written between two points, as Loki takes them.",
        COUNT,
        counted(f"sum by ({LEVEL}) (count_over_time({_chosen()} [{AUTO}]))", f"{{{{{LEVEL}}}}}"),
        stacked=True,
    )


def _namespaces() -> Panel:
    return graph(
        "Lines, by namespace",
        "How many lines of each namespace were written between two points.",
        COUNT,
        counted(f"sum by (namespace) (count_over_time({_chosen()} [{AUTO}]))", "{{namespace}}"),
        stacked=True,
    )


def _errors() -> Panel:
    errors = f"sum by ({BY}) (count_over_time({_chosen(ERRORS)} [{AUTO}]))"
    return graph(
        "Errors, by program",
        "The programs that write most lines that look like errors.",
        COUNT,
        counted(or_none(f"topk({MOST}, {errors})", "namespace", "app", "container"), NAMED),
        link=_to_program(),
    )


def _writers() -> Panel:
    return graph(
        "Bytes, by program",
        "The programs that write most.",
        BYTES_A_SECOND,
        counted(f"topk({MOST}, sum by ({BY}) (bytes_rate({_chosen()} [{AUTO}])))", NAMED),
        link=_to_program(),
    )


def _told(alert: LogAlert) -> Panel:
    critical = alert.severity is Severity.CRITICAL
    legend = "/".join(f"{{{{{label}}}}}" for label in alert.by) or alert.name
    seen = alert.expr.removesuffix(f" > {alert.above}")
    return graph(
        alert.name,
        alert.summary,
        COUNT,
        counted(or_none(seen, *alert.by), legend),
        warning=None if critical else alert.above,
        critical=alert.above if critical else None,
        link=_to_program() if {"namespace", "app"} <= set(alert.by) else None,
    )


def _written() -> Panel:
    return lines("Lines", f"The last {LINES} lines of what is chosen.", found(_chosen(), most=LINES))


def _to_program() -> build.DashboardLink:
    return to_dashboard("What this program writes", LOGS, namespace="namespace", app="app")
