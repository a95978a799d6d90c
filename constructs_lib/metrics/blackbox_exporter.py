"""The blackbox exporter's answer to a probe by HTTPS; its own metrics are those of its process.

Of a host that does not answer, `probe_http_status_code` is 0, and nothing is told of a certificate; one that has
ended, or that nobody trusts, is no answer.
"""

from constructs_lib.config.discovery import BLACKBOX as JOB
from constructs_lib.metrics.model import Kind, Metric, Program

BLACKBOX_EXPORTER = Program(
    name="blackbox_exporter",
    version="0.28.0",
    job=JOB,
    metrics=(
        Metric("probe_http_status_code", Kind.GAUGE),
        # Of all certificates that the host sends.
        Metric("probe_ssl_earliest_cert_expiry", Kind.GAUGE),
        Metric("probe_success", Kind.GAUGE),
    ),
    source="https://github.com/prometheus/blackbox_exporter/blob/v0.28.0/prober/http.go",
)
