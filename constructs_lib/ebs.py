"""Volumes of AWS EBS, as both halves know them: what gp3 gives, and which one a claim is for. Standard library only."""

import re
from dataclasses import dataclass

from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

# https://github.com/kubernetes-sigs/aws-ebs-csi-driver
DRIVER = "ebs.csi.aws.com"
GIB = Bytes.gib(1)
LARGEST = Bytes.gib(65_536)
# What every volume has, however small; what is more, comes with its size.
LEAST_IOPS, MOST_IOPS, IOPS_PER_GIB = 3000, 80_000, 500
LEAST_THROUGHPUT, MOST_THROUGHPUT, IOPS_PER_MIB = 125, 2000, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Gp3:
    """What each of some volumes is like.

    Args:
        size: Whole gibibytes, up to 65536.
        iops: Operations per second: 3000, or up to 500 for each gibibyte, and 80000 at most.
        throughput: Mebibytes per second: 125 to 2000, and a quarter of the IOPS at most.
    Raises:
        ConstructError: figures that EBS refuses.
    Source: https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html
    """

    size: Bytes
    iops: int = LEAST_IOPS
    throughput: int = LEAST_THROUGHPUT

    def __post_init__(self) -> None:
        if not GIB <= self.size <= LARGEST or self.size.count % GIB.count:
            raise ConstructError(f"a volume of gp3 has {self.size}: use whole gibibytes, from 1Gi to 64Ti")
        most = min(MOST_IOPS, max(LEAST_IOPS, IOPS_PER_GIB * self.gibibytes))
        if not LEAST_IOPS <= self.iops <= most:
            raise ConstructError(
                f"a volume of {self.size} asks for {self.iops} IOPS: gp3 gives {LEAST_IOPS} to {most} at that size"
            )
        most = most_throughput(self.iops)
        if not LEAST_THROUGHPUT <= self.throughput <= most:
            raise ConstructError(
                f"a volume of {self.size} asks for {self.throughput} MiB/s with {self.iops} IOPS: use "
                f"{LEAST_THROUGHPUT} to {most}, a quarter of the IOPS"
            )

    @property
    def gibibytes(self) -> int:
        """Of its size."""
        return self.size.count // GIB.count


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class EbsVolume:
    """A volume that is there already, as the stack that made it says.

    Args:
        id: Such as `vol-0123456789abcdef0`.
        zone: Where it is, and so the pods that use it: such as `us-east-1a`.
    Raises:
        ConstructError: an id or a zone that is none.
    Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
    """

    id: str
    zone: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"vol-([0-9a-f]{8}|[0-9a-f]{17})", self.id):
            raise ConstructError(
                f"{self.id!r} is no volume of EBS: use the id that the stack says, such as 'vol-0123456789abcdef0'"
            )
        region_of(self.zone)


def most_throughput(iops: int) -> int:
    """What gp3 gives to so many operations per second, in mebibytes per second."""
    return min(MOST_THROUGHPUT, iops // IOPS_PER_MIB)


def region_of(zone: str) -> str:
    """The region of an availability zone.

    Raises:
        ConstructError: no zone by its name; ids such as `use1-az1` are on no node's label that every cluster has.
    """
    if not re.fullmatch(r"[a-z]{2,6}(-[a-z]+)+-\d{1,2}[a-z]", zone):
        raise ConstructError(f"{zone!r} is no availability zone: use its name, such as 'us-east-1a'")
    return zone[:-1]


def claim_of(component: str, replica: int) -> str:
    """The claim that a StatefulSet makes for one of its pods, by name."""
    return f"data-{component}-{replica}"
