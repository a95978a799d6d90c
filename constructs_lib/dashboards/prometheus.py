"""How Prometheus itself is: whether it scrapes, evaluates and is heard of, and how much more it bears."""

from constructs_lib.config.receivers import TEAMS_RECEIVER
from constructs_lib.dashboards import containers
from constructs_lib.dashboards.layout import LOW, Row, dashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.names import PROMETHEUS
from constructs_lib.dashboards.panels import A_SECOND, ANY, COUNT, RATE, SHARE, Panel, figure, graph, series, share
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import metric, not_equal
from constructs_lib.rules.alertmanager import ERRORS
from constructs_lib.rules.filling import ROOM, RoomLimits
from constructs_lib.rules.model import Evaluator
from constructs_lib.rules.notifications import SHARE as NOTIFICATIONS
from constructs_lib.rules.notifications import WITHIN
from constructs_lib.rules.prometheus import MOST_SERIES, RESTARTS, RESTARTS_WITHIN
from constructs_lib.rules.scraping import NEAR_LIMIT
from constructs_lib.rules.services import ServiceLimits
from constructs_lib.units import prometheus_duration

# What nobody should see grow, and what it is called.
FAILURES = {
    "prometheus_tsdb_wal_writes_failed_total": "writes of {{pod}}",
    "prometheus_sd_kubernetes_failures_total": "searches for targets of {{pod}}",
    "prometheus_target_scrapes_exceeded_sample_limit_total": "samples refused by {{pod}}",
    "prometheus_target_scrape_pool_exceeded_label_limits_total": "labels refused by {{pod}}",
    "prometheus_target_scrapes_exceeded_body_size_limit_total": "answers refused by {{pod}}",
}
RULES = {
    "prometheus_rule_evaluation_failures_total": "failed: {{rule_group}}",
    "prometheus_rule_group_iterations_missed_total": "missed: {{rule_group}}",
}


def prometheus_health(
    by: Evaluator,
    *,
    objects: str = KUBE_STATE_METRICS.job,
    used: ServiceLimits = ServiceLimits(),
    full: RoomLimits = ROOM,
) -> Dashboard:
    """The dashboard `prometheus`, against the limits of the groups `observability` and `services`.

    Args:
        by: Whose servers are shown, and who notifies of their alerts.
        objects: The job of kube-state-metrics.
        used: What containers may use.
        full: How full volumes may be.
    """
    pods, of = containers.pods_of(PROMETHEUS, [by.job]), "Prometheus"
    return dashboard(
        name=PROMETHEUS,
        title="Prometheus",
        says="Whether Prometheus scrapes, evaluates and is heard of, and how much more it bears.",
        rows=(
            Row("Servers", ((8, _not_ready(by)), (8, _reload_failed(by)), (8, _restarts(by))), height=LOW),
            Row("Series", ((8, _head(by)), (8, _samples()), (8, _near_limit()))),
            Row("Targets and rules", ((8, _targets(by)), (8, _rules(by)), (8, _failures(by)))),
            *((_notifications(by, by.alertmanager_job),) if by.alertmanager_job else ()),
            Row(
                "What it needs",
                (
                    (8, containers.cpu(pods, of=of, objects=objects, limits=used)),
                    (8, containers.memory(pods, of=of, objects=objects, limits=used)),
                    (8, containers.volume(pods, of=of, objects=objects, full=full)),
                ),
            ),
        ),
    )


def _not_ready(by: Evaluator) -> Panel:
    # A pod that is replaced has two addresses for a while, each with series of its own.
    ready = f"(count(max by (pod) ({metric('prometheus_ready', job=by.job)}) == 1) or vector(0))"
    return figure(
        "Servers not ready",
        f"How many of the {by.replicas} servers do not answer, or replay their log and evaluate nothing yet.",
        COUNT,
        series(f"{by.replicas} - {ready}", "not ready"),
        warning=ANY,
    )


def _reload_failed(by: Evaluator) -> Panel:
    loaded = metric("prometheus_config_last_reload_successful", job=by.job)
    return figure(
        "Servers with an old configuration",
        "How many servers refuse their new configuration and keep the old one.",
        COUNT,
        series(f"count({loaded} == 0) or vector(0)", "old"),
        critical=ANY,
    )


