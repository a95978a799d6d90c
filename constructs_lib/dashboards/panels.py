"""Panels, queries and variables by the SDK of Grafana: each panel with what it shows, its unit and its limits.

The SDK's builders change in place: each of these functions makes a new one.

Source: https://grafana.github.io/grafana-foundation-sdk/
"""

from collections.abc import Collection, Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import common, logs, loki, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.units import (
    BytesPerSecondIEC,
    CountsPerSecond,
    Dollars,
    DurationSeconds,
    PercentUnit,
    RequestsPerSecond,
    Seconds,
    Short,
    String,
)

from constructs_lib import promql
from constructs_lib.config.datasources import LOKI, PROMETHEUS
from constructs_lib.errors import ConstructError
from constructs_lib.promql import Matcher
from constructs_lib.rules.jobs import among

SHARE, SECONDS, AGE, COUNT, DOLLARS = PercentUnit, Seconds, DurationSeconds, Short, Dollars
REQUESTS_A_SECOND, A_SECOND, BYTES_A_SECOND = RequestsPerSecond, CountsPerSecond, BytesPerSecondIEC
# Grafana fills these in: four scrapes at least, so that one may fail; the whole time that is looked at; for logs, what
# lies between two points.
# https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/#use-__rate_interval
RATE, RANGE, AUTO = "$__rate_interval", "$__range", "$__auto"
# All values of a label: with those that have it alone, and with those that do not.
EVERYTHING, ANYTHING = ".+", ".*"
FINE, WARNING, CRITICAL = "green", "orange", "red"
# Of a number of which one is too many.
ANY = 1

Query = prometheus.Dataquery | loki.Dataquery
Panel = Builder[models.Panel]
P = TypeVar("P", timeseries.Panel, stat.Panel, table.Panel, logs.Panel)


def source(kind: str) -> models.DataSourceRef:
    """The platform's data source of a kind, by its uid."""
    return models.DataSourceRef(type_val=kind, uid=kind)


def of_jobs(dashboard: str, jobs: Collection[str]) -> Matcher:
    """The condition that the label `job` is one of these names.

    Args:
        dashboard: Its name, for the message.
        jobs: At least one.
    Raises:
        ConstructError: no job.
    """
    if not jobs:
        raise ConstructError(f"the dashboard {dashboard} shows no job: name at least one, or leave the dashboard out")
    return among(jobs, group=dashboard)


def series(expr: str, legend: str, *, exemplars: bool = False) -> prometheus.Dataquery:
    """What Prometheus has over time.

    Args:
        expr: PromQL.
        legend: What each series is called, as `{{pod}}`.
        exemplars: Whether to show traces of single requests, which only buckets have.
    """
    asked = prometheus.Dataquery().expr(expr).legend_format(legend).datasource(source(PROMETHEUS)).range()
    return asked.exemplar(True) if exemplars else asked


def latest(expr: str, legend: str) -> prometheus.Dataquery:
    """What Prometheus has at the end of the time that is looked at."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).datasource(source(PROMETHEUS)).instant()


def counted(expr: str, legend: str) -> loki.Dataquery:
    """What is counted of Loki's lines over time.

    Args:
        expr: LogQL.
        legend: What each series is called, as `{{namespace}}`.
    """
    asked = loki.Dataquery().expr(expr).legend_format(legend).datasource(source(LOKI))
    return asked.query_type("range")


def total(expr: str, legend: str) -> loki.Dataquery:
    """What is counted of Loki's lines in the whole time that is looked at."""
    return counted(expr, legend).query_type("instant")


def found(expr: str, *, most: int) -> loki.Dataquery:
    """Loki's lines themselves, the newest ones."""
    return loki.Dataquery().expr(expr).max_lines(most).datasource(source(LOKI)).query_type("range")


def share(failed: str, every: str) -> str:
    """The part that fails, of what there is; 0 where nothing of the kind has ever failed, so that there is no series.

    Args:
        failed: An expression.
        every: One with the same labels.
    """
    return f"({failed} or {every} * 0) / ({every} > 0)"


def or_none(expr: str, *labels: str) -> str:
    """With a series at 0 besides, so that what has never happened is seen not to happen.

    Args:
        expr: Of PromQL or LogQL.
        labels: By which it is told apart; they are `none` of that series.
    """
    none = "vector(0)"
    for label in labels:
        none = f'label_replace({none}, "{label}", "none", "", "")'
    return f"{expr} or {none}"


