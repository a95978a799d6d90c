"""The monitoring of the monitoring itself: whether targets answer, and whether Prometheus does its own work.

Metrics of Prometheus 3.13: https://prometheus.io/docs/prometheus/latest/feature_flags/ and its own /metrics.
"""

from datetime import timedelta

from constructs_lib.config.prometheus import ScrapeDefaults
from constructs_lib.promql import metric
from constructs_lib.rules.model import Alert, Proof, RuleGroup, Severity, Team, samples
from constructs_lib.units import prometheus_duration

# A condition must last so many evaluations: five minutes at the default interval.
HOLD = 20
# Proofs begin with so many evaluations of peace, and show so many of what lasts.
PEACE, LONG = 4, 200
NEAR_LIMIT = 0.8


def observability(scrape: ScrapeDefaults, *, job: str, replicas: int) -> RuleGroup:
    """The group `observability`.

    Args:
        scrape: The defaults of the Prometheus that evaluates it: windows and holds follow from its interval.
        job: The one by which Prometheus scrapes itself.
        replicas: How many there must be.
    """
    hold = HOLD * scrape.interval
    return RuleGroup(
        name="observability",
        alerts=(
            _target_down(scrape, hold),
            _replica_missing(scrape, hold, job, replicas),
            _reload_failed(scrape, hold, job),
            _counts(
                scrape,
                name="PrometheusRuleFailures",
                counter="prometheus_rule_evaluation_failures_total",
                job=job,
                severity=Severity.CRITICAL,
                summary="Rules cannot be evaluated, so their alerts cannot fire.",
                description="{{ $labels.pod }} keeps failing to evaluate rules of {{ $labels.rule_group }}.",
            ),
            _counts(
                scrape,
                name="PrometheusRuleEvaluationsMissed",
                counter="prometheus_rule_group_iterations_missed_total",
                job=job,
                severity=Severity.WARNING,
                summary="A rule group takes longer than its interval, so alerts come late.",
                description="{{ $labels.pod }} keeps skipping evaluations of {{ $labels.rule_group }}.",
            ),
            _counts(
                scrape,
                name="SampleLimitExceeded",
                counter="prometheus_target_scrapes_exceeded_sample_limit_total",
                job=job,
                severity=Severity.WARNING,
                summary="Targets send more samples than their job allows and are refused whole.",
                description="{{ $labels.pod }} keeps refusing targets for their number of samples.",
            ),
            _counts(
                scrape,
                name="LabelLimitExceeded",
                counter="prometheus_target_scrape_pool_exceeded_label_limits_total",
                job=job,
                severity=Severity.WARNING,
                summary="Targets send more or longer labels than their job allows and are refused whole.",
                description="{{ $labels.pod }} keeps refusing targets for their labels.",
            ),
            _counts(
                scrape,
                name="BodySizeLimitExceeded",
                counter="prometheus_target_scrapes_exceeded_body_size_limit_total",
                job=job,
                severity=Severity.WARNING,
                summary="Targets send a larger answer than their job allows and are refused whole.",
                description="{{ $labels.pod }} keeps refusing targets for the size of their answer.",
            ),
            _near_sample_limit(scrape, hold),
        ),
    )


def _target_down(scrape: ScrapeDefaults, hold: timedelta) -> Alert:
    up = metric("up", job="api", instance="10.0.0.1:8080")
    return Alert(
        name="TargetDown",
        expr=f"{metric('up')} == 0",
        hold=hold,
        severity=Severity.WARNING,
        team=Team.PLATFORM,
        summary="A target cannot be scraped.",
        description="{{ $labels.instance }} of the job {{ $labels.job }} does not answer.",
        proof=Proof(
            fires={up: samples((1, PEACE), (0, LONG))},
            at=PEACE * scrape.interval + hold,
            quiet={up: samples((1, PEACE), (0, HOLD), (1, LONG))},
        ),
    )


