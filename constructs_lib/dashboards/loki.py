"""How Loki itself is: whether it takes lines in, keeps and finds them, and what its collectors deliver."""

from constructs_lib.config.loki import FULL, LokiConfig
from constructs_lib.dashboards import containers
from constructs_lib.dashboards.layout import Row, dashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.names import LOKI as NAME
from constructs_lib.dashboards.panels import (
    A_SECOND,
    AGE,
    COUNT,
    RATE,
    REQUESTS_A_SECOND,
    SECONDS,
    SHARE,
    Panel,
    graph,
    or_none,
    series,
    share,
)
from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.metrics.loki import LOKI
from constructs_lib.promql import matches, metric
from constructs_lib.rules.compaction import COMPACTED, RETAINED
from constructs_lib.rules.log_collector import QUANTILE
from constructs_lib.rules.log_limits import LIMITS, LogStoreLimits
from constructs_lib.rules.log_members import FLUSH_FAILURES, FLUSHES
from constructs_lib.rules.loki import QUERIES, QUERY_ROUTES, SERVER_ERRORS, WRITE_ROUTES, WRITES
from constructs_lib.rules.services import ServiceLimits

SLOWEST = 0.99  # of requests, of which there are many


def loki_health(
    *,
    store: LokiConfig,
    loki: str = LOKI.job,
    collector: str | None = ALLOY.job,
    objects: str = KUBE_STATE_METRICS.job,
    limits: LogStoreLimits = LIMITS,
    used: ServiceLimits = ServiceLimits(),
) -> Dashboard:
    """The dashboard `loki`, against the limits of the groups `logs` and `services`.

    Args:
        store: What Loki reads, `LokiStore.config`.
        loki: The job of its members.
        collector: The job of the collectors, one on each node; None where there are none.
        objects: The job of kube-state-metrics.
        limits: From where on somebody must hear of it.
        used: What containers may use.
    """
    pods, of = containers.pods_of(NAME, [loki]), "Loki"
    collectors = (
        Row("Collectors", ((8, _sent(collector)), (8, _dropped(collector)), (8, _delay(collector, limits))))
        if collector
        else None
    )
    return dashboard(
        name=NAME,
        title="Loki",
        says="Whether Loki takes lines in, keeps and finds them, and what its collectors deliver.",
        rows=(
            Row("Requests", ((8, _requests()), (8, _errors(limits)), (8, _latency(loki)))),
            Row("Lines", ((8, _taken_in(loki)), (8, _discarded(loki)), (8, _streams(loki, store, limits)))),
            Row(
                "Members",
                ((6, _members(loki)), (6, _disk(loki)), (6, _flushes(limits)), (6, _compaction(loki, limits))),
            ),
            *((collectors,) if collectors else ()),
            Row(
                "What it needs",
                (
                    (12, containers.cpu(pods, of=of, objects=objects, limits=used)),
                    (12, containers.memory(pods, of=of, objects=objects, limits=used)),
                ),
            ),
        ),
    )


def _requests() -> Panel:
    return graph(
        "Requests, by way",
        "How much Loki is sent and asked, by what it is asked for and how it answers.",
        REQUESTS_A_SECOND,
        *(series(metric(recorded), "{{route}} {{status_code}}") for recorded in (WRITES, QUERIES)),
    )


def _errors(limits: LogStoreLimits) -> Panel:
    def failing(recorded: str) -> str:
        failed = f"sum by (route) ({metric(recorded, status_code=matches(SERVER_ERRORS))})"
        return share(failed, f"sum by (route) ({metric(recorded)})")

    return graph(
        "Failed requests, by way",
        "The share of what Loki is sent and asked that it answers with 5xx.",
        SHARE,
        *(series(failing(recorded), "{{route}}") for recorded in (WRITES, QUERIES)),
        critical=limits.errors,
    )


def _latency(job: str) -> Panel:
    routes = matches("|".join((*WRITE_ROUTES, *QUERY_ROUTES)))
    buckets = metric("loki_request_duration_seconds_bucket", job=job, route=routes)
    return graph(
        f"Slowest {1 - SLOWEST:.0%}, by way",
        f"What {SLOWEST:.0%} of Loki's answers take at most.",
        SECONDS,
        series(
            f"histogram_quantile({SLOWEST:g}, sum by (route, le) (rate({buckets}[{RATE}])))",
            "{{route}}",
            exemplars=True,
        ),
    )


