"""Receivers, field by field: what they send, whom they ask, and that no credential is written anywhere."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import yaml

from constructs_lib.config import to_yaml
from constructs_lib.config.receivers import Email, Heartbeat, PagerDuty, Receiver, Slack, Webhook
from constructs_lib.config.secrets import SecretKey
from constructs_lib.errors import ConstructError

KEY = SecretKey("receivers", "some-key")
FILE = "/secrets/receivers/some-key"


def email(**more: Any) -> Email:
    return Email(
        **{
            "to": "team@example.com",
            "sender": "alerts@example.com",
            "host": "smtp.example.com",
            "username": "alerts",
            "password": KEY,
            **more,
        }
    )


EVERY_KIND = (
    (Webhook(url=KEY), "url_file", 443),
    (Slack(api_url=KEY, channel="#alerts"), "api_url_file", 443),
    (PagerDuty(routing_key=KEY), "routing_key_file", 443),
    (email(), "auth_password_file", 587),
)


@pytest.mark.parametrize(("way", "field", "port"), EVERY_KIND)
def test_a_credential_is_a_file(way: Any, field: str, port: int) -> None:
    """The document names the file, and the construct learns the key and the port."""
    document = way.to_dict("/secrets")
    assert [name for name in document if name.endswith("_file")] == [field]
    assert document[field] == FILE
    assert way.secrets == (KEY,)
    assert way.port == port


@pytest.mark.parametrize(("way", "field", "port"), EVERY_KIND)
def test_the_end_is_told_unless_it_must_not_be(way: Any, field: str, port: int) -> None:
    """Slack and email would keep silent about it if they were not asked."""
    silent = type(way)(**{name: getattr(way, name) for name in way.__slots__ if name != "resolved"}, resolved=False)
    assert way.to_dict("/secrets")["send_resolved"] is True
    assert silent.to_dict("/secrets")["send_resolved"] is False


def test_a_receiver_may_have_several_ways() -> None:
    """They are written by kind; those of a kind keep their order, since the log of what was sent counts them."""
    receiver = Receiver(
        name="all",
        integrations=(email(), Webhook(url=KEY, port=8443), Slack(api_url=KEY, channel="b"), Webhook(url=KEY)),
    )
    document = receiver.to_dict("/secrets")
    assert list(document) == ["name", "email_configs", "slack_configs", "webhook_configs"]
    assert len(document["webhook_configs"]) == 2
    assert receiver.ports == {443, 587, 8443}
    assert receiver.secrets == {KEY}


def test_webhook() -> None:
    """All alerts of a group in one notification, unless the server says how many it takes."""
    assert Webhook(url=KEY, max_alerts=50).to_dict("/secrets") == {
        "send_resolved": True,
        "url_file": FILE,
        "max_alerts": 50,
    }
    assert Webhook(url=KEY).to_dict("/secrets")["max_alerts"] == 0


def test_email_never_goes_in_the_clear() -> None:
    """A server that offers no TLS gets neither the mail nor the password."""
    document = email(port=465).to_dict("/secrets")
    assert document["require_tls"] is True
    assert document["smarthost"] == "smtp.example.com:465"
    assert (document["from"], document["to"]) == ("alerts@example.com", "team@example.com")
    assert document["auth_username"] == "alerts"


@pytest.mark.parametrize(
    "texts",
    [
        [Slack(api_url=KEY, channel="#alerts").to_dict("/secrets")[name] for name in ("title", "text")],
        [email().to_dict("/secrets")["headers"]["Subject"], email().to_dict("/secrets")["text"]],
        [str(PagerDuty(routing_key=KEY).to_dict("/secrets"))],
    ],
)
def test_every_way_tells_what_an_alert_tells(texts: list[str]) -> None:
    """What, how bad, where; of each alert description and labels; and the links to read on and to silence."""
    told = "".join(texts)
    for part in (
        ".CommonLabels.severity",
        ".CommonLabels.alertname",
        ".CommonLabels.cluster",
        ".CommonLabels.namespace",
        ".CommonLabels.job",
        ".CommonAnnotations.summary",
        ".Annotations.description",
        ".Labels.Remove",
        ".CommonAnnotations.runbook_url",
        ".GeneratorURL",
        "/#/silences/new?filter=",
    ):
        assert part in told


def test_a_mail_is_what_we_wrote() -> None:
    """Alertmanager adds a page of its own in HTML unless it is told not to, and mail programs prefer that one."""
    assert email().to_dict("/secrets")["html"] == ""


def test_a_phone_shows_the_title_of_a_message_in_slack() -> None:
    """Its own title is a list of labels."""
    document = Slack(api_url=KEY, channel="#alerts").to_dict("/secrets")
    assert document["fallback"] == document["title"]


def test_a_channel_may_be_one_of_each_team() -> None:
    """Alertmanager fills it in; a channel that is said stays as it is."""
    each, one = (Receiver(name="a", integrations=(Slack(api_url=KEY, channel=c),)) for c in ("{team}-alerts", "#a"))
    assert each.to_dict("/secrets")["slack_configs"][0]["channel"] == "{{ .CommonLabels.team }}-alerts"
    assert each.of_each_team
    assert one.to_dict("/secrets")["slack_configs"][0]["channel"] == "#a"
    assert not one.of_each_team


def test_an_incident_of_pagerduty_can_be_sorted() -> None:
    """By the fields that its rules know, and by each label; none of its links is without an address."""
    document = PagerDuty(routing_key=KEY).to_dict("/secrets")
    assert document["class"] == "{{ .CommonLabels.alertname }}"
    assert document["component"] == "{{ .CommonLabels.job }}"
    assert document["group"] == "{{ .CommonLabels.namespace }}"
    assert document["details"]["labels"] == "{{ .CommonLabels | toJson }}"
    assert [link["text"] for link in document["links"] if link["href"]] == ["Runbook", "Graph", "Silence"]


def test_templates_survive_the_file() -> None:
    """Line breaks and braces are read as they were written."""
    document = Receiver(name="all", integrations=(email(), PagerDuty(routing_key=KEY))).to_dict("/secrets")
    assert yaml.safe_load(to_yaml(document)) == document


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Webhook(url=KEY, max_alerts=-1), "a webhook takes -1 alerts at once: use 1 or more, or 0 for all"),
        (lambda: Webhook(url=KEY, port=0), "0 is not a port: use 1 to 65535"),
        (lambda: Slack(api_url=KEY, channel="#two words"), "'#two words' cannot be a channel of Slack"),
        (lambda: Slack(api_url=KEY, channel="{{ .Receiver }}"), "use a name such as '#alerts'"),
        (lambda: Slack(api_url=KEY, channel="#alerts-{namespace}"), "or '#alerts-{team}' for one of each team"),
        (lambda: Slack(api_url=KEY, channel="#alerts-{{team}}"), "cannot be a channel of Slack"),
        (lambda: Slack(api_url=KEY, channel="#alerts-{team"), "cannot be a channel of Slack"),
        (lambda: email(to="nobody"), "'nobody' is no address of email: use one such as 'team@example.com'"),
        (lambda: email(sender="{{ .X }}@example.com"), "is no address of email"),
        (lambda: email(to="a@example.com, b@example.com"), "is no address of email"),
        (lambda: email(host="smtp.example.com:587"), "use a host's name, and give the port apart"),
        (lambda: email(port=70000), "70000 is not a port"),
        (lambda: email(port=25), "asked at port 25, which networks close to all but mail servers .* use .* 587 or 465"),
        (lambda: email(username=""), "the user of the mail server smtp.example.com is '': give the name to log in"),
        (lambda: Receiver(name="on call", integrations=(Webhook(url=KEY),)), "'on call' cannot be a receiver's name"),
        (lambda: Receiver(name="empty", integrations=()), "the receiver empty has no integration.* give at least one"),
        (
            lambda: Heartbeat(url=KEY, interval=timedelta(seconds=29)),
            "the interval of the heartbeat is 29s: use 30s to",
        ),
        (lambda: Heartbeat(url=KEY, interval=timedelta(days=2)), "the interval of the heartbeat is 2d: use 30s to 1d"),
    ],
)
def test_what_cannot_arrive_is_refused(make: Any, message: str) -> None:
    """One sentence names the value, the limit, and the way out."""
    with pytest.raises(ConstructError, match=message):
        make()


def beats(interval: float, repeat: float, phase: float, waits: tuple[float, float]) -> list[float]:
    """When two members send within 100 intervals, by the rules of Alertmanager's notify/dedup_stage.go.

    Args:
        interval: Between two looks of each.
        repeat: The repeat_interval.
        phase: How much later the second looks.
        waits: How long each waits for the other before it reads the log that they share.
    All of it in seconds; a sending takes half of one.
    """
    looks = [
        (look + start + wait, look + start)
        for start, wait in zip((0, phase), waits, strict=True)
        for look in (number * interval for number in range(100))
    ]
    sent: list[float] = []
    for decides, looked in sorted(looks):
        if not sent or sent[-1] < looked - repeat:
            sent.append(decides + 0.5)
    return sent


def longest_gap(times: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(times))


@pytest.mark.parametrize("interval", [30, 60, 90.001, 3600])
def test_a_heartbeat_keeps_time(interval: float) -> None:
    """Whatever the members' looks: none is skipped, no two come for one, and it lasts when only the second can send."""
    repeat = Heartbeat(url=KEY, interval=timedelta(seconds=interval)).repeat_interval.total_seconds()
    for tenth in range(1, 10):
        sent = beats(interval, repeat, phase=interval * tenth / 10, waits=(0, 15))
        assert longest_gap(sent) <= interval + 15
        assert len(sent) <= 101
    alone = beats(interval, repeat, phase=0, waits=(15, 15))
    assert len(alone) == 100


def test_a_heartbeat_whose_repetition_is_its_interval_would_be_halved() -> None:
    """What is sent at a look ends after it, so at the next look it is a little too young."""
    assert longest_gap(beats(60, 60, phase=0, waits=(0, 15))) == 120


def test_a_heartbeat_has_no_end() -> None:
    """Its server would take the message of the end for a beat."""
    (way,) = Heartbeat(url=KEY).receiver.integrations
    assert way.to_dict("/secrets") == {"send_resolved": False, "url_file": FILE, "max_alerts": 0}
    assert Heartbeat(url=KEY).receiver.ports == {443}
