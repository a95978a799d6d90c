"""Alertmanager: its members, what they tell each other, and what follows from receivers and from who sends to it."""

from typing import Any

import cdk8s
import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.kube import (
    Delivery,
    Email,
    Heartbeat,
    Inhibition,
    PagerDuty,
    Receiver,
    Route,
    SecretKey,
    Slack,
)
from constructs_lib.rules.observability import observability
from tests.minimal import WEBHOOK, alertmanager, prometheus, unrendered
from tests.rendered import Objects, rendered, text

CHAT = Receiver(name="chat", integrations=(Slack(api_url=SecretKey("receivers", "slack-url"), channel="#monitoring"),))
PAGER = Receiver(name="pager", integrations=(PagerDuty(routing_key=SecretKey("pager", "key")),))
MAIL = Receiver(
    name="mail",
    integrations=(
        Email(
            to="team@example.com",
            sender="alertmanager@example.com",
            host="smtp.example.com",
            username="alertmanager",
            password=SecretKey("receivers", "smtp-password"),
        ),
    ),
)
ROOMS = Slack(api_url=SecretKey("teams", "slack-url"), channel="#alerts-{team}")
HEARTBEAT = Heartbeat(url=SecretKey("receivers", "heartbeat-url"))


def build(chart: cdk8s.Chart, *, reverse: bool = False, times: int = 1) -> None:
    pair, server = alertmanager(chart, "pair"), prometheus(chart)
    verbs = [
        lambda: pair.add_receiver(CHAT),
        lambda: pair.add_receiver(PAGER),
        lambda: pair.add_receiver(MAIL),
        lambda: pair.add_routes(*(Route(receiver=name, team=name) for name in ("chat", "pager", "mail"))),
        lambda: pair.send_heartbeat_to(HEARTBEAT),
        lambda: pair.tell_teams_by(ROOMS),
        lambda: server.send_alerts_to(pair),
        lambda: server.add_rules(observability),
    ] * times
    for verb in reversed(verbs) if reverse else verbs:
        verb()
    alertmanager(chart, "single", replicas=1)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Two members with every kind of receiver, a Prometheus that sends to them, and a single one."""
    return rendered(build)


def container(objects: Objects, name: str, number: int = 0) -> dict[str, Any]:
    pod: dict[str, Any] = objects.named("StatefulSet", name)["spec"]["template"]["spec"]
    found: dict[str, Any] = pod["containers"][number]
    return found


def test_order_and_number_of_verbs_do_not_matter() -> None:
    """The same wiring renders the same bytes."""
    assert text(build) == text(lambda chart: build(chart, reverse=True, times=3))


@pytest.mark.trap(21)
def test_members_talk_by_tcp_and_udp_both_ways(objects: Objects) -> None:
    """They join by TCP and tell of what was sent by UDP: without it both would send."""
    policy = objects.named("NetworkPolicy", "pair")["spec"]
    gossip = [{"port": 9094, "protocol": "TCP"}, {"port": 9094, "protocol": "UDP"}]
    for rules, side in ((policy["ingress"], "from"), (policy["egress"], "to")):
        peers = [
            rule[side][0]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"]
            for rule in rules
            if rule["ports"] == gossip
        ]
        assert peers == ["pair"]


@pytest.mark.trap(22)
def test_every_member_is_a_peer_by_its_own_name_before_it_is_ready(objects: Objects) -> None:
    """At the start nobody is ready, and who cannot be resolved would be left alone."""
    args = container(objects, "pair")["args"]
    assert [arg for arg in args if arg.startswith("--cluster.peer=")] == [
        f"--cluster.peer=pair-{ordinal}.pair-headless.monitoring.svc.cluster.local:9094" for ordinal in range(2)
    ]
    assert objects.named("Service", "pair-headless")["spec"]["publishNotReadyAddresses"] is True
    assert "--cluster.reconnect-timeout=5m" in args


@pytest.mark.trap(23)
def test_services_name_the_gossip_port_for_both_protocols(objects: Objects) -> None:
    """A Service that knows it only as TCP hides the other one."""
    ports = objects.named("Service", "pair-headless")["spec"]["ports"]
    assert {port["protocol"] for port in ports if port["port"] == 9094} == {"TCP", "UDP"}
    assert len({port["name"] for port in ports}) == len(ports)


@pytest.mark.trap(24)
@pytest.mark.trap(25)
def test_a_member_advertises_its_own_address_and_its_cluster(objects: Objects) -> None:
    """An address that is not private is not guessed; one that was another pod's must not join two clusters."""
    args = container(objects, "pair")["args"]
    assert "--cluster.advertise-address=[$(POD_IP)]:9094" in args
    assert "--cluster.listen-address=[$(POD_IP)]:9094" in args
    assert "--cluster.peer-name=$(POD_NAME)" in args
    assert "--cluster.label=monitoring/pair" in args
    variables = container(objects, "pair")["env"]
    environment = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in variables}
    assert environment == {"POD_NAME": "metadata.name", "POD_IP": "status.podIP"}


