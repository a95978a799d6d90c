"""The ways by which people hear of alerts: webhook, Slack, email, PagerDuty; credentials by file only.

Source: https://prometheus.io/docs/alerting/latest/configuration/#general-receiver-related-settings
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from constructs_lib.config import notifications
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import PortRange
from constructs_lib.errors import ConstructError

HTTPS = 443
EACH_TEAM = "{team}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A server that takes Alertmanager's own JSON.

    Args:
        url: The key that holds the URL, which often is a credential itself.
        port: That the URL names.
        max_alerts: In one notification, the rest being counted only; 0 for all.
        resolved: Whether it also hears of the end.
    Raises:
        ConstructError: a negative number, or no port.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """

    kind: ClassVar = "webhook_configs"
    url: SecretKey
    port: int = HTTPS
    max_alerts: int = 0
    resolved: bool = True

    def __post_init__(self) -> None:
        PortRange.only(self.port)
        if self.max_alerts < 0:
            raise ConstructError(f"a webhook takes {self.max_alerts} alerts at once: use 1 or more, or 0 for all")

    @property
    def secrets(self) -> tuple[SecretKey, ...]:
        return (self.url,)

    def to_dict(self, credentials: str) -> dict[str, Any]:
        return {
            "send_resolved": self.resolved,
            "url_file": self.url.path_below(credentials),
            "max_alerts": self.max_alerts,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """A channel of Slack, by an incoming webhook.

    Args:
        api_url: The key that holds the webhook's URL.
        channel: Such as `#alerts`, where the webhook may choose it; `#alerts-{team}` is one for each team, by the
            label `team` of the alerts.
        resolved: Whether it also hears of the end.
    Raises:
        ConstructError: a channel that is none.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#slack_config
    """

    kind: ClassVar = "slack_configs"
    port: ClassVar[int] = HTTPS
    api_url: SecretKey
    channel: str
    resolved: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[#@]?([-.\w]|\{team\}){1,80}", self.channel):
            raise ConstructError(
                f"{self.channel!r} cannot be a channel of Slack: use a name such as '#alerts', or '#alerts-{{team}}' "
                "for one of each team"
            )

    @property
    def secrets(self) -> tuple[SecretKey, ...]:
        return (self.api_url,)

    @property
    def of_each_team(self) -> bool:
        """Whether the team decides on the channel: alerts of two must not come together."""
        return EACH_TEAM in self.channel

    def to_dict(self, credentials: str) -> dict[str, Any]:
        return {
            "send_resolved": self.resolved,
            "api_url_file": self.api_url.path_below(credentials),
            "channel": self.channel.replace(EACH_TEAM, "{{ .CommonLabels.team }}"),
            "title": notifications.TITLE,
            "fallback": notifications.TITLE,  # which a phone shows
            "color": notifications.SLACK_COLOR,
            "text": notifications.SLACK_TEXT,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A mailbox, by a server that takes mail from those who can log in, and never in the clear.

    Args:
        to: Who gets it.
        sender: Whom it is from.
        host: The mail server's name, which its certificate must bear.
        port: 587, where TLS begins after a greeting, or another one that does so; at 465, TLS comes first.
        username: To log in with.
        password: The key that holds the password.
        resolved: Whether it also hears of the end.
    Raises:
        ConstructError: an address or a host that is none, or the port of servers among themselves.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#email_config
    """

    kind: ClassVar = "email_configs"
    to: str
    sender: str
    host: str
    port: int = 587
    username: str
    password: SecretKey
    resolved: bool = True

    def __post_init__(self) -> None:
        for address in (self.to, self.sender):
            # Alertmanager takes a list and a template, too: neither is meant here.
            if not re.fullmatch(r"[\w.+-]+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*", address, re.ASCII):
                raise ConstructError(f"{address!r} is no address of email: use one such as 'team@example.com'")
        if not re.fullmatch(r"[a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?", self.host):
            raise ConstructError(f"{self.host!r} cannot be a mail server: use a host's name, and give the port apart")
        PortRange.only(self.port)
        if self.port == 25:
            raise ConstructError(
                f"the mail server {self.host} is asked at port 25, which networks close to all but mail servers "
                "(EC2 does): use its port for clients, 587 or 465"
            )
        if not self.username:
            raise ConstructError(f"the user of the mail server {self.host} is '': give the name to log in with")

    @property
    def secrets(self) -> tuple[SecretKey, ...]:
        return (self.password,)

    def to_dict(self, credentials: str) -> dict[str, Any]:
        return {
            "send_resolved": self.resolved,
            "to": self.to,
            "from": self.sender,
            "smarthost": f"{self.host}:{self.port}",
            "auth_username": self.username,
            "auth_password_file": self.password.path_below(credentials),
            "require_tls": True,
            "headers": {"Subject": notifications.TITLE},
            "text": notifications.PLAIN_TEXT,
            "html": "",  # else every mail program shows Alertmanager's own page in place of the text
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDuty:
    """A service of PagerDuty, by its Events API v2; the alert's severity becomes that of the incident.

    Args:
        routing_key: The key that holds the integration's key.
        resolved: Whether the end of the alerts ends the incident.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#pagerduty_config
    """

    kind: ClassVar = "pagerduty_configs"
    port: ClassVar[int] = HTTPS
    routing_key: SecretKey
    resolved: bool = True

    @property
    def secrets(self) -> tuple[SecretKey, ...]:
        return (self.routing_key,)

    def to_dict(self, credentials: str) -> dict[str, Any]:
        return {
            "send_resolved": self.resolved,
            "routing_key_file": self.routing_key.path_below(credentials),
            "description": notifications.SUBJECT,
            "severity": notifications.PAGER_SEVERITY,
            "source": notifications.PAGER_SOURCE,
            "class": "{{ .CommonLabels.alertname }}",
            "component": "{{ .CommonLabels.job }}",
            "group": "{{ .CommonLabels.namespace }}",
            "details": {
                # In place of two documents of JSON.
                "firing": notifications.each(".Alerts.Firing"),
                "resolved": notifications.each(".Alerts.Resolved"),
                # Alertmanager makes an object of it, which PagerDuty's own rules can read.
                "labels": "{{ .CommonLabels | toJson }}",
            },
            "links": [
                {"href": notifications.RUNBOOK_URL, "text": "Runbook"},
                {"href": notifications.GRAPH_URL, "text": "Graph"},
                {"href": notifications.SILENCE_URL, "text": "Silence"},
            ],
        }


Integration: TypeAlias = Webhook | Slack | Email | PagerDuty
