"""The real External Secrets Operator, by what is rendered: Secrets are as the store has them, or there are none.

Its store is one whose values stand in its own manifest; that of a site is another, and the rest is the same. The
newest release cannot be built from modules alone, so an older one runs, and the newest schema that there is reads
what is rendered.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import cdk8s
import pytest

from apps.environments import PROD
from apps.external_secrets import external_secrets
from constructs_lib.config.secret_stores import ClusterSecretStore, Remote, SecretStore
from constructs_lib.kube.external_secret import ExternalSecret
from tests.cluster.waiting import wait
from tests.minimal import NAMESPACE
from tests.real.api_server import ApiServer, api_server, running, sources
from tests.real.loopback import free_port, soon
from tests.rendered import Document, rendered

OPERATOR, NEWEST = "github.com/external-secrets/external-secrets", "v1.3.2"
STORE, OWN = ClusterSecretStore("everywhere"), SecretStore("own")
VALUES = PROD.but(secret_store=STORE.name, secret_store_prefix="monitoring/prod", traces_ca=True)  # noqa: S106
SOON = timedelta(seconds=30)
# The shortest that is accepted, and time to be asked in.
REFRESH, REFRESHED = timedelta(minutes=1), timedelta(seconds=90)
BEFORE = {"changing": json.dumps({"part": "1"}), "going": "here"}
AFTER = {"changing": json.dumps({"part": "2"})}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"


def build(chart: cdk8s.Chart) -> None:
    """All Secrets of an environment, and some of which the store has not everything."""
    external_secrets(chart, NAMESPACE, VALUES)
    for name, store, keys in (
        ("changing", STORE, {"whole": Remote("changing"), "part": Remote("changing", "part")}),
        ("half-there", STORE, {"there": Remote("changing"), "missing": Remote("nowhere")}),
        ("half-a-property", STORE, {"there": Remote("changing"), "missing": Remote("changing", "nowhere")}),
        ("going", STORE, {"stays": Remote("changing", "part"), "goes": Remote("going")}),
        ("taken-over", OWN, {"key": Remote("own")}),
        ("of-nobody", SecretStore("nobodys"), {"key": Remote("own")}),
        ("a" * 61 + ".b", OWN, {"key": Remote("own")}),
    ):
        ExternalSecret(chart, name, namespace=NAMESPACE, name=name, store=store, keys=keys, refresh=REFRESH)


def wanted(documents: list[Document]) -> dict[str, dict[str, str]]:
    """Secret -> its keys with values that are nobody else's, for all Secrets of the environment."""
    return {
        each["spec"]["target"]["name"]: {
            key["secretKey"]: f"{each['metadata']['name']}, {key['secretKey']}: {CERTIFICATE}"
            for key in each["spec"]["data"]
        }
        for each in documents
        if each["spec"]["data"][0]["remoteRef"]["key"].startswith("monitoring/prod/")
    }


def store(kind: str, name: str, values: Mapping[str, str]) -> Document:
    """A store with these values."""
    data = [{"key": key, "value": value} for key, value in values.items()]
    namespace = {"namespace": NAMESPACE.name} if kind == "SecretStore" else {}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": kind,
        "metadata": {"name": name, **namespace},
        "spec": {"provider": {"fake": {"data": data}}},
    }


@dataclass(frozen=True, slots=True)
class World:
    """The API server, the operator's Secrets, and what the store has.

    Args:
        wanted: Secret of the environment -> its keys with their values.
    """

    server: ApiServer
    wanted: Mapping[str, Mapping[str, str]]

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object, or nothing where there is none."""
        text = self.server.kubectl("get", kind, name, "-n", NAMESPACE.name, "-o", "json", "--ignore-not-found")
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def secret(self, name: str) -> dict[str, str]:
        """The keys of a Secret with their values."""
        return {key: b64decode(value).decode() for key, value in self.get("secret", name)["data"].items()}

    def ready(self, name: str) -> str:
        """What the operator says of a Secret: True or False, and why."""
        conditions = self.get("externalsecret", name)["status"]["conditions"]
        (found,) = (each for each in conditions if each["type"] == "Ready")
        return f"{found['status']}: {found['message']}"

    def store(self, **more: str) -> None:
        """Have the store hold what the environment needs, and more."""
        remote = {f"monitoring/prod/{name}": json.dumps(keys) for name, keys in self.wanted.items()}
        self.server.apply(store("ClusterSecretStore", STORE.name, {**remote, **more}))


def define(server: ApiServer, module: str) -> None:
    """The operator's kinds, as far as it asks for them here."""
    kinds = sources("external-secrets", module) / "config/crds/bases"
    states = kinds / "generators.external-secrets.io_generatorstates.yaml"
    server.define([*sorted(kinds.glob("external-secrets.io_*.yaml")), states])
    server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE.name}})


