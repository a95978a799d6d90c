"""Alerts on the servers themselves: whether they run, load, write and evaluate. Part of the group `observability`."""

from datetime import timedelta

from constructs_lib.metrics.prometheus import PROMETHEUS
from constructs_lib.promql import metric
from constructs_lib.rules.counting import Spared, counts, lasting
from constructs_lib.rules.course import Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.rules.scraping import too_few
from constructs_lib.units import prometheus_duration

RESTARTS, RESTARTS_WITHIN = 2, timedelta(hours=1)
# Of the series that a server has memory for. What floods one floods all of them, within minutes.
MOST_SERIES = 0.6
# A rule group is told by its file, a semicolon and its name, which begins with the namespace of the team that it is of.
# https://github.com/prometheus/prometheus/blob/v3.13.3/rules/group.go
NAMESPACE_OF_GROUP = ".*;(.+)/.+"
GROUP_OF_TEAM = "/prometheus/collected/rules/shop_cart.yaml;shop/cart"
_GROUPS_OF_TEAMS = Spared(label="rule_group", pattern=NAMESPACE_OF_GROUP, such_as=GROUP_OF_TEAM)


def prometheus_alerts(by: Evaluator) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Whose servers are watched: they watch each other, and each itself.
    """
    return (
        _replica_missing(by),
        _restarting(by),
        _reload_failed(by),
        *((_series_near_memory(by, by.series),) if by.series else ()),
        counts(
            by,
            PROMETHEUS,
            name="PrometheusWritesFailed",
            counter="prometheus_tsdb_wal_writes_failed_total",
            severity=Severity.CRITICAL,
            summary="Prometheus cannot write samples, most often since its disk is full.",
            description="{{ $labels.pod }} keeps failing to write to its write-ahead log.",
        ),
        counts(
            by,
            PROMETHEUS,
            name="PrometheusRuleFailures",
            counter="prometheus_rule_evaluation_failures_total",
            severity=Severity.CRITICAL,
            summary="Rules cannot be evaluated, so their alerts cannot fire.",
            description="{{ $labels.pod }} keeps failing to evaluate rules of {{ $labels.rule_group }}.",
            but=_GROUPS_OF_TEAMS,
        ),
        counts(
            by,
            PROMETHEUS,
            name="PrometheusRuleEvaluationsMissed",
            counter="prometheus_rule_group_iterations_missed_total",
            severity=Severity.WARNING,
            summary="A rule group takes longer than its interval, so alerts come late.",
            description="{{ $labels.pod }} keeps skipping evaluations of {{ $labels.rule_group }}.",
            but=_GROUPS_OF_TEAMS,
        ),
        counts(
            by,
            PROMETHEUS,
            name="SampleLimitExceeded",
            counter="prometheus_target_scrapes_exceeded_sample_limit_total",
            severity=Severity.WARNING,
            summary="Targets send more samples than their job allows and are refused whole.",
            description="{{ $labels.pod }} keeps refusing targets for their number of samples.",
        ),
        counts(
            by,
            PROMETHEUS,
            name="LabelLimitExceeded",
            counter="prometheus_target_scrape_pool_exceeded_label_limits_total",
            severity=Severity.WARNING,
            summary="Targets send more or longer labels than their job allows and are refused whole.",
            description="{{ $labels.pod }} keeps refusing targets for their labels.",
        ),
        counts(
            by,
            PROMETHEUS,
            name="BodySizeLimitExceeded",
            counter="prometheus_target_scrapes_exceeded_body_size_limit_total",
            severity=Severity.WARNING,
            summary="Targets send a larger answer than their job allows and are refused whole.",
            description="{{ $labels.pod }} keeps refusing targets for the size of their answer.",
        ),
    )


def _replica_missing(by: Evaluator) -> Alert:
    name = "prometheus_ready"
    present = [PROMETHEUS.series(name, job=by.job, pod=f"{by.job}-{ordinal}") for ordinal in range(by.replicas)]
    others = [PROMETHEUS.series(name, job="another", pod=f"another-{ordinal}") for ordinal in range(by.replicas)]
    return Alert(
        name="PrometheusReplicaMissing",
        # A server that replays its log answers scrapes already, but evaluates and serves nothing.
        expr=f"(count({metric(name, job=by.job)} == 1) or vector(0)) < {by.replicas}",
        hold=lasting(by).hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Fewer Prometheus servers are ready than there should be.",
        description=f"Only {{{{ $value }}}} of {by.replicas} Prometheus servers are ready.",
        proof=too_few(by, present=present, others=others, last=present[-1]),
    )


def _restarting(by: Evaluator) -> Alert:
    name = "process_start_time_seconds"
    ours = PROMETHEUS.series(name, job=by.job, pod=f"{by.job}-0")
    another = PROMETHEUS.series(name, job="another", pod="another-0")
    hour = RESTARTS_WITHIN // by.interval
    often = samples(*((start, hour // 4) for start in range(8)))  # a restart each quarter of an hour
    return Alert(
        name="PrometheusRestarting",
        expr=f"changes({metric(name, job=by.job)}[{prometheus_duration(RESTARTS_WITHIN)}]) > {RESTARTS}",
        hold=timedelta(0),
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Prometheus restarts again and again.",
        description="{{ $labels.pod }} has restarted {{ $value }} times within an hour.",
        proof=Proof(
            fires={ours: often},
            at=3 * (hour // 4) * by.interval,
            quiet={ours: samples((0, hour // 2), (1, hour // 2), (2, hour // 2), (3, hour)), another: often},
        ),
    )


def _reload_failed(by: Evaluator) -> Alert:
    name = "prometheus_config_last_reload_successful"
    ours = PROMETHEUS.series(name, job=by.job, pod=f"{by.job}-0")
    another = PROMETHEUS.series(name, job="another", pod="another-0")
    course = lasting(by)
    return Alert(
        name="PrometheusReloadFailed",
        expr=f"{metric(name, job=by.job)} == 0",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Prometheus refuses its new configuration and keeps the old one.",
        description="{{ $labels.pod }} has not been able to load its configuration.",
        proof=Proof(
            fires={ours: course.lasts(1, 0)},
            at=course.at,
            quiet={ours: course.recovers(1, 0), another: course.steady(0)},
        ),
    )


def _series_near_memory(by: Evaluator, room: int) -> Alert:
    name, most = "prometheus_tsdb_head_series", int(MOST_SERIES * room)
    ours = PROMETHEUS.series(name, job=by.job, pod=f"{by.job}-0")
    another = PROMETHEUS.series(name, job="another", pod="another-0")
    course = Course(interval=by.interval, hold=by.window)
    return Alert(
        name="PrometheusSeriesNearMemory",
        expr=f"{metric(name, job=by.job)} > {most}",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Prometheus has nearly as many series as its memory holds; with more, all servers are killed.",
        description=f"{{{{ $labels.pod }}}} has {{{{ $value | humanize }}}} series in memory for about {room}.",
        proof=Proof(
            fires={ours: course.lasts(most, most + 1)},
            at=course.at,
            quiet={ours: course.recovers(most, most + 1), another: course.steady(most + 1)},
        ),
    )
