"""What an application is asked to export: the library's contract, since the applications are others'.

A program that has other names for the same is renamed where it is scraped, by metric relabeling.
"""

from constructs_lib.metrics.model import Kind, Metric, Program

APPLICATION = Program(
    name="application",
    version="1",
    job="api",
    metrics=(
        # Answered requests: by the service that answers, and the HTTP status.
        Metric("http_requests_total", Kind.COUNTER, ("service", "code")),
        # A bucket must end where the answer is too slow, by default at 1 second, and another at twice that.
        Metric("http_request_duration_seconds", Kind.HISTOGRAM, ("service",)),
        # What waits in a queue; of several programs that tell of one queue, the greatest counts.
        Metric("queue_depth", Kind.GAUGE, ("queue",)),
        # By where a lead came from; of each source 0 from the start, or the first lead does not count, and where none
        # comes there is no series that could tell.
        Metric("leads_created_total", Kind.COUNTER, ("source",)),
        # Both in the same currency, whichever it is; what the monitoring costs is part of the infrastructure's.
        Metric("observability_cost_total", Kind.COUNTER),
        Metric("infrastructure_cost_total", Kind.COUNTER),
    ),
    source="constructs_lib/metrics/application.py",
)
