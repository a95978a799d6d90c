"""Objects whose body comes late, files for programs, and the entry that renders them."""

from pathlib import Path
from typing import Any

import cdk8s
import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.kube import ConfigMap, Manifest, synth
from tests.minimal import unrendered
from tests.rendered import Objects, rendered

LIMIT = 1024 * 1024


def manifest(chart: cdk8s.Chart, name: str, body: Any) -> Manifest:
    return Manifest(chart, name, api_version="apps/v1", kind="Deployment", name=name, labels={"a": "b"}, body=body)


def config_map(chart: cdk8s.Chart, name: str, text: str) -> ConfigMap:
    return ConfigMap(chart, name, name=name, namespace="shop", labels={"a": "b"}, files=lambda: {"f": text})


def refused_by(build: Any, directory: Path) -> None:
    app = cdk8s.App(outdir=str(directory))
    build(cdk8s.Chart(app, "chart"))
    synth(app)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """One chart with everything that these tests look at."""

    def build(chart: cdk8s.Chart) -> None:
        late: dict[str, Any] = {"replicas": 1}
        manifest(chart, "late", lambda: {"spec": late})
        late["replicas"] = 2
        replaced = manifest(chart, "replaced", lambda: {"spec": {"replicas": 1}})
        replaced.add_json_patch(cdk8s.JsonPatch.replace("/spec/replicas", 5))
        replaced.add_json_patch(cdk8s.JsonPatch.add("/metadata/annotations", {"x": "y"}))
        added = manifest(chart, "added", lambda: {"spec": {"replicas": 1}})
        added.add_json_patch(cdk8s.JsonPatch.add("/spec", {"paused": True}), cdk8s.JsonPatch.remove("/metadata/labels"))
        ConfigMap(
            chart,
            "files",
            name="files",
            namespace="shop",
            labels={"a": "b"},
            files=lambda: {"one.yaml": "a: ü\n", "two.ini": ""},
        )

    return rendered(build)


def test_a_body_is_computed_when_the_chart_is_rendered(objects: Objects) -> None:
    """What changed after the object was made is in it."""
    assert objects.named("Deployment", "late") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "late", "labels": {"a": "b"}},
        "spec": {"replicas": 2},
    }


def test_a_patch_replaces_what_the_body_says(objects: Objects) -> None:
    """Patches apply to the finished object, and add up."""
    patched = objects.named("Deployment", "replaced")
    assert patched["spec"] == {"replicas": 5}
    assert patched["metadata"]["annotations"] == {"x": "y"}


def test_a_patch_may_give_the_object_another_body(objects: Objects) -> None:
    """An added body is not lost under our own, and several operations may come at once."""
    patched = objects.named("Deployment", "added")
    assert patched["spec"] == {"paused": True}
    assert "labels" not in patched["metadata"]


def test_files_keep_their_names_and_their_texts(objects: Objects) -> None:
    """What programs read is what was written for them."""
    files = objects.only("ConfigMap")
    assert files["data"] == {"one.yaml": "a: ü\n", "two.ini": ""}
    assert files["metadata"] == {"name": "files", "namespace": "shop", "labels": {"a": "b"}}


def test_a_config_map_up_to_the_limit_is_accepted() -> None:
    """Exactly 1 MiB is written, names and quotes included; a byte more is not."""
    text = "x" * (LIMIT - len('{"f": ""}'))
    config_map(unrendered(), "large", text).check()
    with pytest.raises(ConstructError, match="the ConfigMap large would be 1024 KiB"):
        config_map(unrendered(), "large", text + "x").check()


def test_a_config_map_above_the_limit_is_refused(tmp_path: Path) -> None:
    """The API server would refuse it: the sentence names the object, its size and the limit."""
    with pytest.raises(ConstructError, match="the ConfigMap large would be 1024 KiB, the limit is 1024 KiB: put fewer"):
        refused_by(lambda chart: config_map(chart, "large", "x" * LIMIT), tmp_path)


def test_the_limit_counts_bytes_and_not_letters(tmp_path: Path) -> None:
    """A letter may be several bytes long."""
    with pytest.raises(ConstructError, match="the ConfigMap large would be 1200 KiB"):
        refused_by(lambda chart: config_map(chart, "large", "ü" * (600 * 1024)), tmp_path)


def test_a_refusal_arrives_as_it_is_and_nothing_is_written(tmp_path: Path) -> None:
    """From within the engine it would come as a RuntimeError, after some charts were written."""

    def refuse() -> Any:
        raise ConstructError("this cannot work")

    app = cdk8s.App(outdir=str(tmp_path / "out"))
    manifest(cdk8s.Chart(app, "a-sound-one"), "sound", dict)
    manifest(cdk8s.Chart(app, "b-refused-one"), "refused", refuse)
    with pytest.raises(ConstructError, match=r"\Athis cannot work\Z") as refusal:
        synth(app)
    assert type(refusal.value) is ConstructError
    assert not (tmp_path / "out").exists()


def test_two_objects_of_a_name_are_refused(tmp_path: Path) -> None:
    """One would overwrite the other when they are applied; in two namespaces they are two."""

    def twins(*namespaces: str) -> None:
        chart = cdk8s.Chart(app := cdk8s.App(outdir=str(tmp_path)), "chart")
        for path, namespace in enumerate(namespaces):
            ConfigMap(chart, str(path), name="twin", namespace=namespace, labels={}, files=dict)
        synth(app)

    twins("here", "there")
    with pytest.raises(ConstructError, match="there are 2 objects ConfigMap 'twin' in the namespace here: name each"):
        twins("here", "there", "here")


def test_a_refused_body_can_be_asked_for_without_the_engine() -> None:
    """`check` raises what rendering would raise."""
    ours = manifest(unrendered(), "ours", lambda: {"spec": 1 / 0})
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        ours.check()
