"""By what names the agent tells CloudWatch what alarms look at.

Standard library only: the agent and the alarms read it alike.
"""

from datetime import timedelta

# What a Prometheus uses, in per cent: of the processor time and of the memory that its container may have, and of its
# volume. The dimensions are those of its restore points, see `constructs_lib.watch.contract`.
NAMESPACE = "constructs-lib/prometheus"
CPU, MEMORY, VOLUME = "CpuUsed", "MemoryUsed", "VolumeUsed"
EVERY = timedelta(minutes=1)