@pytest.mark.trap(26)
def test_a_single_one_waits_for_nobody(objects: Objects) -> None:
    """It has no gossip port, and no budget that would keep a drain from it."""
    assert "--cluster.listen-address=" in container(objects, "single")["args"]
    assert [port["containerPort"] for port in container(objects, "single")["ports"]] == [9093]
    assert [budget["metadata"]["name"] for budget in objects.of("PodDisruptionBudget")] == ["pair", "prometheus"]


@pytest.mark.trap(27)
def test_silences_survive_and_a_new_member_has_time_to_hear_of_them(objects: Objects) -> None:
    """They lie on the member's own volume; the next member is replaced when this one has heard of everything."""
    spec = objects.named("StatefulSet", "pair")["spec"]
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert {"name": "data", "mountPath": "/alertmanager"} in container(objects, "pair")["volumeMounts"]
    assert spec["minReadySeconds"] == 60
    assert "--dispatch.start-delay=1m" in container(objects, "pair")["args"]


@pytest.mark.trap(29)
def test_credentials_are_files_of_secrets_that_may_come_later(objects: Objects) -> None:
    """The file names paths below the mounted Secrets; a missing one keeps no member from starting."""
    config = objects.named("ConfigMap", "pair-config")["data"]["alertmanager.yml"]
    for path in (
        "pager/key",
        "teams/slack-url",
        *(f"receivers/{key}" for key in ("webhook-url", "slack-url", "smtp-password")),
    ):
        assert f"/etc/alertmanager/secrets/{path}" in config
    volumes = objects.named("StatefulSet", "pair")["spec"]["template"]["spec"]["volumes"]
    assert [volume["secret"] for volume in volumes if "secret" in volume] == [
        {"secretName": "pager", "optional": True},
        {"secretName": "receivers", "optional": True},
        {"secretName": "teams", "optional": True},
    ]
    assert [
        mount["mountPath"] for mount in container(objects, "pair")["volumeMounts"] if "secret" in mount["name"]
    ] == [
        "/etc/alertmanager/secrets/pager",
        "/etc/alertmanager/secrets/receivers",
        "/etc/alertmanager/secrets/teams",
    ]
    assert not objects.of("Secret")


def test_a_receiver_with_another_key_of_the_same_secret_restarts_nothing() -> None:
    """The pod's template is what it was: the way to it is open and its credential is there already."""

    def templates(*receivers: Receiver) -> Any:
        def build(chart: cdk8s.Chart) -> None:
            ours = alertmanager(chart)
            for receiver in receivers:
                ours.add_receiver(receiver)
                ours.add_routes(Route(receiver=receiver.name, team=receiver.name))

        return rendered(build).only("StatefulSet")["spec"]["template"]

    assert templates() == templates(CHAT, MAIL)
    assert templates() != templates(PAGER)


def test_receivers_open_their_ports_to_the_outside_alone(objects: Objects) -> None:
    """HTTPS, and the mail server's port where somebody hears by mail; never to a private address."""
    outside = {
        rule["to"][0]["ipBlock"]["cidr"]: (rule["ports"], rule["to"][0]["ipBlock"]["except"])
        for rule in objects.named("NetworkPolicy", "pair")["spec"]["egress"]
        if "ipBlock" in rule["to"][0]
    }
    (ports, exceptions) = outside["0.0.0.0/0"]
    assert ports == [{"port": 443, "protocol": "TCP"}, {"port": 587, "protocol": "TCP"}]
    assert exceptions == [
        *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
    ]