def _restarts(by: Evaluator) -> Panel:
    within = prometheus_duration(RESTARTS_WITHIN)
    return figure(
        "Restarts",
        f"How often each server has restarted within {within}.",
        COUNT,
        series(f"max by (pod) (changes({metric('process_start_time_seconds', job=by.job)}[{within}]))", "{{pod}}"),
        critical=RESTARTS,
    )


def _head(by: Evaluator) -> Panel:
    return graph(
        "Series in memory",
        "How many series each server holds, which is what fills its memory.",
        COUNT,
        series(metric("prometheus_tsdb_head_series", job=by.job), "{{pod}}"),
        critical=int(MOST_SERIES * by.series) if by.series else None,
    )


def _samples() -> Panel:
    samples = metric("scrape_samples_post_metric_relabeling")
    return graph(
        "Samples, by job",
        "The jobs whose targets send most samples with each scrape.",
        COUNT,
        series(f"topk({containers.MOST}, sum by (job) ({samples}))", "{{job}}"),
        stacked=True,
    )


def _near_limit() -> Panel:
    sent, allowed = metric("scrape_samples_post_metric_relabeling"), metric("scrape_sample_limit")
    return graph(
        "Samples, of their limit",
        "How near the largest target of each job is to the number of samples at which it is refused whole.",
        SHARE,
        series(f"topk({containers.MOST}, max by (job) ({sent} / ({allowed} > 0)))", "{{job}}"),
        warning=NEAR_LIMIT,
    )


def _targets(by: Evaluator) -> Panel:
    targets = metric("prometheus_target_scrape_pool_targets", job=by.job)
    return graph(
        "Targets, by job",
        "How many targets of each job the servers find.",
        COUNT,
        series(f"max by (scrape_job) ({targets})", "{{scrape_job}}"),
    )


def _rules(by: Evaluator) -> Panel:
    """Each server evaluates all rules: of several, the worst one counts."""
    return graph(
        "Rules not evaluated",
        "How many evaluations of rules failed, or were skipped since those before took too long.",
        COUNT,
        *(
            series(
                f"topk({containers.MOST}, max by (rule_group) (increase({metric(name, job=by.job)}[{RATE}])))", legend
            )
            for name, legend in RULES.items()
        ),
    )


def _failures(by: Evaluator) -> Panel:
    return graph(
        "Failures",
        "What each server could not do: write, search for targets, or take what a target sent.",
        COUNT,
        *(
            series(f"sum by (pod) (increase({metric(name, job=by.job)}[{RATE}]))", legend)
            for name, legend in FAILURES.items()
        ),
    )


def _notifications(by: Evaluator, alertmanager: str) -> Row:
    return Row("Notifications", ((8, _sent(by)), (8, _not_taken(by)), (8, _undelivered(alertmanager))))


def _sent(by: Evaluator) -> Panel:
    sent = metric("prometheus_notifications_sent_total", job=by.job)
    return graph(
        "Alerts sent",
        "How many alerts each member of Alertmanager takes.",
        A_SECOND,
        series(f"sum by (alertmanager) (rate({sent}[{RATE}]))", "{{alertmanager}}"),
    )


def _not_taken(by: Evaluator) -> Panel:
    """Of what is tried: what does not arrive does not count as sent."""
    failed, sent = (
        f"sum by (pod, alertmanager) (rate({metric(f'prometheus_notifications_{what}_total', job=by.job)}[{RATE}]))"
        for what in ("errors", "sent")
    )
    return graph(
        "Alerts not taken",
        "The share of a server's alerts that a member of Alertmanager fails to take.",
        SHARE,
        series(f"max by (pod, alertmanager) ({failed} / ({failed} + {sent}))", "{{pod}} to {{alertmanager}}"),
        warning=ERRORS,
    )


def _undelivered(alertmanager: str) -> Panel:
    """As its alert has it, but for the one failure that each member is forgiven."""
    within, whose = prometheus_duration(WITHIN), not_equal(TEAMS_RECEIVER)
    failed, every = (
        f"sum by (integration) (increase({metric(name, job=alertmanager, receiver_name=whose)}[{within}]))"
        for name in ("alertmanager_notifications_failed_total", "alertmanager_notifications_total")
    )
    return graph(
        "Notifications not delivered",
        f"The share of the notifications of the last {within} that did not reach people.",
        SHARE,
        series(share(failed, every), "{{integration}}"),
        critical=NOTIFICATIONS,
    )
