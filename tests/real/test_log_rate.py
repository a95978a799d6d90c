"""How much can be written: lines a second through collectors and store, and where the store's limit bites.

Its figures are in `benchmarks/`.
"""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from apps.environments import PROD
from constructs_lib.promql import metric
from tests.cluster.cluster import Cluster
from tests.real.logs import LokiPod, numbers, writer
from tests.real.prometheus import NODES, PrometheusPod
from tests.real.teams import documents

PATIENCE = timedelta(minutes=10)
# So that no file is rotated before it is found, and none twice before it is read.
LINES, PER_SECOND, OF_BYTES = 150_000, 15_000, 100
# More than the limit for half a minute, in lines of 1 KiB, of so many containers that each keeps to its own limit, and
# is rotated once at most.
MANY, LARGE, FOR = 24, 1024, 16
pytestmark = [pytest.mark.soak, pytest.mark.stage(2.2)]


@pytest.fixture
def figures(capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, float]]:
    """What is measured; printed in the end."""
    found: dict[str, float] = {}
    yield found
    with capsys.disabled():
        for what, value in found.items():
            print(f"{what}: {value:.1f}")  # noqa: T201 - copied into benchmarks/README.md


def total(server: PrometheusPod, name: str, **labels: str) -> float:
    """Of all members or collectors, as they told last; 0 where nobody ever did."""
    result = server.query(f"sum(last_over_time({metric(name, **labels)}[3m]))")
    return float(result[0]["value"][1]) if result else 0


def test_lines_a_second(cluster: Cluster, store: list[LokiPod], writers: float, figures: dict[str, float]) -> None:
    """As many as this machine can, of a container on each node: all arrive."""
    assert writers
    pods = [
        writer(f"fast-{number}", LINES, PER_SECOND, OF_BYTES, app="fast", node=f"n{number}")
        for number in range(1, NODES + 1)
    ]
    begun = time.time()
    cluster.apply(documents(*pods))

    store[0].wait_for('{app="fast"}', NODES * LINES, PATIENCE, minutes=30)
    took = time.time() - begun

    figures |= {"lines": NODES * LINES, "s until all are found": took, "lines a second": NODES * LINES / took}


def test_what_is_above_the_limit_waits_and_arrives(
    cluster: Cluster, servers: list[PrometheusPod], store: list[LokiPod], writers: float, figures: dict[str, float]
) -> None:
    """Loki answers 429 above 10 MB/s, the collectors try again, and nothing is lost."""
    assert writers
    rate = 2 * PROD.logs_rate.count // (MANY * LARGE)
    lines = rate * FOR
    refused = metric("loki_discarded_samples_total", job="loki")
    begun = time.time()
    cluster.apply(documents(*(writer(f"much-{number}", lines, rate, LARGE, app="much") for number in range(MANY))))

    store[0].wait_for('{app="much"}', MANY * lines, PATIENCE, minutes=30)
    took = time.time() - begun

    for number in range(NODES):  # counts may have what was sent again twice, so they do not say that nothing is missing
        assert sorted(numbers(store[0].lines(f"much-{number}", writers))) == list(range(lines))
    figures["MB a second that were written"] = MANY * rate * LARGE / 1e6
    figures["MB a second that arrived"] = MANY * lines * LARGE / took / 1e6
    asked = "loki_write_request_duration_seconds_count"
    cluster.wait("the collectors tell of 429", lambda: total(servers[0], asked, status_code="429") > 0, PATIENCE)
    figures["pushes that were answered by 429"] = total(servers[0], asked, status_code="429")
    figures["of"] = total(servers[0], asked)
    reasons = {each["metric"]["reason"] for each in servers[0].query(f"sum by (reason) ({refused})")}
    assert "rate_limited" in reasons
    assert total(servers[0], "loki_write_dropped_entries_total") == 0
