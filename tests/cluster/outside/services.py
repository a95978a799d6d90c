"""Services that receive notifications, each with its credential and the real one's answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

WEB_PORT = 443
MAIL_PORT = 587


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service says by HTTP: a text, or JSON."""

    status: int
    body: str | Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A server that takes every POST to one path.

    Args:
        path: With the query, if there is one; whoever does not know it is refused with 403.
    """

    host: str
    path: str

    def answer(self, path: str, _: Any) -> Answer:
        """The answer to a body."""
        return Answer(200, "ok") if path == self.path else Answer(403, "forbidden")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """An incoming webhook of Slack.

    Args:
        path: With the token, as in "/services/T0/B0/token".
    Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """

    host: str
    path: str

    def answer(self, path: str, body: Any) -> Answer:
        """The answer to a message."""
        if path != self.path:
            return Answer(403, "invalid_token")
        if not isinstance(body, dict):
            return Answer(400, "invalid_payload")
        return Answer(200, "ok") if body.get("text") or body.get("attachments") else Answer(400, "no_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDuty:
    """The Events API v2 of PagerDuty.

    Source: https://github.com/PagerDuty/api-schema/blob/main/reference/events-v2/openapiv3.json
    """

    host: str
    routing_key: str

    def answer(self, path: str, event: Any) -> Answer:
        """The answer to an event."""
        if path != "/v2/enqueue":
            return Answer(404, "not found")
        errors = self._errors(event) if isinstance(event, dict) else ["it is no JSON object"]
        if errors:
            return Answer(400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors})
        key = event.get("dedup_key", "made by the service")
        return Answer(202, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _errors(self, event: dict[str, Any]) -> list[str]:
        action, payload = event.get("event_action"), event.get("payload") or {}
        checks = {
            "'routing_key' is missing or not known": event.get("routing_key") == self.routing_key,
            "'event_action' is no action": action in {"trigger", "acknowledge", "resolve"},
            "'dedup_key' is missing": action == "trigger" or event.get("dedup_key"),
            "'payload.summary' is missing": action != "trigger" or payload.get("summary"),
            "'payload.source' is missing": action != "trigger" or payload.get("source"),
            "'payload.severity' is no severity": action != "trigger"
            or payload.get("severity") in {"critical", "error", "warning", "info"},
        }
        return [error for error, passed in checks.items() if not passed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mail server that takes messages of one user: TLS by STARTTLS, and then a login, are required."""

    host: str
    user: str
    password: str


Service: TypeAlias = Webhook | Slack | PagerDuty | Mailbox
KINDS: Mapping[str, type[Service]] = {kind.__name__: kind for kind in (Webhook, Slack, PagerDuty, Mailbox)}
