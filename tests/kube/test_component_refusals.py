"""A component: what is refused, and with which sentence."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import cdk8s
import pytest
from constructs import Construct

from constructs_lib.contract import Bucket, Port, Rights, Transport
from constructs_lib.errors import ConstructError
from constructs_lib.kube import (
    API_ACCESS,
    Component,
    ConfigMapFiles,
    Container,
    HostPath,
    Mount,
    Placement,
    Probe,
    SecretFiles,
    Stateful,
    Volume,
)
from constructs_lib.units import Bytes
from tests.kube.test_component import DNS
from tests.minimal import IMAGE, NAMESPACE, WEB, component, container, unrendered
from tests.rendered import rendered, text


@pytest.mark.parametrize("name", ["Pair", "", "p" * 53])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    """The limit is lower than that of a label, since revisions add to the name."""
    with pytest.raises(ConstructError, match="cannot be a component's name: use up to 52 lower-case letters"):
        component(unrendered(), name)


def test_a_component_without_pods_is_refused() -> None:
    """What is not wanted is left out."""
    with pytest.raises(ConstructError, match="there are 0 replicas: use 1 or more, or leave the construct out"):
        component(unrendered(), "pair", replicas=0)


def test_a_component_without_containers_is_refused() -> None:
    """Verbs may add them until rendering, and not later."""
    with pytest.raises(ConstructError, match="pair has no container: add one"):
        text(lambda chart: component(chart, "pair", containers=False))


def test_a_volume_for_a_container_that_is_not_there_is_refused() -> None:
    """Nobody would see it; the container may be added later."""

    def build(chart: Construct) -> None:
        component(chart, "pair").mount(Mount(source=SecretFiles("keys"), path="/keys"), into="helper")

    with pytest.raises(ConstructError, match="pair mounts a volume into the container 'helper', which it has not: add"):
        rendered(build)


def test_a_bucket_for_a_container_that_is_not_there_is_refused() -> None:
    """All others would be kept from the credentials, and nobody had them."""

    def build(chart: Construct) -> None:
        bucket = Bucket(name="logs", region="us-east-1")
        component(chart, "pair").use_bucket(bucket, rights=Rights.READ, containers=("program", "helper"))

    with pytest.raises(ConstructError, match="pair uses a bucket by the container 'helper', which it has not: add it"):
        rendered(build)


@pytest.mark.trap(61)
@pytest.mark.parametrize("where", ["containers", "init containers"])
def test_a_directory_of_the_node_is_refused_where_no_pod_may_have_one(where: str) -> None:
    """The API server would take the workload and refuse its pods."""

    def build(chart: Construct) -> None:
        ours = component(chart, "pair")
        reader = container("reader", ports=(), mounts=(Mount(source=HostPath("logs", "/var/log"), path="/logs"),))
        ours.add_container(reader) if where == "containers" else ours.add_init_container(reader)

    with pytest.raises(ConstructError, match=r"pair mounts /var/log of its node, but the namespace monitoring enforce"):
        rendered(build)


def test_the_same_container_may_be_added_twice() -> None:
    """Verbs are idempotent."""
    ours = rendered(lambda chart: component(chart, "pair").add_container(container()))
    assert len(ours.containers) == 1


def test_two_containers_of_a_name_are_refused() -> None:
    """The second one would be lost."""
    with pytest.raises(ConstructError, match="pair has two different containers 'program': rename one"):
        component(unrendered(), "pair").add_container(container(mounts=(API_ACCESS,)))


@pytest.mark.parametrize("taken", ["program", "before"])
def test_an_init_container_of_a_taken_name_is_refused(taken: str) -> None:
    """Containers of both kinds share the pod's names, and the first one would be lost."""
    pair = component(unrendered(), "pair")
    pair.add_init_container(container("before"))

    with pytest.raises(ConstructError, match=f"pair has two different containers '{taken}': rename one"):
        pair.add_init_container(container(taken, args=("--other",)))


def test_a_container_of_an_init_containers_name_is_refused() -> None:
    """Even an equal one: the pod would have the name twice."""
    pair = component(unrendered(), "pair")
    pair.add_init_container(container("before"))

    with pytest.raises(ConstructError, match="pair has two different containers 'before': rename one"):
        pair.add_container(container("before"))


