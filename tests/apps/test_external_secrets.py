"""The Secrets out of a store: exactly what the pods of an environment read."""

import re
from collections.abc import Iterator, Mapping

import pytest
import yaml

from apps.environments import DEV, PROD, STAGING
from apps.external_secrets import external_secrets
from constructs_lib.errors import ConstructError
from tests.apps.test_kube import assembled
from tests.minimal import NAMESPACE, unrendered
from tests.rendered import DIST, ENVIRONMENTS, Document, Objects, read, rendered, template

ONE = "all-of-monitoring"
EVERYTHING = PROD.but(secret_store="vault", secret_store_prefix="monitoring/green", traces_ca=True)  # noqa: S106
OF_RDS = {
    "grafana_database_vpc": "vpc-0123456789abcdef0",
    "grafana_database_subnets": ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
    "grafana_database_clients": "sg-0123456789abcdef0",
}
SERVER_OF_RDS = "insurance-lead-gen-prod-monitoring-grafana.abcdef.us-east-1.rds.amazonaws.com"
# Each turns off what others have, so that every credential is needed by one and not by another, where that can be.
VALUES = {
    "everything": EVERYTHING,
    "staging": STAGING.but(secret_store="vault"),  # noqa: S106
    "dev": DEV.but(secret_store="vault"),  # noqa: S106
    "without-parts": EVERYTHING.but(
        slack_channel=None,
        redis_service=None,
        grafana_postgres_ca=False,
        grafana_backup=False,
        tracing=False,
        sign_in_issuer=None,
    ),
    "without-others": EVERYTHING.but(
        teams_slack_channel=None,
        postgres_service=None,
        grafana_postgres_host=None,
        grafana_backup=False,
        grafana_replicas=1,
        traces_host=None,
        jaeger_collectors=1,
        ingress=None,
        hosts_at=(),
    ),
    "database-of-rds": EVERYTHING.but(**OF_RDS, grafana_postgres_host=SERVER_OF_RDS),
    "in-one-secret": EVERYTHING.but(
        receivers_credentials=ONE,
        databases_credentials=ONE,
        grafana_credentials=ONE,
        traces_credentials=ONE,
        sign_in_credentials=ONE,
    ),
}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Objects]:
    """Each environment, with all its pods."""
    return {name: assembled(tmp_path_factory.mktemp("assembled"), values) for name, values in VALUES.items()}


def made(objects: Objects) -> set[tuple[str, str, str]]:
    """Namespace, Secret and key of what comes out of the store."""
    return {
        (each["metadata"]["namespace"], each["spec"]["target"]["name"], key["secretKey"])
        for each in objects.of("ExternalSecret")
        for key in each["spec"]["data"]
    }


def needed(objects: Objects) -> set[tuple[str, str, str]]:
    """The same of what a variable names, or anything by the path where the Secret is mounted."""
    found = set()
    text = yaml.safe_dump_all([dict(each) for each in objects.documents], width=10**9)
    for workload in objects.workloads:
        namespace, pod = workload["metadata"]["namespace"], template(workload)["spec"]
        mounted = {each["name"]: each["secret"]["secretName"] for each in pod.get("volumes", ()) if "secret" in each}
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            found |= {(namespace, *each) for each in variables(container)}
            for mount in container.get("volumeMounts", ()):
                if secret := mounted.get(mount["name"]):
                    keys = re.findall(rf"{re.escape(mount['mountPath'])}/([-\w.]+)", text)
                    assert keys, f"{workload['metadata']['name']} mounts {secret}, but reads nothing of it"
                    found |= {(namespace, secret, key) for key in keys}
    return found


def variables(container: Document) -> Iterator[tuple[str, str]]:
    for each in container.get("env", ()):
        if reference := each.get("valueFrom", {}).get("secretKeyRef"):
            yield reference["name"], reference["key"]


@pytest.mark.parametrize("name", VALUES)
def test_every_secret_has_the_keys_that_are_read_and_no_others(stacks: Mapping[str, Objects], name: str) -> None:
    """Pods wait for a key that is missing; one too many, which the store has not, keeps all others from coming."""
    assert made(stacks[name]) == needed(stacks[name])


@pytest.mark.parametrize("name", VALUES)
def test_no_secret_comes_into_a_pod_by_another_way(stacks: Mapping[str, Objects], name: str) -> None:
    """Else the comparison would overlook it."""
    volumes = [each for pod in stacks[name].workloads for each in template(pod)["spec"].get("volumes", ())]
    parts = [part for each in volumes for part in each.get("projected", {}).get("sources", ())]
    assert not [part for part in parts if "secret" in part]
    assert not [each for each in stacks[name].containers if "envFrom" in each]


def test_the_values_need_each_credential_here_and_not_there(stacks: Mapping[str, Objects]) -> None:
    """So that the comparison sees each both made and left out, but for those that nobody is without."""
    apart = [made(objects) for name, objects in stacks.items() if name != "in-one-secret"]
    assert {(secret, key) for _, secret, key in set.intersection(*apart)} == {
        ("alertmanager-receivers", "webhook-url"),
        ("grafana", "admin-password"),
        ("grafana", "secret-key"),
    }
    assert len(set.union(*apart)) == 16


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        ("monitoring/prod", "monitoring/prod/grafana"),
        ("/monitoring/prod/", "/monitoring/prod/grafana"),
        ("", "grafana"),
    ],
    ids=["a-prefix", "slashes-around", "none"],
)
def test_the_store_has_a_secret_for_each_with_a_property_for_each_key(prefix: str, key: str) -> None:
    """Under the prefix, where there is one; a slash before it is part of some stores' names."""
    values = PROD.but(secret_store="vault", secret_store_prefix=prefix)  # noqa: S106
    grafana = rendered(lambda chart: external_secrets(chart, NAMESPACE, values)).named("ExternalSecret", "grafana")
    assert grafana["spec"]["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "vault"}
    assert [each["remoteRef"] for each in grafana["spec"]["data"]] == [
        {"key": key, "property": name} for name in ("admin-password", "postgres-ca", "postgres-password", "secret-key")
    ]


def test_the_password_of_a_database_of_rds_is_where_the_other_half_has_put_it() -> None:
    """In a secret of its own, whatever the prefix of those that people make."""
    values = EVERYTHING.but(**OF_RDS, cluster="blue", namespace="watching")
    grafana = rendered(lambda chart: external_secrets(chart, NAMESPACE, values)).named("ExternalSecret", "grafana")
    assert {each["secretKey"]: tuple(each["remoteRef"].values()) for each in grafana["spec"]["data"]} == {
        "admin-password": ("monitoring/green/grafana", "admin-password"),
        "postgres-ca": ("monitoring/green/grafana", "postgres-ca"),
        "postgres-password": ("blue/watching/grafana-postgres", "password"),
        "secret-key": ("monitoring/green/grafana", "secret-key"),
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_without_a_store_nothing_is_made(environment: str) -> None:
    """Somebody makes the Secrets by hand then; a cluster without the operator would refuse these objects."""
    assert not read(DIST / environment).of("ExternalSecret")


def test_a_store_that_is_none_is_refused() -> None:
    """The operator would look for it in vain."""
    with pytest.raises(ConstructError, match=r"^'aws/eu' cannot be a ClusterSecretStore: use lower-case letters"):
        external_secrets(unrendered(), NAMESPACE, PROD.but(secret_store="aws/eu"))  # noqa: S106
