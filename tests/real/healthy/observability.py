"""What Prometheus and Alertmanager say of themselves and of their targets on a quiet day."""

from apps.environment import Environment
from constructs_lib.config.discovery import ANNOTATED_SERVICES
from constructs_lib.metrics.alertmanager import ALERTMANAGER
from constructs_lib.metrics.collector import COLLECTOR, DASHBOARDS_JOB
from constructs_lib.metrics.prometheus import PROMETHEUS, SCRAPE
from tests.real.healthy.workloads import JOB_OF_TEAM, NAMESPACE_OF_TEAM, NODES, TEAM, Workload, cluster_targets
from tests.real.simulation import WHOLE, Course, System, Target, but, counts, happens, minute, only, steady, sways

GROUP_OF_TEAM = f"/prometheus/collected/rules/{NAMESPACE_OF_TEAM}_rule-group-cart.yaml;{NAMESPACE_OF_TEAM}/cart"
RULE_GROUPS = (
    *(f"/etc/prometheus/rules/{name}.yaml;{name}" for name in ("nodes", "services", "observability")),
    GROUP_OF_TEAM,
)
INTEGRATIONS = (
    ("webhook", "webhook"),
    ("pagerduty", "pagerduty"),
    ("slack", "slack"),
    ("email", "email"),
    ("slack", "teams"),
)
REASONS = (
    "other",
    "clientError",
    "serverError",
    "contextCanceled",
    "contextDeadlineExceeded",
    "authError",
    "rateLimited",
)
# How many samples a target may send, and how many it sends.
SAMPLES, SENT = 10_000, 1_500
NEVER = (
    "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "prometheus_target_scrapes_exceeded_body_size_limit_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
    "prometheus_tsdb_wal_writes_failed_total",
)


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """All members, and every scrape."""
    for target in (*cluster_targets(), *(target for workload in pods for target in workload.targets())):
        _add_scrape(system, target)
        if target.job == PROMETHEUS.job:
            _add_server(system, target, values.alertmanager_replicas)
        elif target.job == ALERTMANAGER.job:
            _add_member(system, target, values.alertmanager_replicas)
        elif target.job in {COLLECTOR.job, DASHBOARDS_JOB}:
            _add_collector(system, target)


def _add_scrape(system: System, target: Target) -> None:
    seconds = system.interval.total_seconds()

    def of_scrape(course: Course, failed: float) -> Course:
        return lambda t: course(t) if target.answers(t, seconds) else failed

    large = 20 if target.job == "kube-state-metrics" or "pod" not in target.labels else 1
    sent = of_scrape(sways(large * SENT, large * SENT / 10), failed=0)
    system.add_scrape(SCRAPE, target, "up", of_scrape(steady(1), failed=0))
    system.add_scrape(SCRAPE, target, "scrape_sample_limit", steady(large * SAMPLES))
    system.add_scrape(SCRAPE, target, "scrape_samples_post_metric_relabeling", sent)


def _add_server(system: System, target: Target, members: int) -> None:
    def tell(name: str, course: Course, **labels: str) -> None:
        system.add(PROMETHEUS, target, name, course, **labels)

    started = but(steady(-86400), target.restarts, WHOLE.total_seconds() / 60, target.restarts)
    # While an Alertmanager moves to another node, one notification is lost, and one evaluation takes too long.
    tell("process_start_time_seconds", started)
    tell("prometheus_ready", steady(1))
    tell("prometheus_tsdb_head_series", sways(90_000, 9_000))
    tell("prometheus_sd_kubernetes_failures_total", happens(minute(13), minute(14)))
    tell("prometheus_config_last_reload_successful", but(steady(1), minute(42), 1, 0))
    for member in range(members):
        url = f"http://alertmanager-{member}.alertmanager-headless.monitoring.svc.cluster.local:9093/api/v2/alerts"
        for name in ("dropped", "errors"):
            tell(f"prometheus_notifications_{name}_total", happens(minute(33)), alertmanager=url)
        tell("prometheus_notifications_sent_total", counts(1 / 60), alertmanager=url)  # the heartbeat alone
    for group in RULE_GROUPS:
        tell("prometheus_rule_evaluation_failures_total", steady(0), rule_group=group)
        tell("prometheus_rule_group_iterations_missed_total", happens(minute(33)), rule_group=group)
    # The team takes ten minutes for a new start of all its pods; of Services with annotations there is none.
    tell("prometheus_target_scrape_pool_targets", but(steady(2), minute(33), 10, 0), scrape_job=JOB_OF_TEAM)
    tell("prometheus_target_scrape_pool_targets", steady(0), scrape_job=ANNOTATED_SERVICES)
    for name in NEVER:
        tell(name, steady(0))


def _add_collector(system: System, target: Target) -> None:
    def tell(name: str, course: Course, **labels: str) -> None:
        system.add(COLLECTOR, target, name, course, **labels)

    owner = {"origin": NAMESPACE_OF_TEAM, "team": TEAM}
    tell("collector_namespace", steady(1), **owner)
    # A release that comes in pieces is refused for a moment, and takes its time; the API server is upgraded.
    moment = system.interval.total_seconds() / 60
    tell("collector_refused", only(minute(25), moment), **owner, config_map="rule-group-cart")
    tell("collector_oldest_change_seconds", but(steady(0), minute(25), 3, 90))
    tell("collector_failed_watches", but(steady(0), minute(13), 2, 1))


def _add_member(system: System, target: Target, members: int) -> None:
    def tell(name: str, course: Course, **labels: str) -> None:
        system.add(ALERTMANAGER, target, name, course, **labels)

    tell("alertmanager_config_last_reload_successful", steady(1))
    # A new configuration reaches the last member two minutes after the others.
    changed = minute(50) + 120 * (target.labels["pod"] == f"alertmanager-{members - 1}")
    tell("alertmanager_config_hash", lambda t: 213_000_000_000_001 if t < changed else 98_000_000_000_002)
    if members > 1:
        tell("alertmanager_cluster_members", but(steady(members), minute(33), 2, members - 1))
    for integration, receiver in INTEGRATIONS:
        way = {"integration": integration, "receiver_name": receiver}
        tell("alertmanager_notifications_total", happens(*map(minute, range(20, 60, 5))), **way)
        for reason in REASONS:
            # One attempt failed; the next one arrived.
            once = (integration, reason, target.labels["node"]) == ("webhook", "serverError", NODES[0])
            tell("alertmanager_notifications_failed_total", happens(*[minute(22)] * once), **way, reason=reason)
