"""Credentials out of a store, where there is one: assembly only."""

from collections import defaultdict
from collections.abc import Iterator

import cdk8s

from apps.environment import Environment
from constructs_lib.contract import Namespace
from constructs_lib.kube import ClusterSecretStore, ExternalSecret, Remote
from constructs_lib.rds import PASSWORD


def external_secrets(chart: cdk8s.Chart, namespace: Namespace, values: Environment) -> None:
    """Have all Secrets made that components read, but those of registries; nothing where there is no store.

    The store has a secret for each, `<secret_store_prefix>/<Secret>`, with a property for each key; but the password of
    a database of the half in AWS is where that has put it.

    Args:
        chart: Where they stand.
        namespace: Of the pods that need them.
        values: What the site chose.
    Raises:
        ConstructError: a name that is none.
    """
    if not values.secret_store:
        return
    prefix = f"{values.secret_store_prefix.rstrip('/')}/" if values.secret_store_prefix else ""
    secrets: defaultdict[str, set[str]] = defaultdict(set)  # two settings may name one Secret
    for secret, key in _keys(values):
        secrets[secret].add(key)
    database = values.grafana_database
    made = {(values.grafana_credentials, "postgres-password"): Remote(database.secret, PASSWORD)} if database else {}
    for secret, keys in secrets.items():
        ExternalSecret(
            chart,
            f"external-secret-{secret}",
            namespace=namespace,
            name=secret,
            store=ClusterSecretStore(values.secret_store),
            keys={key: made.get((secret, key), Remote(f"{prefix}{secret}", key)) for key in keys},
        )


def _keys(values: Environment) -> Iterator[tuple[str, str]]:
    """Secret and key, of all that somebody is told to read: who is not there needs none, and would wait for it."""
    receivers, databases, people = (
        values.receivers_credentials,
        values.databases_credentials,
        values.grafana_credentials,
    )
    spans, sign_in = values.traces_credentials, values.sign_in_credentials
    traces_kept = values.tracing and values.traces_host
    signing_in = values.ingress and values.sign_in_issuer
    for secret, key, needed in (
        (receivers, "webhook-url", True),
        (receivers, "heartbeat-url", values.heartbeat_interval),
        (receivers, "pagerduty-key", values.pagerduty),
        (receivers, "slack-url", values.slack_channel or values.teams_slack_channel),
        (receivers, "smtp-password", values.email_to),
        (databases, "postgres-password", values.postgres_service),
        (databases, "redis-password", values.redis_service),
        (people, "admin-password", True),
        (people, "secret-key", True),
        (values.grafana_metrics_credentials, "password", values.ingress),
        (people, "postgres-password", values.grafana_postgres_host),
        (people, "postgres-ca", values.grafana_postgres_host and values.grafana_postgres_ca),
        (spans, "opensearch-password", traces_kept),
        (spans, "opensearch-ca", traces_kept and values.traces_ca),
        (sign_in, "client-secret", signing_in),
        (sign_in, "cookie-secret", signing_in),
    ):
        if needed:
            yield secret, key
