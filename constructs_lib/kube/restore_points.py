"""What containers have in common that make restore points, or bring them back."""

from constructs_lib.kube.pod import Resources
from constructs_lib.kube.volumes import ConfigMapFiles, Mount
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


def requests_of(name: str) -> str:
    """The ConfigMap by which a restore is asked for of a component."""
    return f"{name}-{RESTORE}"


def requested(name: str) -> Mount:
    """What that ConfigMap says, once it is there."""
    return Mount(source=ConfigMapFiles(RESTORE, requests_of(name), optional=True), path=REQUESTS)
