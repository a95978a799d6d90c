"""Who hears of which alert: assembly only."""

import cdk8s

from apps.environment import Environment
from constructs_lib.config.alertmanager import DEFAULT_INHIBITIONS, GROUP_BY
from constructs_lib.contract import Namespace
from constructs_lib.kube import (
    Alertmanager,
    Delivery,
    Email,
    Heartbeat,
    PagerDuty,
    Placement,
    Receiver,
    Resources,
    Route,
    SecretKey,
    Slack,
    Volume,
    Webhook,
)
from constructs_lib.rules.model import BACKEND, DATABASE, ML, Severity

WEBHOOK = "webhook"
# A pager says nothing of what is added to an incident that somebody has acknowledged: another node, service or volume
# is another one.
PAGED_BY = (*GROUP_BY, "node", "service", "persistentvolumeclaim", "integration")


def alerting(chart: cdk8s.Chart, namespace: Namespace, values: Environment) -> Alertmanager:
    """Add the Alertmanager of one environment: the webhook hears of everything that no other receiver hears of.

    Alerts of other teams' releases come to their teams, or to the webhook, whatever is said of the platform's.

    Args:
        chart: Where it stands.
        namespace: Where it lives.
        values: What the site chose.
    Raises:
        ConstructError: values that Alertmanager refuses.
    """

    def credential(key: str) -> SecretKey:
        return SecretKey(values.receivers_credentials, key)

    alertmanager = Alertmanager(
        chart,
        "alertmanager",
        namespace=namespace,
        replicas=values.alertmanager_replicas,
        volume=Volume(values.alertmanager_volume, values.storage_class or None),
        resources=Resources(cpu=values.alertmanager_cpu, memory=values.alertmanager_memory),
        external_url=values.alertmanager_url,
        placement=Placement(priority_class=values.priority_class),
        delivery=Delivery(
            default=Receiver(name=WEBHOOK, integrations=(Webhook(url=credential("webhook-url")),)),
            receivers_at=values.receivers_at,
        ),
    )
    if values.pagerduty:
        # When it is PagerDuty that does not hear, somebody else must hear of that.
        failing = {"alertname": "AlertmanagerNotificationsFailing"}
        alertmanager.add_routes(Route(receiver=WEBHOOK, labels=failing, continue_=True))
        pager = Receiver(name="pagerduty", integrations=(PagerDuty(routing_key=credential("pagerduty-key")),))
        alertmanager.add_receiver(pager)
        # Whose claim is full in another namespace is that team's business: the platform hears of it, and sleeps.
        full, urgent = {"alertname": "VolumeFillingUp"}, (Severity.CRITICAL,)
        alertmanager.add_routes(
            *(
                Route(receiver=pager.name, severities=urgent, labels={**full, "namespace": each}, group_by=PAGED_BY)
                for each in dict.fromkeys((namespace.name, values.application_namespace))
            ),
            Route(receiver=WEBHOOK, labels=full),
            Route(receiver=pager.name, severities=urgent, group_by=PAGED_BY),
        )
    if values.email_to:
        mail = Email(
            to=values.email_to,
            sender=values.email_from,
            host=values.smtp_host,
            port=values.smtp_port,
            username=values.smtp_user,
            password=credential("smtp-password"),
        )
        alertmanager.add_receiver(Receiver(name="email", integrations=(mail,)))
        alertmanager.add_routes(Route(receiver="email", team=DATABASE))
    if values.slack_channel:
        chat = Slack(api_url=credential("slack-url"), channel=values.slack_channel)
        alertmanager.add_receiver(Receiver(name="slack", integrations=(chat,)))
        alertmanager.add_routes(*(Route(receiver="slack", team=team) for team in (BACKEND, ML)))
    if values.teams_slack_channel:
        alertmanager.tell_teams_by(Slack(api_url=credential("slack-url"), channel=values.teams_slack_channel))
    if values.heartbeat_interval:
        heartbeat = Heartbeat(url=credential("heartbeat-url"), interval=values.heartbeat_interval)
        alertmanager.send_heartbeat_to(heartbeat)
    alertmanager.add_inhibitions(*DEFAULT_INHIBITIONS)
    return alertmanager
