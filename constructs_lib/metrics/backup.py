"""The backup agent beside each Prometheus, which makes restore points of its volume.

For whoever asks by hand, it exposes besides what rules read: gauges `backup_last_attempt_timestamp_seconds` and
`backup_last_duration_seconds` (absent before the first attempt), `backup_running` (0 or 1), `backup_queue_reached`
(whether its queue answered last; absent without one), `backup_cloudwatch_told` (whether CloudWatch took what it was
told last; absent where it is told nothing), `backup_volume_used_bytes` and `backup_volume_size_bytes` (as the file
system says); counters `backup_sent_bytes_total` and `backup_runs_total`, the latter by `result`: `success` and
`failure`, both from the start.
"""

from constructs_lib import __version__
from constructs_lib.metrics.model import Kind, Metric, Program

BACKUP = Program(
    name="backup",
    version=__version__,
    job="backup",
    metrics=(
        # When the newest restore point was made, by the store's clock, which is asked at the start; absent until known.
        Metric("backup_last_success_timestamp_seconds", Kind.GAUGE),
        # 1 when the last attempt ended well, else 0; absent before the first one.
        Metric("backup_last_attempt_succeeded", Kind.GAUGE),
        # All files of the newest restore point, those of former ones, too; absent until known.
        Metric("backup_restore_point_bytes", Kind.GAUGE),
        # When its queue sent the last start, or the agent began to wait for one; absent where there is no queue.
        Metric("backup_last_start_timestamp_seconds", Kind.GAUGE),
    ),
    source="https://prometheus.io/docs/instrumenting/exposition_formats/",
)
