"""Secrets out of a store: what is asked for, whose keys they are, and what is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cdk8s
import pytest
from constructs import Construct

from constructs_lib.config.secret_stores import ClusterSecretStore, Remote, SecretStore
from constructs_lib.config.secrets import SecretKey
from constructs_lib.errors import ConstructError
from constructs_lib.kube.external_secret import ExternalSecret
from tests.minimal import NAMESPACE, unrendered
from tests.rendered import rendered

KEYS = {"secret-key": Remote("monitoring/grafana", "secret-key"), "admin-password": Remote("monitoring/admin")}


def made(scope: Construct, **more: Any) -> ExternalSecret:
    settings = {"namespace": NAMESPACE, "name": "grafana", "store": ClusterSecretStore("vault"), "keys": KEYS}
    return ExternalSecret(scope, "external-secret", **{**settings, **more})


def spec(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = rendered(lambda chart: made(chart, **more)).only("ExternalSecret")["spec"]
    return found


def test_the_secret_has_these_keys_out_of_the_store() -> None:
    """In an order that is not that of the code; the whole of what is there, or a property of it."""
    assert spec() == {
        "refreshInterval": "1h",
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"},
        "target": {"name": "grafana", "creationPolicy": "Owner", "deletionPolicy": "Retain"},
        "data": [
            {"secretKey": "admin-password", "remoteRef": {"key": "monitoring/admin"}},
            {"secretKey": "secret-key", "remoteRef": {"key": "monitoring/grafana", "property": "secret-key"}},
        ],
    }


def test_it_is_an_object_of_ours_in_the_namespace() -> None:
    """By the labels that all have, which the operator copies to the Secret."""
    found = rendered(made).only("ExternalSecret")
    assert found["apiVersion"] == "external-secrets.io/v1"
    assert found["metadata"] == {
        "name": "grafana",
        "namespace": "monitoring",
        "labels": {
            "app.kubernetes.io/name": "external-secret",
            "app.kubernetes.io/component": "external-secret",
            "app.kubernetes.io/instance": "grafana",
            "app.kubernetes.io/part-of": "monitoring",
            "app.kubernetes.io/managed-by": "constructs-lib",
        },
    }


def test_a_store_of_the_namespace_is_named_as_such() -> None:
    """The operator would look for the other kind in vain."""
    assert spec(store=SecretStore("own"))["secretStoreRef"] == {"kind": "SecretStore", "name": "own"}


@pytest.mark.parametrize(
    ("refresh", "spelled"),
    [(timedelta(minutes=1), "1m"), (timedelta(days=2), "48h"), (timedelta(minutes=90), "1h30m")],
    ids=str,
)
def test_the_store_is_asked_as_often_as_said(refresh: timedelta, spelled: str) -> None:
    """In Go's spelling, which knows no days."""
    assert spec(refresh=refresh)["refreshInterval"] == spelled


def test_its_keys_are_those_of_the_secret() -> None:
    """Whoever needs one gets the reference that all constructs take."""
    assert made(unrendered()).key("admin-password") == SecretKey("grafana", "admin-password")


def test_a_key_that_it_does_not_make_is_refused() -> None:
    """Pods would wait for it, or read nothing."""
    with pytest.raises(
        ConstructError, match=r"^the Secret grafana has no key 'password', but admin-password, secret-key: add it, or "
    ):
        made(unrendered()).key("password")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"keys": {}}, "the Secret grafana is to have no key: name one, or leave it out"),
        ({"keys": {"a b": Remote("x")}}, "'a b' cannot be a key of the Secret grafana: use letters"),
        ({"keys": {"": Remote("x")}}, "'' cannot be a key of the Secret grafana: use letters"),
        ({"name": "Grafana"}, "'Grafana' cannot be a Secret: use lower-case letters"),
        ({"name": ""}, "'' cannot be a Secret: use lower-case letters"),
        ({"name": "a" * 64}, "the name of the Secret a{64} has 64 characters, and a label has 63 at most: shorten it"),
        ({"refresh": timedelta(0)}, "the Secret grafana is refreshed every 0:00:00, which means once and no more"),
        ({"refresh": -timedelta(days=1)}, "the Secret grafana is refreshed every -1 day, 0:00:00, which means once"),
        ({"refresh": timedelta(seconds=59)}, "the Secret grafana is refreshed every 0:00:59, but files follow once"),
        ({"refresh": timedelta(minutes=1, microseconds=1)}, "a duration is 0:01:00.000001: use whole milliseconds"),
    ],
    ids=[
        *("no-key", "key-with-a-blank", "empty-key", "upper-case", "no-name", "long-name"),
        *("never", "before-now", "often", "microseconds"),
    ],
)
def test_what_cannot_work_is_refused(more: dict[str, Any], sentence: str) -> None:
    """At once, and in one sentence."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        made(unrendered(), **more)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: ClusterSecretStore(""), "'' cannot be a ClusterSecretStore: use lower-case letters"),
        (lambda: SecretStore("aws/eu"), "'aws/eu' cannot be a SecretStore: use lower-case letters"),
        (lambda: Remote(""), "'' cannot be a key of a store of secrets: use text without blanks around"),
        (lambda: Remote(" grafana"), "' grafana' cannot be a key of a store of secrets: use text"),
        (lambda: Remote("grafana", ""), "'' cannot be a property of a store of secrets: use text"),
        (lambda: Remote("grafana", "key\n"), r"'key\\n' cannot be a property of a store of secrets: use text"),
    ],
    ids=["no-name", "no-store", "no-key", "blank-key", "no-property", "blank-property"],
)
def test_a_reference_that_leads_nowhere_is_refused(build: Callable[[], object], sentence: str) -> None:
    """A Secret would be waited for that never comes."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        build()


def test_the_longest_name_is_a_label() -> None:
    """As long as one may be, with a dot inside, as Secrets have them."""

    def build(chart: cdk8s.Chart) -> None:
        made(chart, name="a" * 61 + ".b")

    assert len(rendered(build).only("ExternalSecret")["metadata"]["labels"]["app.kubernetes.io/instance"]) == 63