def test_a_site_that_knows_where_its_receivers_are_says_so() -> None:
    """A private range that is named is open: such as a relay of the company's own."""

    def tight(chart: cdk8s.Chart) -> None:
        alertmanager(chart, delivery=Delivery(default=WEBHOOK, receivers_at=("10.9.0.0/24",)))

    blocks = [
        rule["to"][0]["ipBlock"]
        for rule in rendered(tight).only("NetworkPolicy")["spec"]["egress"]
        if "ipBlock" in rule["to"][0]
    ]
    assert blocks == [{"cidr": "10.9.0.0/24"}]


@pytest.mark.trap(3)
def test_prometheus_knows_every_member_by_its_own_address(objects: Objects) -> None:
    """Behind the Service only one of them would hear of an alert."""
    alerting = objects.file("prometheus-config", "prometheus.yml")["alerting"]
    assert alerting["alertmanagers"] == [
        {
            "static_configs": [
                {"targets": [f"pair-{n}.pair-headless.monitoring.svc.cluster.local:9093" for n in range(2)]}
            ]
        }
    ]
    assert alerting["alert_relabel_configs"] == [{"action": "labeldrop", "regex": "replica"}]


def test_a_helper_tells_it_to_read_its_file_again(objects: Objects) -> None:
    """Alertmanager reads it at the start alone; the helper sees the same directory."""
    reloader = container(objects, "pair", 1)
    assert "--reload-url=http://localhost:9093/-/reload" in reloader["args"]
    assert "--watched-dir=/etc/alertmanager/config" in reloader["args"]
    assert {"name": "config", "mountPath": "/etc/alertmanager/config", "readOnly": True} in reloader["volumeMounts"]


def test_two_alertmanagers_are_refused() -> None:
    """Members of one tell each other what was sent; two of them never do."""
    chart = unrendered()
    server = prometheus(chart)
    server.send_alerts_to(alertmanager(chart, "one"))
    with pytest.raises(ConstructError, match="prometheus sends alerts to two Alertmanagers, so each would come twice"):
        server.send_alerts_to(alertmanager(chart, "two"))


def test_the_same_name_for_two_receivers_is_refused() -> None:
    """A route could mean either."""
    with pytest.raises(ConstructError, match="alertmanager has two different receivers 'webhook': rename one"):
        alertmanager(unrendered()).add_receiver(Receiver(name="webhook", integrations=CHAT.integrations))


def test_two_heartbeats_are_refused() -> None:
    """One receiver would wait for a beat that never comes."""
    ours = alertmanager(unrendered())
    ours.send_heartbeat_to(HEARTBEAT)
    with pytest.raises(ConstructError, match="alertmanager has two different heartbeats: keep one"):
        ours.send_heartbeat_to(Heartbeat(url=SecretKey("other", "url")))


def test_a_member_says_whose_notifications_fail(objects: Objects) -> None:
    """A channel that a team named, and that does not exist, must not look like one of the platform's."""
    assert "--enable-feature=auto-gomemlimit,receiver-name-in-metrics" in container(objects, "pair")["args"]


def test_two_ways_to_tell_other_teams_are_refused() -> None:
    """One of them would hear of nothing; and no way at all would be nobody."""
    ours = alertmanager(unrendered())
    with pytest.raises(ConstructError, match="the receiver teams has no integration"):
        ours.tell_teams_by()
    ours.tell_teams_by(ROOMS)
    with pytest.raises(ConstructError, match="alertmanager tells other teams in two different ways: say all of them"):
        ours.tell_teams_by(*WEBHOOK.integrations)


def test_no_address_for_receivers_is_refused() -> None:
    """Nothing could leave."""
    with pytest.raises(ConstructError, match="receivers_at is empty, so no notification could leave"):
        Delivery(default=WEBHOOK, receivers_at=())


def test_an_address_with_a_path_is_refused() -> None:
    """The probes would not find it."""
    with pytest.raises(ConstructError, match=r"external_url is '.*', with a path: give it a host of its own"):
        alertmanager(unrendered(), external_url="https://example.com/alertmanager")


@pytest.mark.trap(31)
def test_inhibitions_come_once(objects: Objects) -> None:
    """The same one, added twice, is one."""

    def twice(chart: cdk8s.Chart) -> None:
        ours = alertmanager(chart)
        for _ in range(2):
            ours.add_inhibitions(
                Inhibition(source={"alertname": "JobDown"}, target={"alertname": "TargetDown"}, equal=("job",))
            )

    assert len(rendered(twice).file("alertmanager-config", "alertmanager.yml")["inhibit_rules"]) == 1
