"""What a pod is made of, field by field."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.contract import Port, Transport
from constructs_lib.errors import ConstructError
from constructs_lib.kube import (
    API_ACCESS,
    Claimed,
    ConfigMapFiles,
    FieldOfPod,
    Mount,
    Placement,
    Probe,
    Resources,
    SecretFiles,
)
from constructs_lib.kube.volumes import VolumeSource
from constructs_lib.units import Bytes, Cpu
from tests.minimal import CLUSTER, IMAGE, SMALL, WEB, container

DNS = Port(name="dns", number=53, transport=Transport.UDP)
PROBE = Probe(path="/ready", port=WEB, period=timedelta(seconds=5), failures=3)


def test_limits_follow_from_what_is_promised() -> None:
    """Limits are multiples of requests."""
    assert Resources(cpu=Cpu(250), memory=Bytes.gib(1), cpu_burst=2, memory_headroom=3).to_dict() == {
        "requests": {"cpu": "250m", "memory": "1Gi"},
        "limits": {"cpu": "500m", "memory": "3Gi"},
    }


@pytest.mark.parametrize("field", ["cpu_burst", "memory_headroom"])
def test_limits_below_what_is_promised_are_refused(field: str) -> None:
    """The API server refuses a limit below the request."""
    settings: dict[str, Any] = {field: 0.99}
    with pytest.raises(ConstructError, match=f"{field} is 0.99, which puts the limit below the request: use 1 or more"):
        Resources(cpu=Cpu(1), memory=Bytes.mib(1), **settings)


def test_limits_may_be_what_is_promised() -> None:
    """Nothing beyond, and nothing below."""
    exact = Resources(cpu=Cpu(250), memory=Bytes.gib(1), cpu_burst=1, memory_headroom=1).to_dict()
    assert exact["limits"] == exact["requests"]


def test_a_probe_asks_a_named_port() -> None:
    """Seconds are whole numbers, the timeout has a default."""
    assert PROBE.to_dict() == {
        "httpGet": {"path": "/ready", "port": "web", "scheme": "HTTP"},
        "periodSeconds": 5,
        "timeoutSeconds": 3,
        "failureThreshold": 3,
    }


def test_a_container_can_do_nothing_but_its_work() -> None:
    """No escalation, no capability, no writing outside of mounts."""
    assert container().to_dict(CLUSTER)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_bare_container_says_no_more_than_it_must() -> None:
    """Nothing empty is written."""
    assert set(container(ports=()).to_dict(CLUSTER)) == {"name", "image", "resources", "securityContext"}


def test_a_container_is_written_with_all_that_it_has() -> None:
    """Ports keep their protocol, variables hold fields of the pod, each probe has its place."""
    written = container(
        command=("/bin/other",),
        args=("--a", "--b"),
        ports=(WEB, DNS),
        environment={"POD_NAME": FieldOfPod("metadata.name")},
        startup=PROBE,
        readiness=PROBE,
        liveness=PROBE,
    ).to_dict(CLUSTER)
    assert written["name"] == "program"
    assert written["command"] == ["/bin/other"]
    assert written["args"] == ["--a", "--b"]
    assert written["ports"] == [
        {"name": "web", "containerPort": 8080, "protocol": "TCP"},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
    ]
    assert written["env"] == [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}
    ]
    assert written["startupProbe"] == written["readinessProbe"] == written["livenessProbe"] == PROBE.to_dict()
    assert written["resources"] == SMALL.to_dict()


def test_images_come_from_the_mirror_where_there_is_one() -> None:
    """The cluster's registry replaces the image's own."""
    assert container().to_dict(CLUSTER)["image"] == IMAGE.reference()
    assert (
        container().to_dict(replace(CLUSTER, registry="mirror.example.com"))["image"]
        == "mirror.example.com/team/program:1.2.3"
    )


@pytest.mark.trap(16)
def test_files_of_a_config_map_are_mounted_as_a_directory() -> None:
    """A mount has no subPath, under which a change would never arrive."""
    mount = Mount(source=ConfigMapFiles("config", "files"), path="/etc/program")
    assert mount.to_dict() == {"name": "config", "mountPath": "/etc/program", "readOnly": True}
    assert mount.source.to_dict() == {"name": "config", "configMap": {"name": "files"}}


def test_a_claimed_volume_comes_from_the_workload() -> None:
    """The pod declares no volume for it, and may write there when it says so."""
    mount = Mount(source=Claimed(), path="/data", read_only=False)
    assert mount.to_dict() == {"name": "data", "mountPath": "/data"}
    assert mount.source.to_dict() is None


def test_a_mount_may_be_one_directory_of_a_volume() -> None:
    """Two containers that share a volume need not see each other's directories."""
    mount = Mount(source=Claimed(), path="/rules", sub_path="rules")

    assert mount.to_dict() == {"name": "data", "mountPath": "/rules", "subPath": "rules", "readOnly": True}


@pytest.mark.trap(16)
@pytest.mark.parametrize(
    ("source", "volume"),
    [
        (ConfigMapFiles("config", "files"), "config"),
        (SecretFiles("keys"), "secret-keys"),
        (API_ACCESS.source, "api-access"),
    ],
)
def test_a_part_of_files_that_change_is_refused(source: VolumeSource, volume: str) -> None:
    """The kubelet brings a whole volume up to date, and never a part that is mounted by itself."""
    with pytest.raises(
        ConstructError,
        match=f"the mount at /etc/x takes 'x.yaml' alone out of {volume}, and would never see a change: leave sub_path",
    ):
        Mount(source=source, path="/etc/x", sub_path="x.yaml")


def test_access_to_the_api_is_a_token_that_is_renewed() -> None:
    """Token and authority stand where clients look for them."""
    volume = API_ACCESS.source.to_dict()
    assert API_ACCESS.to_dict()["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert volume is not None
    token, authority = volume["projected"]["sources"]
    assert token == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
    assert authority["configMap"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]


def test_placement_says_on_which_nodes() -> None:
    """Labels of nodes, taints that do not matter, and who gives way."""
    assert Placement().to_dict() == {}
    assert Placement(
        node_labels=(("disk", "fast"),), tolerations=(("dedicated", "NoSchedule"),), priority_class="high"
    ).to_dict() == {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "high",
    }