def graph(
    title: str,
    says: str,
    unit: str,
    *queries: Query,
    warning: float | None = None,
    critical: float | None = None,
    link: build.DashboardLink | None = None,
    stacked: bool = False,
) -> timeseries.Panel:
    """Curves over time.

    Args:
        title: What is seen.
        says: What it means, in one sentence.
        unit: Of its values.
        queries: One or more.
        warning: The limit of an alert that wakes nobody.
        critical: The limit of an alert that does.
        link: Where each curve leads.
        stacked: Whether the curves are parts of a whole.
    Raises:
        ConstructError: a query that does not parse.
    """
    panel = _described(timeseries.Panel(), title, says, unit, queries)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull"])
    )
    panel.tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING))
    panel.min(0).show_points(options.VisibilityMode.NEVER).fill_opacity(10).line_width(1)
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL)).fill_opacity(40)
    if warning is not None or critical is not None:
        panel.thresholds(_limits(warning, critical)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        )
    return panel.data_links([link]) if link else panel


def figure(
    title: str,
    says: str,
    unit: str,
    *queries: Query,
    warning: float | None = None,
    critical: float | None = None,
    link: build.DashboardLink | None = None,
) -> stat.Panel:
    """Single numbers, in the colour of the limit that they have reached; what it takes is what `graph` takes."""
    panel = _described(stat.Panel(), title, says, unit, queries)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_limits(warning, critical))  # without any, Grafana has one at 80
    if warning is not None or critical is not None:
        panel.color_mode(options.BigValueColorMode.BACKGROUND)
    return panel.data_links([link]) if link else panel


def listing(title: str, says: str, unit: str, query: prometheus.Dataquery, *, of_value: str) -> table.Panel:
    """A table of what there is now, by its labels.

    Args:
        title: What is seen.
        says: What it means, in one sentence.
        unit: Of its values.
        query: By `latest`.
        of_value: What the column of the values is called.
    Raises:
        ConstructError: a query that does not parse.
    """
    panel = _described(table.Panel(), title, says, unit, (query.format(PromQueryFormat.TABLE),))
    panel.align(options.FieldTextAlignment.AUTO).inspect(False)
    columns = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": {"Value": of_value}}
    return panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=columns))


def lines(title: str, says: str, query: loki.Dataquery) -> logs.Panel:
    """Lines as they were written, the newest first."""
    panel = _described(logs.Panel(), title, says, String, (query,))
    return (
        panel.show_time(True)
        .show_labels(False)
        .wrap_log_message(True)
        .enable_log_details(True)
        .sort_order(options.LogsSortOrder.DESCENDING)
        .dedup_strategy(options.LogsDedupStrategy.NONE)
    )


def to_dashboard(title: str, name: str, **labels: str) -> build.DashboardLink:
    """A way from a curve to another dashboard, over the same time.

    Args:
        title: What is said of it.
        name: Of the dashboard.
        labels: For each variable of it, the label of the curve whose value it takes.
    """
    variables = "".join(f"&var-{variable}=${{__field.labels.{label}}}" for variable, label in labels.items())
    return (
        build.DashboardLink(title)
        .type(models.DashboardLinkType.LINK)
        .url(f"/d/{name}?${{__url_time_range}}{variables}")
    )


def choice(name: str, says: str, kind: str, query: str, *, every: str = EVERYTHING) -> build.QueryVariable:
    """A choice of one or several values, or of all; to be used as a pattern, `=~`, as which Grafana fills it in.

    Args:
        name: Of the variable.
        says: What is chosen, in one sentence.
        kind: Of the data source.
        query: `label_values` of series that there are.
        every: The pattern of all; the default leaves out series without the label.
    Source: https://grafana.com/docs/grafana/latest/visualizations/dashboards/variables/
    """
    return (
        build.QueryVariable(name)
        .label(name.capitalize())
        .description(says)
        .datasource(source(kind))
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(every)
        .current(models.VariableOption(text=["All"], value=["$__all"]))
    )


def _limits(warning: float | None, critical: float | None) -> build.ThresholdsConfig:
    """Grafana colours what reaches a limit, most alerts fire beyond it."""
    steps = [models.Threshold(value=None, color=FINE)]
    limits = ((warning, WARNING), (critical, CRITICAL))
    steps += [models.Threshold(value=limit, color=color) for limit, color in limits if limit is not None]
    return build.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _described(panel: P, title: str, says: str, unit: str, queries: Sequence[Query]) -> P:
    """What all panels have."""
    panel.title(title).description(says).unit(unit)
    kinds = {LOKI if isinstance(query, loki.Dataquery) else PROMETHEUS for query in queries}
    panel.datasource(source(*kinds))
    for number, query in enumerate(queries):
        if isinstance(query, prometheus.Dataquery):
            promql.check(_filled_in(query.build().expr), of=f"the panel {title!r}")
        panel.with_target(query.ref_id(chr(ord("A") + number)))
    return panel


def _filled_in(expr: str) -> str:
    """As Grafana would, with some time."""
    return expr.replace(RATE, "1m").replace(RANGE, "1h")
