"""By what names the agent tells CloudWatch what alarms look at.

Standard library only: the agent and the alarms read it alike. Each kind of metrics has a namespace of its own, since
that is all by which a policy tells metrics apart: who may say one thing cannot say another.
"""

from datetime import timedelta

# What a server uses, in per cent: of the processor time and of the memory that its container may have, and of its
# volume. Its dimensions are those of its restore points.
USAGE = "constructs-lib/prometheus"
CPU, MEMORY, VOLUME = "CpuUsed", "MemoryUsed", "VolumeUsed"
TOLD_EVERY = timedelta(minutes=1)
# 1 when a server's restore point was restored with success. Its dimensions are those of its restore points, too.
DRILLS, DRILLED = "constructs-lib/restore-drill", "RestoreDrillSucceeded"