def _replica_missing(scrape: ScrapeDefaults, hold: timedelta, job: str, replicas: int) -> Alert:
    pods = [metric("up", job=job, pod=f"{job}-{ordinal}") for ordinal in range(replicas)]
    # Another job's targets must not stand in for a missing server.
    others = {metric("up", job="api", pod=f"api-{ordinal}"): samples((1, LONG)) for ordinal in range(replicas)}
    present = {pod: samples((1, LONG)) for pod in pods}
    return Alert(
        name="PrometheusReplicaMissing",
        expr=f"(count({metric('up', job=job)} == 1) or vector(0)) < {replicas}",
        hold=hold,
        severity=Severity.WARNING,
        team=Team.PLATFORM,
        summary="Fewer Prometheus servers answer than there should be.",
        description=f"Only {{{{ $value }}}} of {replicas} Prometheus servers answer.",
        proof=Proof(
            fires=present | {pods[-1]: samples((1, PEACE), (0, LONG))} | others,
            at=PEACE * scrape.interval + hold,
            quiet=present | {pods[-1]: samples((1, PEACE), (0, HOLD), (1, LONG))} | others,
        ),
    )


def _reload_failed(scrape: ScrapeDefaults, hold: timedelta, job: str) -> Alert:
    name = "prometheus_config_last_reload_successful"
    ours, another = metric(name, job=job, pod=f"{job}-0"), metric(name, job="another", pod="another-0")
    return Alert(
        name="PrometheusReloadFailed",
        expr=f"{metric(name, job=job)} == 0",
        hold=hold,
        severity=Severity.CRITICAL,
        team=Team.PLATFORM,
        summary="Prometheus refuses its new configuration and keeps the old one.",
        description="{{ $labels.pod }} has not been able to load its configuration.",
        proof=Proof(
            fires={ours: samples((1, PEACE), (0, LONG))},
            at=PEACE * scrape.interval + hold,
            quiet={ours: samples((1, PEACE), (0, HOLD), (1, LONG)), another: samples((0, LONG))},
        ),
    )


def _counts(
    scrape: ScrapeDefaults, *, name: str, counter: str, job: str, severity: Severity, summary: str, description: str
) -> Alert:
    """An alert on something that must not happen again and again."""
    ours, another = metric(counter, job=job, pod=f"{job}-0"), metric(counter, job="another", pod="another-0")
    # It happens every third evaluation: a window of four always holds an increase, one of two often none. In the quiet
    # series it stops early enough for a window of four, too late for one of eight.
    again = [(count, 3) for count in range(1, LONG // 3)]
    return Alert(
        name=name,
        expr=f"increase({metric(counter, job=job)}[{prometheus_duration(scrape.window)}]) > 0",
        hold=HOLD * scrape.interval,
        severity=severity,
        team=Team.PLATFORM,
        summary=summary,
        description=description,
        proof=Proof(
            fires={ours: samples((0, PEACE), *again)},
            at=(PEACE + HOLD) * scrape.interval,
            quiet={
                ours: samples((0, PEACE), *again[: HOLD // 3 - 1], (HOLD // 3, LONG)),
                another: samples((0, PEACE), *again),
            },
            step=2,  # one more in three of four scrapes is extrapolated to 1.33
        ),
    )


def _near_sample_limit(scrape: ScrapeDefaults, hold: timedelta) -> Alert:
    sent = metric("scrape_samples_post_metric_relabeling", job="api", instance="10.0.0.1:8080")
    limit = metric("scrape_sample_limit", job="api", instance="10.0.0.1:8080")
    expr = f"{metric('scrape_samples_post_metric_relabeling')} / {metric('scrape_sample_limit')} > {NEAR_LIMIT}"
    return Alert(
        name="ScrapeSamplesNearLimit",
        expr=expr,
        hold=hold,
        severity=Severity.WARNING,
        team=Team.PLATFORM,
        summary="A target is close to the number of samples at which it is refused whole.",
        description="{{ $labels.instance }} of {{ $labels.job }} sends {{ $value | humanizePercentage }} of its limit.",
        proof=Proof(
            fires={sent: samples((8000, PEACE), (8100, LONG)), limit: samples((10_000, LONG))},
            at=PEACE * scrape.interval + hold,
            quiet={
                sent: samples((8000, PEACE), (8100, HOLD), (8000, LONG)),
                limit: samples((10_000, LONG)),
            },
            step=0.01,
        ),
    )
