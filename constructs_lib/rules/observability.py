"""The monitoring of the monitoring itself: whether targets answer, and whether Prometheus does its own work.

Metrics of Prometheus 3.13, as it writes them on its own /metrics and beside every scrape:
https://prometheus.io/docs/prometheus/latest/configuration/configuration/ (extra_scrape_metrics)
"""

from datetime import timedelta

from constructs_lib.promql import metric
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, RuleGroup, Severity, samples
from constructs_lib.units import prometheus_duration

# Proofs begin with so many evaluations of peace, and show so many of what lasts.
PEACE, LONG = 4, 240
NEAR_LIMIT = 0.8
SHARE_DOWN = 0.5
RESTARTS, RESTARTS_WITHIN = 2, timedelta(hours=1)


def observability(by: Evaluator) -> RuleGroup:
    """The group `observability`.

    Args:
        by: Who evaluates it: windows and holds follow from its interval, and its jobs must have targets.
    """
    return RuleGroup(
        name="observability",
        alerts=(
            _target_down(by),
            _job_down(by),
            _job_missing(by),
            _replica_missing(by),
            _restarting(by),
            _reload_failed(by),
            _counts(
                by,
                name="PrometheusWritesFailed",
                counter="prometheus_tsdb_wal_writes_failed_total",
                severity=Severity.CRITICAL,
                summary="Prometheus cannot write samples, most often since its disk is full.",
                description="{{ $labels.pod }} keeps failing to write to its write-ahead log.",
            ),
            _counts(
                by,
                name="PrometheusRuleFailures",
                counter="prometheus_rule_evaluation_failures_total",
                severity=Severity.CRITICAL,
                summary="Rules cannot be evaluated, so their alerts cannot fire.",
                description="{{ $labels.pod }} keeps failing to evaluate rules of {{ $labels.rule_group }}.",
                labels={"rule_group": "observability"},
            ),
            _counts(
                by,
                name="PrometheusRuleEvaluationsMissed",
                counter="prometheus_rule_group_iterations_missed_total",
                severity=Severity.WARNING,
                summary="A rule group takes longer than its interval, so alerts come late.",
                description="{{ $labels.pod }} keeps skipping evaluations of {{ $labels.rule_group }}.",
                labels={"rule_group": "observability"},
            ),
            _counts(
                by,
                name="SampleLimitExceeded",
                counter="prometheus_target_scrapes_exceeded_sample_limit_total",
                severity=Severity.WARNING,
                summary="Targets send more samples than their job allows and are refused whole.",
                description="{{ $labels.pod }} keeps refusing targets for their number of samples.",
            ),
            _counts(
                by,
                name="LabelLimitExceeded",
                counter="prometheus_target_scrape_pool_exceeded_label_limits_total",
                severity=Severity.WARNING,
                summary="Targets send more or longer labels than their job allows and are refused whole.",
                description="{{ $labels.pod }} keeps refusing targets for their labels.",
            ),
            _counts(
                by,
                name="BodySizeLimitExceeded",
                counter="prometheus_target_scrapes_exceeded_body_size_limit_total",
                severity=Severity.WARNING,
                summary="Targets send a larger answer than their job allows and are refused whole.",
                description="{{ $labels.pod }} keeps refusing targets for the size of their answer.",
            ),
            _near_sample_limit(by),
        ),
    )


