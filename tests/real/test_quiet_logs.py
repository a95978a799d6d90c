"""On a quiet day no alert on logs fires, and each trouble with them does, by itself."""

import cdk8s
import pytest

from apps.environments import PROD
from apps.kube import monitoring
from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.metrics.loki import LOKI
from constructs_lib.metrics.prometheus import SCRAPE
from constructs_lib.rules.model import HEARTBEAT
from constructs_lib.rules.proving import alone
from tests.real.healthy.logs import quiet
from tests.real.simulation import WHOLE, Course, counts, judged, steady, stops
from tests.rules.test_contracts import PROGRAMS

OF_PROD = {group.name: group for group in monitoring(cdk8s.App(), "prod", PROD).prometheus.groups}
(BEAT,) = (alert for alert in OF_PROD["observability"].alerts if alert.name == HEARTBEAT)
GROUPS = (OF_PROD["logs"], alone(BEAT))


def test_nothing_fires_on_a_quiet_day() -> None:
    """Not while a member is replaced, a burst is refused for a moment, or a member is lost and forgotten."""
    assert judged(quiet(PROD), GROUPS, fired=[], within=WHOLE) == ""


@pytest.mark.parametrize(
    ("part", "course", "alerts"),
    [
        ("loki_ingester_wal_records_logged_total", stops(20), {"LogsStopped"}),
        ("loki_ingester_memory_streams loki-1", steady(4100), {"LokiStreamsNearLimit"}),
        ("loki_source_file_files_active_total node-b", steady(0), {"LogCollectorReadsNothing"}),
        ("prometheus_sd_kubernetes_failures_total node-b", counts(0.02), {"LogCollectorDiscoveryFailing"}),
        ("loki_ingester_chunks_flush_failures_total loki-2", counts(0.4), {"LokiFlushesFailing"}),
    ],
)
def test_one_trouble_among_what_is_healthy_is_heard_of(part: str, course: Course, alerts: set[str]) -> None:
    """Its own alert fires and no other."""
    assert judged(quiet(PROD).but(part, course), GROUPS, fired=alerts, within=WHOLE) == ""


def test_every_metric_of_store_and_collectors_is_there() -> None:
    """All series that rules may read, and no others."""
    shown = quiet(PROD).shown
    told = {each.name: {name for own in each.metrics for name in own.series()} for each in PROGRAMS}
    assert shown == {program.name: told[program.name] for program in (ALLOY, LOKI)} | {SCRAPE.name: {"up"}}
