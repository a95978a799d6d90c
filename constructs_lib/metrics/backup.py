"""The backup agent beside each Prometheus, which makes restore points of its volume."""

from constructs_lib import __version__
from constructs_lib.metrics.model import Kind, Metric, Program

BACKUP = Program(
    name="backup",
    version=__version__,
    job="backup",
    metrics=(
        # When the newest restore point was made, which the store says at the start; absent until it is known.
        Metric("backup_last_success_timestamp_seconds", Kind.GAUGE),
        # The last three are absent until there was an attempt.
        Metric("backup_last_attempt_timestamp_seconds", Kind.GAUGE),
        # 1 when it ended well, else 0.
        Metric("backup_last_attempt_succeeded", Kind.GAUGE),
        Metric("backup_last_duration_seconds", Kind.GAUGE),
        # Both results are there from the start.
        Metric("backup_runs_total", Kind.COUNTER, ("result",)),
        Metric("backup_sent_bytes_total", Kind.COUNTER),
        # 1 while one is made, else 0.
        Metric("backup_running", Kind.GAUGE),
        # All blocks of the newest restore point, sent for it or before it.
        Metric("backup_restore_point_bytes", Kind.GAUGE),
        # Of the volume that Prometheus shares with it, as its file system says.
        Metric("backup_volume_used_bytes", Kind.GAUGE),
        Metric("backup_volume_size_bytes", Kind.GAUGE),
    ),
    source="https://prometheus.io/docs/instrumenting/exposition_formats/",
)
