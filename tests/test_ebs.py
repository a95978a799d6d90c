"""Volumes of EBS: what gp3 gives, and what is none."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.ebs import EbsVolume, Gp3, claim_of, region_of
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

ID, ZONE = "vol-0123456789abcdef0", "us-east-1a"


def test_a_volume_has_what_every_gp3_has_unless_more_is_asked_for() -> None:
    """Which costs nothing beside its size."""
    volume = Gp3(size=Bytes.gib(100))
    assert (volume.gibibytes, volume.iops, volume.throughput) == (100, 3000, 125)


@pytest.mark.parametrize(
    ("gibibytes", "iops", "throughput"),
    [(1, 3000, 125), (1, 3000, 750), (6, 3000, 125), (7, 3500, 875), (100, 50_000, 2000), (65_536, 80_000, 2000)],
    ids=str,
)
def test_figures_at_the_limits_are_taken(gibibytes: int, iops: int, throughput: int) -> None:
    """3000 at any size, 500 for each gibibyte, 80000 at most; a quarter as many MiB/s, and 2000 at most."""
    Gp3(size=Bytes.gib(gibibytes), iops=iops, throughput=throughput)


@pytest.mark.parametrize(
    ("size", "more", "sentence"),
    [
        (Bytes.gib(100), {"iops": 2999}, "a volume of 100Gi asks for 2999 IOPS: gp3 gives 3000 to 50000 at that size"),
        (Bytes.gib(100), {"iops": 50_001}, "a volume of 100Gi asks for 50001 IOPS: gp3 gives 3000 to 50000 at that "),
        (Bytes.gib(6), {"iops": 3001}, "a volume of 6Gi asks for 3001 IOPS: gp3 gives 3000 to 3000 at that size"),
        (Bytes.gib(10), {"iops": 20_000}, "a volume of 10Gi asks for 20000 IOPS: gp3 gives 3000 to 5000 at that size"),
        (Bytes.gib(999), {"iops": 80_001}, "a volume of 999Gi asks for 80001 IOPS: gp3 gives 3000 to 80000 at that "),
        (Bytes.gib(100), {"throughput": 124}, "a volume of 100Gi asks for 124 MiB/s with 3000 IOPS: use 125 to 750"),
        (Bytes.gib(100), {"throughput": 751}, "a volume of 100Gi asks for 751 MiB/s with 3000 IOPS: use 125 to 750, "),
        (Bytes.gib(100), {"iops": 9000, "throughput": 2001}, "a volume of 100Gi asks for 2001 MiB/s with 9000 IOPS: "),
        (Bytes(0), {}, "a volume of gp3 has 0: use whole gibibytes, from 1Gi to 64Ti"),
        (Bytes.mib(1536), {}, "a volume of gp3 has 1536Mi: use whole gibibytes, from 1Gi to 64Ti"),
        (Bytes.gib(65_537), {}, "a volume of gp3 has 65537Gi: use whole gibibytes, from 1Gi to 64Ti"),
    ],
)
def test_figures_that_no_volume_has_are_refused(size: Bytes, more: dict[str, Any], sentence: str) -> None:
    """EBS refuses them when the stack is deployed, and the CDK does not."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        Gp3(size=size, **more)


@pytest.mark.parametrize("id", [ID, "vol-1234abcd"])
def test_a_volume_that_is_there_is_known_by_its_id_and_zone(id: str) -> None:
    """Of today's length, and of that of long ago."""
    assert region_of(EbsVolume(id=id, zone=ZONE).zone) == "us-east-1"


@pytest.mark.parametrize(
    "id", ["", "vol-", "snap-0123456789abcdef0", "vol-0123456789ABCDEF0", f"{ID}0", f"{ID}\n", "data-prometheus-0"]
)
def test_an_id_that_is_no_volumes_is_refused(id: str) -> None:
    """The driver would look for it, again and again, while the pod waits."""
    sentence = f"{id!r} is no volume of EBS: use the id that the stack says, such as '{ID}'"
    with pytest.raises(ConstructError, match=f"^{re.escape(sentence)}$"):
        EbsVolume(id=id, zone=ZONE)


@pytest.mark.parametrize("zone", ["us-gov-west-1a", "cn-northwest-1b", "ap-southeast-2c"])
def test_zones_of_all_partitions_are_known(zone: str) -> None:
    """Their region is what is left of a letter."""
    assert f"{region_of(zone)}{zone[-1]}" == zone


@pytest.mark.parametrize("zone", ["", "us-east-1", "us-east-a", "use1-az1", "US-EAST-1A", "us-east-1ab", f"{ZONE}\n"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    """No node is labelled by it, so the pod would wait for ever."""
    sentence = f"{zone!r} is no availability zone: use its name, such as 'us-east-1a'"
    with pytest.raises(ConstructError, match=f"^{re.escape(sentence)}$"):
        EbsVolume(id=ID, zone=zone)


def test_a_claim_is_called_as_its_statefulset_calls_it() -> None:
    """After its template, the StatefulSet and the pod's number."""
    assert claim_of("prometheus", 1) == "data-prometheus-1"


@given(st.integers(1, 70_000), st.integers(0, 90_000), st.integers(0, 2500))
def test_what_is_taken_is_within_all_limits_at_once(gibibytes: int, iops: int, throughput: int) -> None:
    """And what is refused is beyond one of them."""
    within = (
        gibibytes <= 65_536
        and 3000 <= iops <= 80_000
        and (iops == 3000 or iops <= 500 * gibibytes)
        and 125 <= throughput <= 2000
        and throughput / iops <= 0.25
    )
    try:
        Gp3(size=Bytes.gib(gibibytes), iops=iops, throughput=throughput)
    except ConstructError:
        assert not within
    else:
        assert within
