"""Volumes that AWS has made, as Kubernetes' own binder gives them: each to the claim that it is reserved for."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.apps.test_kube import assembled
from tests.apps.test_volumes import WANTED, deployed
from tests.cluster.waiting import wait
from tests.real.api_server import ApiServer, api_server, running
from tests.rendered import ROOT, Document, Objects

SOON = timedelta(seconds=60)
# Of the controllers, those that deal with volumes and claims.
BINDER = {
    "controllers": ",".join(
        f"persistentvolume{each}-controller" for each in ("-binder", "claim-protection", "-protection")
    ),
    "leader-elect": "false",
    "pvclaimbinder-sync-period": "1s",
    "secure-port": "0",
}
CLAIM = "data-prometheus-0"


@dataclass(frozen=True, slots=True)
class World:
    """An API server with the manifests of a site that has deployed its volumes, and with the claims of its pods.

    Args:
        objects: What is applied.
        claims: What StatefulSets claim for their pods, by name.
    """

    server: ApiServer
    objects: Objects
    claims: dict[str, Document]

    def claim(self, name: str) -> dict[str, Any]:
        """As it is now."""
        found: dict[str, Any] = json.loads(self.server.kubectl("-n", "monitoring", "get", "pvc", name, "-o", "json"))
        return found

    def apply(self) -> None:
        """What is reserved, as kustomize would, by the user's own command."""
        self.server.apply(*self.objects.of("PersistentVolume"))

    def bound(self, name: str) -> str:
        """The volume that a claim is given; empty while it is given none."""
        found = self.claim(name)
        return str(found["spec"]["volumeName"]) if found["status"].get("phase") == "Bound" else ""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Volumes first, and then the claims, as the StatefulSets make them."""
    objects = assembled(tmp_path_factory.mktemp("k8s"), deployed(tmp_path_factory.mktemp("aws"), WANTED))
    claims = {
        name: {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": each["metadata"]["namespace"]},
            "spec": template["spec"],
        }
        for each in objects.of("StatefulSet")
        for template in each["spec"]["volumeClaimTemplates"]
        for replica in range(each["spec"]["replicas"])
        for name in [f"{template['metadata']['name']}-{each['metadata']['name']}-{replica}"]
    }
    directory = tmp_path_factory.mktemp("server")
    with ExitStack() as stack:
        server = stack.enter_context(api_server(directory))
        options = {"kubeconfig": str(server.kubeconfig), **BINDER}
        stack.enter_context(running("kube-controller-manager", options, directory))
        server.apply(*objects.of("Namespace", "StorageClass"))
        world = World(server, objects, claims)
        world.apply()
        server.apply(*claims.values())
        yield world


def test_each_claim_is_given_the_volume_that_is_reserved_for_it(world: World) -> None:
    """All of them, before any pod is there; whatever the class would wait for."""
    for name in world.claims:
        assert wait(f"{name} has a volume", lambda name=name: world.bound(name), SOON) == f"monitoring-{name}"
    assert len(world.claims) == 9


def test_applied_again_nothing_changes(world: World) -> None:
    """Though the binder has written into what is reserved: no conflict, and each stays with its claim."""
    wait(f"{CLAIM} has a volume", lambda: world.bound(CLAIM), SOON)
    before = world.server.kubectl("get", "pv", "-o", "jsonpath={.items[*].spec.claimRef}")
    world.apply()
    assert world.server.kubectl("get", "pv", "-o", "jsonpath={.items[*].spec.claimRef}") == before
    assert world.bound(CLAIM) == f"monitoring-{CLAIM}"


def test_a_reserved_volume_is_not_changed_in_place(world: World) -> None:
    """Another id under its name is refused, so no claim is led to another disk in silence."""
    volume = world.objects.named("PersistentVolume", f"monitoring-{CLAIM}")
    spec = {**volume["spec"], "csi": {**volume["spec"]["csi"], "volumeHandle": "vol-1234abcd"}}
    with pytest.raises(AssertionError, match="is immutable after creation"):
        world.server.apply({**volume, "spec": spec})


def test_a_claim_that_was_deleted_has_its_volume_again_on_request_alone(world: World) -> None:
    """Neither a claim of the same name gets it, nor does applying help; the command of the page does."""
    volume = f"monitoring-{CLAIM}"
    wait(f"{CLAIM} has a volume", lambda: world.bound(CLAIM), SOON)
    world.server.kubectl("-n", "monitoring", "delete", "pvc", CLAIM)

    def phase() -> str:
        return world.server.kubectl("get", "pv", volume, "-o", "jsonpath={.status.phase}")

    wait(f"{volume} is nobody's", lambda: phase() == "Released", SOON)
    world.apply()
    world.server.apply(world.claims[CLAIM])
    events = f"--field-selector=involvedObject.name={CLAIM},reason=WaitForFirstConsumer"
    told = wait(
        f"{CLAIM} waits for its pod", lambda: world.server.kubectl("-n", "monitoring", "get", "events", events), SOON
    )
    assert "WaitForFirstConsumer" in told
    assert (phase(), world.bound(CLAIM)) == ("Released", "")

    page = (ROOT / "docs" / "operations.md").read_text()
    (patch,) = re.findall(rf"kubectl patch pv {volume} --type=json -p '(.*?)'", page)
    world.server.kubectl("patch", "pv", volume, "--type=json", "-p", patch)
    assert wait(f"{CLAIM} has its volume again", lambda: world.bound(CLAIM), SOON) == volume