def _evaluations(by: Evaluator) -> int:
    """How many evaluations a condition must last: five minutes of them, and at least ten."""
    return max(10, -(-timedelta(minutes=5) // by.interval))


def _lasting(by: Evaluator, good: float, bad: float) -> tuple[str, str]:
    """A series that turns bad and stays so, and one that recovers just in time."""
    count = _evaluations(by)
    return samples((good, PEACE), (bad, LONG)), samples((good, PEACE), (bad, count), (good, LONG))


def _at(by: Evaluator) -> timedelta:
    """When what turned bad after the peace has lasted long enough."""
    return (PEACE + _evaluations(by)) * by.interval


def _target_down(by: Evaluator) -> Alert:
    up = metric("up", job="api", instance="10.0.0.1:8080")
    down, recovered = _lasting(by, 1, 0)
    return Alert(
        name="TargetDown",
        expr=f"{metric('up')} == 0",
        hold=_evaluations(by) * by.interval,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A target cannot be scraped.",
        description="The scrape of {{ $labels.instance }} of the job {{ $labels.job }} fails.",
        proof=Proof(fires={up: down}, at=_at(by), quiet={up: recovered}),
    )


def _job_down(by: Evaluator) -> Alert:
    one, two, three = (metric("up", job="api", instance=f"10.0.0.{host}:8080") for host in (1, 2, 3))
    down, recovered = _lasting(by, 1, 0)
    fine = samples((1, LONG))
    return Alert(
        name="JobDown",
        expr=f"count by (job) ({metric('up')} == 0) / count by (job) ({metric('up')}) > {SHARE_DOWN}",
        hold=_evaluations(by) * by.interval,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Most targets of a job cannot be scraped.",
        description="{{ $value | humanizePercentage }} of the targets of the job {{ $labels.job }} cannot be scraped.",
        proof=Proof(
            fires={one: fine, two: down, three: down},
            at=_at(by),
            # Half of a job, for ever; and all of one, but not for long enough.
            quiet={one: fine, two: down, metric("up", job="one", instance="10.0.0.4:8080"): recovered},
            step=0.2,
        ),
    )


def _job_missing(by: Evaluator) -> Alert:
    """A target that vanishes leaves no series that could be 0."""
    expr = " or ".join(f"absent({metric('up', job=job)})" for job in by.jobs)
    present = {metric("up", job=job, instance="10.0.0.1:8080"): samples((1, LONG)) for job in by.jobs}
    another = {metric("up", job="another", instance="10.0.0.1:8080"): samples((1, LONG))}
    gone = " ".join([samples((1, PEACE)), "stale", samples((1, LONG)).replace("1x", "_x")])
    back = " ".join([samples((1, PEACE)), "stale", f"_x{_evaluations(by) - 1}", samples((1, LONG))])
    return Alert(
        name="JobMissing",
        expr=expr,
        hold=_evaluations(by) * by.interval,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="A job has no target at all.",
        description="Discovery finds no target of the job {{ $labels.job }}.",
        proof=Proof(
            fires=dict.fromkeys(present, gone) | another,
            at=_at(by),
            count=len(by.jobs),
            quiet=dict.fromkeys(present, back) | another,
        ),
    )


def _replica_missing(by: Evaluator) -> Alert:
    name = "prometheus_ready"
    pods = [metric(name, job=by.job, pod=f"{by.job}-{ordinal}") for ordinal in range(by.replicas)]
    # Another Prometheus must not stand in for a missing server.
    others = {metric(name, job="another", pod=f"another-{n}"): samples((1, LONG)) for n in range(by.replicas)}
    present = {pod: samples((1, LONG)) for pod in pods}
    missing, recovered = _lasting(by, 1, 0)
    return Alert(
        name="PrometheusReplicaMissing",
        # A server that replays its log answers scrapes already, but evaluates and serves nothing.
        expr=f"(count({metric(name, job=by.job)} == 1) or vector(0)) < {by.replicas}",
        hold=_evaluations(by) * by.interval,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Fewer Prometheus servers are ready than there should be.",
        description=f"Only {{{{ $value }}}} of {by.replicas} Prometheus servers are ready.",
        proof=Proof(
            fires=present | {pods[-1]: missing} | others,
            at=_at(by),
            quiet=present | {pods[-1]: recovered} | others,
        ),
    )


def _restarting(by: Evaluator) -> Alert:
    name = "process_start_time_seconds"
    ours, another = metric(name, job=by.job, pod=f"{by.job}-0"), metric(name, job="another", pod="another-0")
    hour = RESTARTS_WITHIN // by.interval
    often = [(start, hour // 4) for start in range(4 * LONG)]  # a restart each quarter of an hour
    return Alert(
        name="PrometheusRestarting",
        expr=f"changes({metric(name, job=by.job)}[{prometheus_duration(RESTARTS_WITHIN)}]) > {RESTARTS}",
        hold=timedelta(0),
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Prometheus restarts again and again.",
        description="{{ $labels.pod }} has restarted {{ $value }} times within an hour.",
        proof=Proof(
            fires={ours: samples(*often)},
            at=3 * (hour // 4) * by.interval,
            quiet={
                ours: samples((0, hour // 2), (1, hour // 2), (2, hour // 2), (3, 8 * hour)),
                another: samples(*often),
            },
        ),
    )


def _reload_failed(by: Evaluator) -> Alert:
    name = "prometheus_config_last_reload_successful"
    ours, another = metric(name, job=by.job, pod=f"{by.job}-0"), metric(name, job="another", pod="another-0")
    failed, recovered = _lasting(by, 1, 0)
    return Alert(
        name="PrometheusReloadFailed",
        expr=f"{metric(name, job=by.job)} == 0",
        hold=_evaluations(by) * by.interval,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Prometheus refuses its new configuration and keeps the old one.",
        description="{{ $labels.pod }} has not been able to load its configuration.",
        proof=Proof(fires={ours: failed}, at=_at(by), quiet={ours: recovered, another: samples((0, LONG))}),
    )


def _counts(
    by: Evaluator,
    *,
    name: str,
    counter: str,
    severity: Severity,
    summary: str,
    description: str,
    labels: dict[str, str] | None = None,
) -> Alert:
    """An alert on something that must not happen again and again.

    Args:
        labels: That the counter has besides those of its target, for the proof.
    """
    own = labels or {}
    ours = metric(counter, job=by.job, pod=f"{by.job}-0", **own)
    another = metric(counter, job="another", pod="another-0", **own)
    # It happens every third evaluation: a window of four always holds an increase, one of two often none. In the quiet
    # series it stops early enough for a window of four, too late for one of eight.
    again = [(count, 3) for count in range(1, LONG // 3)]
    last = (_evaluations(by) - 3) // 3
    return Alert(
        name=name,
        expr=f"increase({metric(counter, job=by.job)}[{prometheus_duration(by.window)}]) > 0",
        hold=_evaluations(by) * by.interval,
        severity=severity,
        team=PLATFORM,
        summary=summary,
        description=description,
        proof=Proof(
            fires={ours: samples((0, PEACE), *again)},
            at=_at(by),
            quiet={
                ours: samples((0, PEACE), *again[:last], (last + 1, LONG)),
                another: samples((0, PEACE), *again),
            },
            step=2,  # one more in three of four scrapes is extrapolated to 1.33
        ),
    )


def _near_sample_limit(by: Evaluator) -> Alert:
    sent = metric("scrape_samples_post_metric_relabeling", job="api", instance="10.0.0.1:8080")
    limit = metric("scrape_sample_limit", job="api", instance="10.0.0.1:8080")
    expr = f"{metric('scrape_samples_post_metric_relabeling')} / {metric('scrape_sample_limit')} > {NEAR_LIMIT}"
    near, recovered = _lasting(by, 8000, 8100)
    allowed = {limit: samples((10_000, LONG))}
    return Alert(
        name="ScrapeSamplesNearLimit",
        expr=expr,
        hold=_evaluations(by) * by.interval,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A target is close to the number of samples at which it is refused whole.",
        description="{{ $labels.instance }} of {{ $labels.job }} sends {{ $value | humanizePercentage }} of its limit.",
        proof=Proof(fires={sent: near} | allowed, at=_at(by), quiet={sent: recovered} | allowed, step=0.01),
    )
