"""Agents that tell CloudWatch what their servers use: what is rendered with them, and that nothing else is."""

import cdk8s
import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.kube import Resources
from constructs_lib.units import Bytes, Cpu
from tests.kube.test_backup_queues import PRIVATE, REACHED_BY_S3, backup, peer
from tests.minimal import prometheus, unrendered
from tests.rendered import containers_of, rendered, template, text

TOLD = ["--server=127.0.0.1:9090", "--cpu-limit=2000", "--memory-limit=2147483648"]


def lines(*metrics_reached_at: str) -> list[str]:
    """What is rendered; with nobody told where no address is given."""

    def build(chart: cdk8s.Chart) -> None:
        backup(prometheus(chart), **({"metrics_reached_at": metrics_reached_at} if metrics_reached_at else {}))

    return text(build).splitlines()


def test_each_agent_is_told_of_the_limits_of_its_server() -> None:
    """Of exactly those that the container beside it has, and no other container is."""
    resources = Resources(cpu=Cpu(750), memory=Bytes.gib(3), cpu_burst=2, memory_headroom=2.5)

    def build(chart: cdk8s.Chart) -> None:
        backup(prometheus(chart, resources=resources), metrics_reached_at=(PRIVATE,))

    containers = containers_of(template(rendered(build).named("StatefulSet", "prometheus")))
    assert [name for name, each in containers.items() if any("limit" in arg for arg in each["args"])] == ["backup"]
    given = dict(arg.removeprefix("--").split("=") for arg in containers["backup"]["args"][1:])
    limits = containers["prometheus"]["resources"]["limits"]
    assert Cpu(int(given["cpu-limit"])) == Cpu.parse(limits["cpu"])
    assert Bytes(int(given["memory-limit"])) == Bytes.parse(limits["memory"])
    (port,) = (each["containerPort"] for each in containers["prometheus"]["ports"])
    assert given["server"] == f"127.0.0.1:{port}"


def test_with_metrics_three_arguments_and_one_way_more_are_rendered() -> None:
    """To CloudWatch by TLS, from Prometheus' pods; and all that is there without them stays as it is."""
    without = lines()
    more = [line.strip(" -") for line in lines(PRIVATE) if line not in without]
    assert more == [*(argument.removeprefix("--") for argument in TOLD), f"cidr: {PRIVATE}"]
    objects = rendered(lambda chart: backup(prometheus(chart), metrics_reached_at=(PRIVATE,)))
    egress = objects.named("NetworkPolicy", "prometheus")["spec"]["egress"]
    before = rendered(lambda chart: backup(prometheus(chart))).named("NetworkPolicy", "prometheus")["spec"]["egress"]
    assert [rule for rule in egress if rule not in before] == [peer(PRIVATE)]


def test_the_way_to_the_bucket_may_be_that_to_cloudwatch() -> None:
    """Where both are reached by the same addresses, no rule is added."""
    without = lines()
    more = [line.strip(" -") for line in lines(REACHED_BY_S3) if line not in without]
    assert more == [argument.removeprefix("--") for argument in TOLD]


def test_the_role_gets_no_bucket_more() -> None:
    """What a service account may tell, the other half says by itself."""
    ours, other = prometheus(unrendered()), prometheus(unrendered())
    backup(ours)
    backup(other, metrics_reached_at=(PRIVATE,))
    assert ours.buckets == other.buckets


@pytest.mark.parametrize(
    ("reached_at", "sentence"),
    [
        ((), "metrics_reached_at of prometheus is empty: give the ranges of CloudWatch's addresses"),
        (("10.1.2.3/24",), "'10.1.2.3/24' cannot be an address range of CloudWatch, 10.1.2.3/24 has host bits set: "),
    ],
    ids=["nowhere", "no-range"],
)
def test_ranges_that_are_none_are_refused(reached_at: tuple[str, ...], sentence: str) -> None:
    """At once and in one sentence."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        backup(prometheus(unrendered()), metrics_reached_at=reached_at)
