"""PrometheusHA: what every server runs with, and what one or two of them have."""

from dataclasses import replace
from typing import Any

import pytest

from constructs_lib import versions
from constructs_lib.image import Image
from tests.kube.pair import build
from tests.minimal import CLUSTER, NAMESPACE, container, prometheus
from tests.rendered import Objects, rendered


@pytest.fixture(scope="module")
def objects() -> Objects:
    """A pair with every verb and a component that it scrapes, and a single server without any."""
    return rendered(build)


def server(objects: Objects, name: str = "pair") -> dict[str, Any]:
    (found,) = objects.named("StatefulSet", name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_two_of_them_share_a_namespace(objects: Objects) -> None:
    """Selectors match their own pods alone, and no two objects have the same name."""
    pair, single = (objects.named("StatefulSet", name)["spec"] for name in ("pair", "single"))
    for one, other in ((pair, single), (single, pair)):
        selector = one["selector"]["matchLabels"].items()
        assert selector <= one["template"]["metadata"]["labels"].items()
        assert not selector <= other["template"]["metadata"]["labels"].items()
    names = [(each["kind"], each["metadata"]["name"]) for each in objects.documents]
    assert len(names) == len(set(names))


def test_a_single_server_has_nothing_that_needs_two(objects: Objects) -> None:
    """The pair has a budget and is spread, the single one neither."""
    assert [each["metadata"]["name"] for each in objects.of("PodDisruptionBudget")] == ["program", "pair"]
    assert objects.named("StatefulSet", "pair")["spec"]["replicas"] == 2


@pytest.mark.trap(1)
def test_servers_differ_in_the_replica_label(objects: Objects) -> None:
    """The label is the pod's name, by a variable that the pod really has."""
    labels = objects.file("pair-config", "prometheus.yml")["global"]["external_labels"]
    assert labels == {"cluster": "blue", "environment": "test", "replica": "${POD_NAME}"}
    (variable,) = server(objects)["env"]
    assert variable["name"] == "POD_NAME"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


@pytest.mark.trap(4)
def test_a_server_that_replays_its_log_is_left_in_peace(objects: Objects) -> None:
    """Liveness asks what is true during the replay, and begins after a quarter of an hour of starting."""
    ours = server(objects)
    paths = {name: ours[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/-/ready", "readinessProbe": "/-/ready", "livenessProbe": "/-/healthy"}
    assert ours["startupProbe"]["periodSeconds"] * ours["startupProbe"]["failureThreshold"] == 15 * 60


@pytest.mark.trap(6)
def test_a_server_has_ten_minutes_to_stop(objects: Objects) -> None:
    """A kill in the middle of it would mean a replay."""
    assert objects.named("StatefulSet", "pair")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 600


@pytest.mark.trap(7)
def test_the_size_limit_follows_from_the_volume(objects: Objects) -> None:
    """What was chosen is a share, so that a larger volume takes its limit along."""
    retention = objects.file("pair-config", "prometheus.yml")["storage"]["tsdb"]["retention"]
    assert retention == {"time": "30d", "size": "25GB"}
    (claim,) = objects.named("StatefulSet", "pair")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"


def test_a_cluster_may_run_a_version_of_its_own() -> None:
    """Its image replaces the shipped one, and the label tells the version that runs."""
    own = Image(registry="quay.io", repository="prometheus/prometheus", tag="v3.13.4")
    namespace = replace(NAMESPACE, cluster=replace(CLUSTER, images=(own,)))
    ours = rendered(lambda chart: prometheus(chart, namespace=namespace))
    assert [each["image"] for each in ours.containers] == ["quay.io/prometheus/prometheus:v3.13.4"]
    assert ours.only("StatefulSet")["metadata"]["labels"]["app.kubernetes.io/version"] == "v3.13.4"


@pytest.mark.trap(16)
def test_changed_files_reach_the_server_without_a_restart(objects: Objects) -> None:
    """Whole directories are mounted, the server looks at them by itself, and the pod template knows no content."""
    mounts = server(objects)["volumeMounts"]
    assert not [mount for mount in mounts if "subPath" in mount]
    assert {"--config.auto-reload", "--config.auto-reload-interval=30s"} <= set(server(objects)["args"])
    assert not objects.named("StatefulSet", "pair")["spec"]["template"]["metadata"].get("annotations")


@pytest.mark.trap(17)
def test_the_image_and_the_owner_of_its_files_belong_together(objects: Objects) -> None:
    """The id is that of the image's own user; the variant without a shell has another one."""
    security = objects.named("StatefulSet", "pair")["spec"]["template"]["spec"]["securityContext"]
    assert (security["runAsUser"], security["fsGroup"]) == (65534, 65534)
    assert server(objects)["image"] == versions.PROMETHEUS.reference()
    assert "distroless" not in server(objects)["image"]


@pytest.mark.trap(18)
def test_a_graph_stays_with_one_server(objects: Objects) -> None:
    """Two servers hold slightly different samples."""
    assert objects.named("Service", "pair")["spec"]["sessionAffinity"] == "ClientIP"


@pytest.mark.trap(19)
def test_a_server_writes_to_its_volume_alone(objects: Objects) -> None:
    """The root is read-only, the database is on the claimed volume, and no other mount can be written to."""
    ours = server(objects)
    assert ours["securityContext"]["readOnlyRootFilesystem"] is True
    assert [m["name"] for m in ours["volumeMounts"] if not m.get("readOnly")] == ["data"]
    (data,) = (m["mountPath"] for m in ours["volumeMounts"] if m["name"] == "data")
    assert f"--storage.tsdb.path={data}/tsdb" in ours["args"]


@pytest.mark.trap(20)
def test_exemplars_are_kept(objects: Objects) -> None:
    """Without the feature, Prometheus drops them in silence."""
    assert "--enable-feature=exemplar-storage" in server(objects)["args"]
    assert "--web.external-url=https://prometheus.example.com" in server(objects)["args"]


def test_a_container_may_join_the_servers_later() -> None:
    """The component of the construct is open for what other constructs add."""
    ours = rendered(lambda chart: prometheus(chart).add_container(container("helper", ports=())))
    assert [each["name"] for each in ours.containers] == ["prometheus", "helper"]
