"""By what names the agents and the watch tell CloudWatch what alarms look at.

Standard library only: whoever tells and the alarms read it alike. Each kind of metrics has a namespace of its own,
since that is all by which a policy tells metrics apart: who may say one thing cannot say another. All have the same
dimensions: whose the restore points are.
"""

from datetime import timedelta

DIMENSIONS = ("Cluster", "Namespace", "Component", "Replica")
# What a server uses, in per cent: of the processor time and of the memory that its container may have, and of its
# volume.
USAGE = "constructs-lib/prometheus"
CPU, MEMORY, VOLUME = "CpuUsed", "MemoryUsed", "VolumeUsed"
TOLD_EVERY = timedelta(minutes=1)
# 1 when a server's restore point was restored with success.
DRILLS, DRILLED = "constructs-lib/restore-drill", "RestoreDrillSucceeded"
# Of the newest restore point that can be read: in seconds and in bytes; and 1 where all of the newest one is there.
BACKUPS = "constructs-lib/backup"
AGE, SIZE, WHOLE = "RestorePointAge", "RestorePointSize", "RestorePointWhole"
# How many of its objects had their turn to be read again, but were not read, for want of time.
PUT_OFF = "RestorePointPutOff"


def dimensions(source: str) -> dict[str, str]:
    """Of a replica's metrics.

    Args:
        source: Cluster, namespace, component and replica, with slashes between them.
    """
    return dict(zip(DIMENSIONS, source.split("/"), strict=True))