@pytest.mark.parametrize("kind", ["startup", "readiness", "liveness"])
def test_an_init_container_with_a_probe_is_refused(kind: str) -> None:
    """The API server refuses it: it runs to its end, and nobody asks."""
    asking = container("before", **{kind: Probe(path="/", port=WEB, period=timedelta(seconds=1), failures=1)})

    with pytest.raises(ConstructError, match="pair has a probe on its init container 'before', which Kubernetes"):
        component(unrendered(), "pair").add_init_container(asking)


def test_a_door_that_only_an_init_container_opens_is_refused() -> None:
    """It is gone when the pod is ready."""

    def build(chart: Construct) -> None:
        pair = component(chart, "pair")
        pair.add_init_container(container("before", ports=(DNS,)))
        pair.endpoint(DNS)

    with pytest.raises(ConstructError, match="pair has the endpoint 'dns', but no container opens it: add the port"):
        rendered(build)


def test_a_volume_of_an_init_container_clashes_like_any_other() -> None:
    """The pod has one list of volumes."""

    def build(chart: Construct) -> None:
        pair = component(chart, "pair")
        pair.add_init_container(container("before", ports=()))
        for name, config_map in (("before", "one"), ("program", "other")):
            pair.mount(Mount(source=ConfigMapFiles("config", config_map), path="/etc/x"), into=name)

    with pytest.raises(ConstructError, match="pair has the volume 'config' in two containers, differently: rename one"):
        rendered(build)


def test_two_ports_of_a_name_are_refused() -> None:
    """A Service cannot have them; the same port twice is one."""
    pair = component(unrendered(), "pair")
    assert pair.endpoint(WEB) == pair.endpoint(WEB)
    with pytest.raises(ConstructError, match="pair has the port 'web' twice, 8080 and 81: rename one"):
        pair.endpoint(Port(name="web", number=81))


def test_two_different_volumes_of_a_name_are_refused() -> None:
    """One container would see the other's files; the same volume may be shared."""

    def mounting(name: str, config_map: str) -> Container:
        mount = Mount(source=ConfigMapFiles("config", config_map), path="/etc/x")
        return container(name, ports=(), mounts=(mount,))

    def build_with(config_map: str) -> Callable[[cdk8s.Chart], None]:
        def build(chart: cdk8s.Chart) -> None:
            pair = component(chart, "pair")
            pair.add_container(mounting("one", "files"))
            pair.add_container(mounting("two", config_map))

        return build

    assert len(rendered(build_with("files")).containers) == 3
    with pytest.raises(ConstructError, match="pair has the volume 'config' in two containers, differently: rename one"):
        text(build_with("others"))


@pytest.mark.parametrize(
    ("port", "clash"),
    [(replace(WEB, number=81), "'web'"), (replace(WEB, name="other"), "'8080/TCP'")],
)
def test_two_containers_cannot_open_the_same_port(port: Port, clash: str) -> None:
    """They share the pod's address; and a name must mean one port."""
    with pytest.raises(ConstructError, match=f"pair has the port {clash} in two containers, differently: rename one"):
        text(lambda chart: component(chart, "pair").add_container(container("two", ports=(port,))))


def test_the_same_number_by_udp_is_another_port() -> None:
    """A name server listens on both."""
    both = replace(WEB, name="web-udp", transport=Transport.UDP)
    ours = rendered(lambda chart: component(chart, "pair").add_container(container("two", ports=(both,))))
    assert len(ours.containers) == 2


def test_a_door_that_no_container_opens_is_refused() -> None:
    """The Service would lead nowhere, without any error."""
    with pytest.raises(ConstructError, match="pair has the endpoint 'dns', but no container opens it: add the port"):
        text(lambda chart: component(chart, "pair").endpoint(DNS))


def test_a_component_without_a_door_is_refused() -> None:
    """The API server refuses a Service without a port."""

    def build(chart: cdk8s.Chart) -> None:
        workload = Stateful(replicas=1, volume=Volume(Bytes.gib(1)), user=1000, stop_within=timedelta(minutes=1))
        Component(
            chart,
            "shut",
            namespace=NAMESPACE,
            name="shut",
            program="program",
            image=IMAGE,
            workload=workload,
            placement=Placement(),
        ).add_container(container())

    with pytest.raises(ConstructError, match="shut has no endpoint, so its Service would have no port: give it one"):
        text(build)


def test_two_components_of_a_name_in_a_namespace_are_refused() -> None:
    """One would overwrite the other when they are applied."""

    def clash(chart: cdk8s.Chart) -> None:
        for path in ("here", "there"):
            component(Construct(chart, path), "pair")

    with pytest.raises(ConstructError, match="pair"):
        text(clash)
