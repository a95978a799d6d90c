"""What containers have in common that make restore points, or bring them back."""

from constructs_lib.errors import ConstructError
from constructs_lib.kube.network import Destination
from constructs_lib.kube.pod import Resources
from constructs_lib.kube.volumes import ConfigMapFiles, Mount
from constructs_lib.names import cidr
from constructs_lib.restore_points import RestorePoints
from constructs_lib.units import Bytes, Cpu

RESTORE, REQUESTS = "restore", "/etc/restore"
RESOURCES = Resources(cpu=Cpu(100), memory=Bytes.mib(192), cpu_burst=10)


def where(points: RestorePoints, source: str) -> tuple[str, ...]:
    """How the agent is told where restore points are.

    Args:
        points: Their bucket.
        source: Whose they are, as the agent spells it.
    """
    return (f"--bucket={points.bucket.name}", f"--region={points.bucket.region}", f"--source={source}")


def service(name: str, reached_at: tuple[str, ...], *, of: str) -> Destination:
    """A service of AWS, by TLS.

    Args:
        name: Of the service.
        reached_at: Its address ranges as the pods see them.
        of: What they are, for the message.
    Raises:
        ConstructError: no range, or one that is none.
    """
    if not reached_at:
        raise ConstructError(f"{of} is empty: give the ranges of {name}'s addresses")
    for value in reached_at:
        cidr(value, of=f"an address range of {name}")
    return Destination.outside(reached_at, 443)


def requests_of(name: str) -> str:
    """The ConfigMap by which a restore is asked for of a component."""
    return f"{name}-{RESTORE}"


def requested(name: str) -> Mount:
    """What that ConfigMap says, once it is there."""
    return Mount(source=ConfigMapFiles(RESTORE, requests_of(name), optional=True), path=REQUESTS)
