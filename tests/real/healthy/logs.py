"""What Loki and the collectors of logs say on a quiet day: a member is started again, a node's disk is slow."""

from collections.abc import Iterable

from apps.environment import Environment
from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.metrics.loki import LOKI
from constructs_lib.metrics.prometheus import SCRAPE
from tests.real.healthy.workloads import LOKI_RESTARTED_AT, Workload, workloads
from tests.real.simulation import Course, System, Target, but, counts, grows, happens, minute, only, steady, sways

# A rollout takes the last member: two are left for some minutes, and pushes are tried again.
ROLLED_OUT = LOKI_RESTARTED_AT - 120
RINGS = ("ingester", "distributor", "compactor", "scheduler")
REASONS = ("ingester_error", "rate_limited", "stream_limited", "line_too_long", "queue_is_full")
# Requests a second.
ROUTES = {("POST", "loki_api_v1_push"): 5.0, ("GET", "loki_api_v1_query_range"): 0.2}


def quiet(values: Environment) -> System:
    """Four hours of logs alone."""
    system, pods = System(values.scrape_interval), workloads(values)
    add(system, pods, values)
    for target in (target for workload in pods for target in workload.targets()):
        if target.job in {LOKI.job, ALLOY.job}:
            system.add_scrape(SCRAPE, target, "up", but(steady(1), target.restarts, 1, 0))
    return system


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """The members of the store, and a collector on every node."""
    targets = [target for workload in pods for target in workload.targets()]
    for number, target in enumerate(each for each in targets if each.job == LOKI.job):
        _add_member(system, target, number, values.loki_replicas)
    for number, target in enumerate(each for each in targets if each.job == ALLOY.job):
        _add_collector(system, target, first=number == 0)


def _add_member(system: System, target: Target, number: int, members: int) -> None:
    def tell(name: str, course: Course, /, **own: str) -> None:
        system.add(LOKI, target, name, course, **own)

    # The first member compacts for all, every ten minutes.
    done: Course = (lambda t: t - t % 600) if number == 0 else steady(0)
    tell("loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds", done)
    tell("loki_compactor_apply_retention_last_successful_run_timestamp_seconds", done)
    tell("loki_boltdb_shipper_compactor_running", steady(float(number == 0)))
    # A burst is too much for a moment.
    refused = {"tenant": "fake", "retention_hours": "720", "format": ""}
    tell("loki_discarded_samples_total", only(minute(20), 40, 300), reason="per_stream_rate_limit", **refused)
    tell("loki_ingester_chunks_flush_requests_total", counts(0.5))
    tell("loki_ingester_chunks_flush_failures_total", happens(minute(12), minute(40)))
    tell("loki_ingester_memory_streams", sways(400, 50), tenant="fake")
    tell("loki_ingester_wal_disk_usage_percent", sways(0.3, 0.1))
    tell("loki_ingester_wal_records_logged_total", counts(20))
    tell("loki_panic_total", happens(minute(18)))
    # One member evaluates all; a member of Alertmanager is away for a moment.
    rules = {"user": "fake", "rule_group": "/loki/rules/fake/uncaught-errors.yaml;uncaught-errors"}
    tell("loki_prometheus_rule_evaluations_total", counts(1 / 60 if number == 0 else 0), **rules)
    tell("loki_prometheus_rule_evaluation_failures_total", happens(minute(12)), **rules)
    tell("loki_prometheus_notifications_errors_total", happens(minute(30)), user="fake", alertmanager="http://one:9093")
    for (method, route), rate in ROUTES.items():
        for code, course in {"200": counts(rate), "500": happens(*_about(ROLLED_OUT, 5))}.items():
            answered = {"method": method, "route": route, "status_code": code, "ws": "false"}
            tell("loki_request_duration_seconds_bucket", course, le="+Inf", **answered)
            tell("loki_request_duration_seconds_count", course, **answered)
            tell("loki_request_duration_seconds_sum", grows(0.02 * rate), **answered)
    away = min(members - 1, 1)
    for ring in RINGS:
        tell("loki_ring_members", but(steady(members), ROLLED_OUT, 4, members - away), name=ring, state="ACTIVE")
        tell("loki_ring_members", but(steady(0), ROLLED_OUT, 3, away), name=ring, state="LEAVING")
        # One that is lost hard is forgotten after ten minutes.
        tell("loki_ring_members", but(steady(0), minute(45), 10, 1), name=ring, state="Unhealthy")


def _add_collector(system: System, target: Target, *, first: bool) -> None:
    def tell(name: str, course: Course, component: str = "loki.write.loki", /, **own: str) -> None:
        system.add(ALLOY, target, name, course, component_id=component, component_path="/", **own)

    # The API server is upgraded.
    tell("prometheus_sd_kubernetes_failures_total", happens(minute(13), minute(14)), "discovery.kubernetes.pods")
    for health, course in {"healthy": steady(6), "unhealthy": but(steady(0), minute(13), 5, 1)}.items():
        name = "alloy_component_controller_running_components"
        system.add(ALLOY, target, name, course, controller_path="/", health_type=health)
    tell("loki_source_file_files_active_total", sways(30, 5), "loki.source.file.loki")
    for reason in REASONS:
        once = happens(minute(22)) if first and reason == "ingester_error" else steady(0)
        tell("loki_write_dropped_entries_total", once, host="loki:3100", reason=reason)
    # All try in vain for two minutes.
    course = but(counts(40), ROLLED_OUT, 2, counts(40)(ROLLED_OUT))
    tell("loki_write_batch_retries_total", happens(*_about(ROLLED_OUT, 12)), host="loki:3100")
    tell("loki_write_sent_entries_total", course, host="loki:3100")
    name = "loki_write_entry_propagation_latency_seconds"
    for le, share in {"1.0": 0.9, "60.0": 0.99, "120.0": 1, "+Inf": 1}.items():
        tell(f"{name}_bucket", counts(40 * share), host="loki:3100", le=le)
    tell(f"{name}_count", counts(40), host="loki:3100")
    tell(f"{name}_sum", grows(20), host="loki:3100")


def _about(start: float, times: int) -> Iterable[float]:
    """Every ten seconds from then on."""
    return (start + 10 * number for number in range(times))
