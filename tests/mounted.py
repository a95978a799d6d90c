"""The files of a rendered pod's container, as the kubelet would mount them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.rendered import Document, Objects, template


def mounted(objects: Objects, workload: Document, root: Path, secrets: Mapping[str, Mapping[str, str]]) -> None:
    """Lay out the files of the first container below a directory that is `/` to it.

    Args:
        secrets: Name of each Secret -> its keys with their content.
    """
    pod = template(workload)["spec"]
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    for mount in pod["containers"][0]["volumeMounts"]:
        directory = root / mount["mountPath"].lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        # What a claim or an emptyDir holds is nothing at first.
        for path, content in _files(volumes.get(mount["name"], {}), objects, secrets):
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(content)


def environment(workload: Document, of_pod: Mapping[str, str]) -> dict[str, str]:
    """The variables of the first container.

    Args:
        of_pod: Each field of the pod that one may have as its value -> that value.
    """
    given = template(workload)["spec"]["containers"][0].get("env", [])
    return {
        each["name"]: each["value"] if "value" in each else of_pod[each["valueFrom"]["fieldRef"]["fieldPath"]]
        for each in given
    }


def _files(
    volume: Mapping[str, Any], objects: Objects, secrets: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    """The files of a volume, or of each of its sources."""
    for source in volume.get("projected", {"sources": [volume]})["sources"]:
        if config := source.get("configMap"):
            yield from _chosen(config, objects.named("ConfigMap", config["name"])["data"])
        if secret := source.get("secret"):
            yield from _chosen(secret, secrets[secret.get("secretName", secret.get("name"))])


def _chosen(source: Mapping[str, Any], keys: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    items = source.get("items") or [{"key": key, "path": key} for key in keys]
    return ((item["path"], keys[item["key"]]) for item in items)