def _taken_in(job: str) -> Panel:
    records = metric("loki_ingester_wal_records_logged_total", job=job)
    return graph(
        "Writes, by member",
        "How often each member writes what it takes in to its disk, which is once or more for each push.",
        A_SECOND,
        series(f"sum by (pod) (rate({records}[{RATE}]))", "{{pod}}"),
    )


def _discarded(job: str) -> Panel:
    lines = metric("loki_discarded_samples_total", job=job)
    return graph(
        "Refused lines, by reason",
        "How many lines Loki refuses, which are lost, or wait until it takes them.",
        A_SECOND,
        series(or_none(f"sum by (reason) (rate({lines}[{RATE}]))", "reason"), "{{reason}}"),
    )


def _streams(job: str, store: LokiConfig, limits: LogStoreLimits) -> Panel:
    """As the alert counts them: each is on as many members as the factor says."""
    held = metric("loki_ingester_memory_streams", job=job)
    members = metric("loki_ring_members", job=job, name="ingester", state="ACTIVE")
    most = store.limits.streams * (store.ring.factor if store.ring else 1)
    return graph(
        "Streams, of their limit",
        "How many of the streams that a tenant may have there are, beyond which lines of new ones are refused.",
        SHARE,
        series(f"max by (tenant) ({held}) * on () group_left () max({members}) / {most}", "{{tenant}}"),
        warning=limits.streams,
    )


def _members(job: str) -> Panel:
    members = metric("loki_ring_members", job=job, name="ingester")
    return graph(
        "Members, by state",
        "How many members keep lines, as those see it that see most.",
        COUNT,
        series(f"max by (state) ({members})", "{{state}}"),
    )


def _disk(job: str) -> Panel:
    return graph(
        "Disks, of their size",
        "How full the disk of each member is, which takes in no more lines when it is full.",
        SHARE,
        series(f"max by (pod) ({metric('loki_ingester_wal_disk_usage_percent', job=job)})", "{{pod}}"),
        critical=FULL,
    )


def _flushes(limits: LogStoreLimits) -> Panel:
    return graph(
        "Failed writes to the store",
        "The share of its tries to write a chunk to the store at which each member fails.",
        SHARE,
        series(share(metric(FLUSH_FAILURES), metric(FLUSHES)), "{{pod}}"),
        critical=limits.errors,
    )


def _compaction(job: str, limits: LogStoreLimits) -> Panel:
    """Where nobody has done it since the start, for as long as there are seconds since 1970: that is not shown."""
    return graph(
        "Last compaction",
        "How long ago the index was compacted, and what is too old was looked for.",
        AGE,
        *(
            series(f"time() - (max({metric(last, job=job)}) > 0)", legend)
            for last, legend in ((COMPACTED, "index"), (RETAINED, "what is too old"))
        ),
        warning=limits.uncompacted.total_seconds(),
    )


def _sent(job: str) -> Panel:
    lines = metric("loki_write_sent_entries_total", job=job)
    return graph(
        "Lines delivered, by node",
        "How many lines the collector of each node delivers.",
        A_SECOND,
        series(f"sum by (node) (rate({lines}[{RATE}]))", "{{node}}"),
    )


def _dropped(job: str) -> Panel:
    lines = metric("loki_write_dropped_entries_total", job=job)
    return graph(
        "Lines given up, by reason",
        "How many lines collectors give up since Loki does not take them, which are lost.",
        A_SECOND,
        series(f"sum by (reason) (rate({lines}[{RATE}]))", "{{reason}}"),
    )


def _delay(job: str, limits: LogStoreLimits) -> Panel:
    buckets = metric("loki_write_entry_propagation_latency_seconds_bucket", job=job)
    return graph(
        "Delay, by node",
        f"In which time {QUANTILE:.0%} of the lines of each node are in Loki once they are read.",
        SECONDS,
        series(
            f"histogram_quantile({QUANTILE:g}, sum by (node, le) (rate({buckets}[{RATE}])))", "{{node}}", exemplars=True
        ),
        warning=limits.delay.total_seconds(),
    )
