"""A drill that tells CloudWatch of its success: what is rendered with it, and that nothing else is."""

import cdk8s
import pytest

from constructs_lib.errors import ConstructError
from tests.kube.test_backup_queues import PRIVATE, peer
from tests.kube.test_restore_drill import drill
from tests.minimal import unrendered
from tests.rendered import Document, Objects, containers_of, rendered, template


def objects(*metrics_reached_at: str) -> Objects:
    """What is rendered; with nobody told where no address is given."""

    def build(chart: cdk8s.Chart) -> None:
        drill(chart, **({"metrics_reached_at": metrics_reached_at} if metrics_reached_at else {}))

    return rendered(build)


def egress(of: Objects, name: str) -> list[Document]:
    found: list[Document] = of.named("NetworkPolicy", name)["spec"]["egress"]
    return found


def test_who_compares_tells_the_cloudwatch_of_the_bucket() -> None:
    """By the same role as what restores; Prometheus has none, and no other container another argument."""
    without, told = (template(each.only("CronJob")) for each in (objects(), objects(PRIVATE)))
    before, after = containers_of(without), containers_of(told)
    assert after["compare"]["args"] == [*before["compare"]["args"], "--tell=eu-central-1"]
    assert {name: each for name, each in after.items() if name != "compare"} == {
        name: each for name, each in before.items() if name != "compare"
    }
    skipped = "eks.amazonaws.com/skip-containers"
    assert without["metadata"]["annotations"][skipped] == "prometheus,compare"
    assert told["metadata"]["annotations"][skipped] == "prometheus"


def test_one_way_more_is_open() -> None:
    """To CloudWatch by TLS, from the drill alone."""
    without, told = objects(), objects(PRIVATE)
    more = [rule for rule in egress(told, "restore-drill") if rule not in egress(without, "restore-drill")]
    assert more == [peer(PRIVATE)]
    assert egress(told, "prometheus") == egress(without, "prometheus")


def test_the_role_gets_no_bucket_more() -> None:
    """What a service account may tell, the other half says by itself."""
    assert drill(unrendered()).buckets == drill(unrendered(), metrics_reached_at=(PRIVATE,)).buckets


@pytest.mark.parametrize(
    ("reached_at", "sentence"),
    [
        ((), "metrics_reached_at of restore-drill is empty: give the ranges of CloudWatch's addresses"),
        (("10.1.2.3/24",), "'10.1.2.3/24' cannot be an address range of CloudWatch, 10.1.2.3/24 has host bits set: "),
    ],
    ids=["nowhere", "no-range"],
)
def test_ranges_that_are_none_are_refused(reached_at: tuple[str, ...], sentence: str) -> None:
    """At once and in one sentence."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        drill(unrendered(), metrics_reached_at=reached_at)
