"""What surrounds dist/prod in the tests: the services outside, the databases, and the credentials of both."""

from ipaddress import IPv4Network
from secrets import token_hex
from urllib.parse import urlsplit

import yaml

from apps.environments import PROD
from tests.cluster.debian import postgres_image, redis_image
from tests.cluster.outside.services import Mailbox, PagerDuty, Slack, Webhook
from tests.cluster.spec import BalancerSpec, LoginSpec, SearchSpec, SqlSpec
from tests.real.way_in import node_ports


def host_of(url: str) -> str:
    """The name of the host that is asked."""
    host = urlsplit(url).hostname
    assert host
    return host


WEBHOOK = Webhook(host="webhook.example.com", path=f"/alerts?token={token_hex(16)}")
HEARTBEAT = Webhook(host="heartbeat.example.com", path=f"/beat/{token_hex(16)}")
SLACK = Slack(host="hooks.slack.com", path=f"/services/T00000000/B00000000/{token_hex(12)}")
PAGERDUTY = PagerDuty(host="events.pagerduty.com", routing_key=token_hex(16))
MAILBOX = Mailbox(host=PROD.smtp_host, user=PROD.smtp_user, password=token_hex(16))
# Who hears of alarms of AWS.
ALARMS = Webhook(host="alarms.example.com", path=f"/aws?token={token_hex(16)}")
SERVICES = (WEBHOOK, HEARTBEAT, SLACK, PAGERDUTY, MAILBOX, ALARMS)
# What people open, at the names of prod: Grafana has a login of its own, the others one before them.
GRAFANA, PROMETHEUS, ALERTMANAGER, JAEGER = (
    host_of(url) for url in (PROD.grafana_url, PROD.prometheus_url, PROD.alertmanager_url, PROD.jaeger_url)
)
BEHIND_LOGIN = (PROMETHEUS, ALERTMANAGER, JAEGER)
BALANCER = BalancerSpec(hosts=(GRAFANA, *BEHIND_LOGIN), ports=node_ports())
assert PROD.sign_in_issuer
LOGIN = LoginSpec(host=host_of(PROD.sign_in_issuer), client=PROD.sign_in_client, secret=token_hex(16))
COOKIE_SECRET = token_hex(16)  # 32 characters
assert PROD.traces_host
SEARCH = SearchSpec(host=PROD.traces_host, user=PROD.traces_user, password=token_hex(16))
assert PROD.grafana_postgres_host
SQL = SqlSpec(
    host=PROD.grafana_postgres_host,
    address=IPv4Network(PROD.grafana_postgres_at[0])[5],
    port=PROD.grafana_postgres_port,
    database=PROD.grafana_postgres_database,
    user=PROD.grafana_postgres_user,
    password=token_hex(16),
)
GRAFANA_PASSWORD, GRAFANA_KEY = token_hex(16), token_hex(16)

POSTGRES_PASSWORD, REDIS_PASSWORD = token_hex(16), token_hex(16)
POSTGRES = postgres_image(
    "registry.local/postgres:15",
    password=POSTGRES_PASSWORD,
    sql=f"CREATE ROLE {PROD.postgres_user} LOGIN PASSWORD '{POSTGRES_PASSWORD}' IN ROLE pg_monitor",
)
REDIS = redis_image("registry.local/redis:7", password=REDIS_PASSWORD)


def credentials(databases_authority: str = "") -> str:
    """The Secrets that dist/prod asks for, to apply.

    Args:
        databases_authority: The certificate of who signed that of Grafana's database; a foreign cluster has none.
    """
    receivers = {
        "webhook-url": f"https://{WEBHOOK.host}{WEBHOOK.path}",
        "heartbeat-url": f"https://{HEARTBEAT.host}{HEARTBEAT.path}",
        "slack-url": f"https://{SLACK.host}{SLACK.path}",
        "pagerduty-key": PAGERDUTY.routing_key,
        "smtp-password": MAILBOX.password,
    }
    databases = {"postgres-password": POSTGRES_PASSWORD, "redis-password": REDIS_PASSWORD}
    grafana = {
        "admin-password": GRAFANA_PASSWORD,
        "secret-key": GRAFANA_KEY,
        "postgres-password": SQL.password,
        "postgres-ca": databases_authority,
    }
    metrics = {"password": token_hex(16)}
    traces = {"opensearch-password": SEARCH.password}
    sign_in = {"client-secret": LOGIN.secret, "cookie-secret": COOKIE_SECRET}
    return yaml.safe_dump_all(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": PROD.namespace},
            "stringData": data,
        }
        for name, data in (
            (PROD.receivers_credentials, receivers),
            (PROD.databases_credentials, databases),
            (PROD.traces_credentials, traces),
            (PROD.grafana_credentials, grafana),
            (PROD.grafana_metrics_credentials, metrics),
            (PROD.sign_in_credentials, sign_in),
        )
    )