def by_hand(name: str, keys: Mapping[str, str]) -> Document:
    metadata = {"name": name, "namespace": NAMESPACE.name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(keys)}


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(rendered(build).documents)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, documents: list[Document]) -> Iterator[World]:
    """Everything applied, and looked at by the operator."""
    directory, metrics = tmp_path_factory.mktemp("external-secrets"), free_port()
    options = {
        "metrics-addr": f"127.0.0.1:{metrics}",
        "enable-cluster-external-secret-reconciler": "false",
        "enable-cluster-push-secret-reconciler": "false",
        "enable-push-secret-reconciler": "false",
    }
    with ExitStack() as stack:
        server = stack.enter_context(api_server(directory))
        define(server, OPERATOR)
        found = World(server, wanted(documents))
        found.store(**BEFORE)
        server.apply(
            store("SecretStore", OWN.name, {"own": "ours"}), by_hand("taken-over", {"key": "old", "more": "x"})
        )
        server.apply(*documents)
        stack.enter_context(running("external-secrets", options, directory, {"KUBECONFIG": str(server.kubeconfig)}))
        soon(f"http://127.0.0.1:{metrics}/metrics")
        for each in documents:
            name = each["metadata"]["name"]
            wait(f"{name} was looked at", lambda name=name: found.ready(name), SOON)  # type: ignore[misc]
        yield found


@pytest.fixture(scope="module")
def changed(world: World) -> World:
    """The store has another value, and lacks one that was there."""
    assert world.secret("going") == {"stays": "1", "goes": "here"}
    world.store(**AFTER)
    return world


def test_every_secret_of_an_environment_is_as_the_store_has_it(world: World) -> None:
    """These keys with these values, whatever is in them, and no others."""
    people = {"grafana", "grafana-metrics", "sign-in"}
    assert world.wanted.keys() == {"alertmanager-receivers", "database-monitoring", "tracing", *people}
    for name, keys in world.wanted.items():
        assert world.ready(name).startswith("True"), name
        assert world.secret(name) == keys


def test_a_secret_goes_with_its_object_and_bears_our_labels(world: World) -> None:
    """The object owns it, so that Kubernetes takes it away with it."""
    metadata = world.get("secret", "grafana")["metadata"]
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ExternalSecret", "grafana", True)
    assert metadata["labels"].items() >= world.get("externalsecret", "grafana")["metadata"]["labels"].items()


@pytest.mark.parametrize("name", ["half-there", "half-a-property", "of-nobody"])
def test_where_something_is_missing_there_is_no_secret(world: World, name: str) -> None:
    """Not half of one either, which pods would start with."""
    assert world.ready(name).startswith("False")
    assert not world.get("secret", name)


def test_a_secret_made_by_hand_is_taken_over(world: World) -> None:
    """With what the store has, and without what it is not asked for."""
    assert world.secret("taken-over") == {"key": "ours"}


def test_the_longest_name_that_is_accepted_is_made(world: World) -> None:
    """The operator writes it into labels and into the name of who manages the Secret, each of which has a limit."""
    assert world.secret("a" * 61 + ".b") == {"key": "ours"}


def test_a_changed_value_arrives(changed: World) -> None:
    """Once the store is asked again, in the whole of it and in its part."""
    wait(
        "the Secret has the new value",
        lambda: changed.secret("changing") == {"whole": AFTER["changing"], "part": "2"},
        REFRESHED,
    )


def test_what_is_gone_from_the_store_stays_as_it_was(changed: World) -> None:
    """All keys of that Secret, also those that changed meanwhile; and it is said."""
    wait("the operator misses it", lambda: changed.ready("going").startswith("False"), REFRESHED)
    assert changed.secret("going") == {"stays": "1", "goes": "here"}


def test_the_newest_schema_accepts_what_is_rendered(tmp_path: Path, documents: list[Document]) -> None:
    """And knows each of its fields."""
    with api_server(tmp_path) as server:
        define(server, f"{OPERATOR}@{NEWEST}")
        server.apply(*documents)
