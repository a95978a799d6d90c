"""What notifications say, as Go templates that Alertmanager fills in; short, since they are read on a phone.

All alerts of a notification have the same name, since they are grouped by it, and so the same summary, runbook and
graph: these are said once.
Source: https://prometheus.io/docs/alerting/latest/notifications/
"""

from constructs_lib.rules.model import Severity

SHOWN = 10  # alerts of a notification; the rest is counted
# Which they all share, or which are said elsewhere: what is left tells them apart.
SHARED = '(stringSlice "alertname" "cluster" "environment" "severity" "team")'
RUNBOOK, GRAPH = ".CommonAnnotations.runbook_url", "(index .Alerts 0).GeneratorURL"
RUNBOOK_URL, GRAPH_URL = f"{{{{ {RUNBOOK} }}}}", f"{{{{ {GRAPH} }}}}"
# The form for a new silence, filled in with what the alerts are grouped by. It wants spaces as %20.
SILENCE_URL = (
    "{{ .ExternalURL }}/#/silences/new?filter=%7B"
    "{{ range $number, $label := .GroupLabels.SortedPairs }}{{ if $number }}%2C{{ end }}"
    '{{ printf "%s=%q" $label.Name $label.Value | urlquery | reReplaceAll "[+]" "%20" }}{{ end }}%7D'
)


def each(alerts: str) -> str:
    """What each alert says, and the labels that tell it apart.

    Args:
        alerts: Which of them, such as `.Alerts.Firing`.
    """
    return (
        f"{{{{ range $number, $alert := {alerts} }}}}{{{{ if lt $number {SHOWN} }}}}"
        # Alertmanager reads PagerDuty's details as YAML where it can, and keeps only its first document: of a text
        # that began with `[firing]` the list of one word was left. What begins with an asterisk and a space is none.
        "* [{{ .Status }}] "
        "{{ if ne .Annotations.summary $.CommonAnnotations.summary }}{{ .Annotations.summary }} {{ end }}"
        "{{ .Annotations.description }}\n"
        f"{{{{ with (.Labels.Remove {SHARED}).SortedPairs }}}}{{{{ . }}}}\n{{{{ end }}}}\n{{{{ end }}}}{{{{ end }}}}"
        f"{{{{ if gt (len {alerts}) {SHOWN} }}}}{SHOWN} of {{{{ len {alerts} }}}} are shown.\n\n{{{{ end }}}}"
    )


def _links(form: str) -> str:
    """Where to read on, and where to silence what still fires.

    Args:
        form: How a link is written, with `name` and `url` in braces.
    """
    written = {name: form.format(name=name, url="{{ . }}") for name in ("Runbook", "Graph")}
    silence = form.format(name="Silence", url=SILENCE_URL)
    return (
        f"{{{{ with {RUNBOOK} }}}}{written['Runbook']}{{{{ end }}}}"
        f"{{{{ with {GRAPH} }}}}{written['Graph']}{{{{ end }}}}"
        f'{{{{ if eq .Status "firing" }}}}{silence}{{{{ end }}}}'
    )


WHERE = "".join(
    f"{{{{ with .CommonLabels.{label} }}}} {{{{ . }}}}{{{{ end }}}}" for label in ("cluster", "namespace", "job")
)
SUBJECT = (
    "{{ with .CommonLabels.severity }}{{ . | toUpper }} {{ end }}{{ .CommonLabels.alertname }}"
    + WHERE
    + "{{ with .CommonAnnotations.summary }}: {{ . }}{{ end }}"
)
TITLE = '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] ' + SUBJECT
_WHOSE = "".join(
    f"{{{{ with .CommonLabels.{label} }}}}{label}={{{{ . }}}} {{{{ end }}}}" for label in ("environment", "team")
)
_ALERTS = each(".Alerts.Firing") + each(".Alerts.Resolved")
PLAIN_TEXT = _ALERTS + _links("{name}: {url}\n") + _WHOSE
# The links first: Slack folds what is long.
SLACK_TEXT = _links("<{url}|{name}> ") + _WHOSE + "\n" + _ALERTS
SLACK_COLOR = (
    '{{ if ne .Status "firing" }}good{{ else }}'
    f'{{{{ if eq .CommonLabels.severity "{Severity.CRITICAL}" }}}}danger{{{{ else }}}}warning{{{{ end }}}}{{{{ end }}}}'
)
# PagerDuty refuses an event whose severity is none of its own; it knows `error`, which we do not use. It refuses one
# without a source, too.
# https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
KNOWN = " ".join(f'"{severity}"' for severity in (Severity.CRITICAL, Severity.WARNING))
PAGER_SEVERITY = (
    f"{{{{ if eq .CommonLabels.severity {KNOWN} }}}}{{{{ .CommonLabels.severity }}}}{{{{ else }}}}error{{{{ end }}}}"
)
PAGER_SOURCE = '{{ or .CommonLabels.cluster "Alertmanager" }}'
