"""What notifications say, as Go templates that Alertmanager fills in.

All alerts of a notification have the same name, since they are grouped by it, and so the same runbook.
Source: https://prometheus.io/docs/alerting/latest/notifications/
"""

from constructs_lib.rules.model import Severity


def each(alerts: str, *, runbook: str) -> str:
    """Summary, description and runbook of every alert.

    Args:
        alerts: Which of them, such as `.Alerts.Firing`.
        runbook: How the link is written, the dot being its address.
    """
    return (
        f"{{{{ range {alerts} }}}}[{{{{ .Status }}}}] {{{{ .Annotations.summary }}}}\n"
        "{{ .Annotations.description }}\n"
        f"{{{{ with .Annotations.runbook_url }}}}{runbook}\n{{{{ end }}}}\n{{{{ end }}}}"
    )


SUBJECT = "{{ .CommonLabels.alertname }}{{ with .CommonAnnotations.summary }}: {{ . }}{{ end }}"
TITLE = '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] ' + SUBJECT
PLAIN_RUNBOOK, SLACK_RUNBOOK = "Runbook: {{ . }}", "<{{ . }}|Runbook>"
RUNBOOK_URL = "{{ .CommonAnnotations.runbook_url }}"
# PagerDuty refuses an event whose severity is none of its own; it knows `error`, which we do not use.
# https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
KNOWN = " ".join(f'"{severity}"' for severity in (Severity.CRITICAL, Severity.WARNING))
PAGER_SEVERITY = (
    f"{{{{ if eq .CommonLabels.severity {KNOWN} }}}}{{{{ .CommonLabels.severity }}}}{{{{ else }}}}error{{{{ end }}}}"
)
