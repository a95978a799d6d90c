"""Kubernetes objects whose body is known only when the chart is rendered, and the entry that renders them."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import cdk8s
from constructs import Construct

from constructs_lib.contract import COMPONENT, INSTANCE, MANAGED_BY, NAME, PART_OF
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

Body = Callable[[], Mapping[str, Any]]
# The API server's limit of one object's data: https://kubernetes.io/docs/concepts/configuration/configmap/
CONFIG_MAP_LIMIT = Bytes.mib(1)


class Manifest(cdk8s.ApiObject):
    """A Kubernetes object whose body is computed when the chart is rendered, so that verbs may come in any order.

    JSON patches apply to the finished object, body included.

    Args:
        api_version: Such as `apps/v1`.
        kind: Such as `StatefulSet`.
        name: Of the object.
        namespace: None for cluster-scoped objects.
        labels: Of the object.
        body: Everything below `metadata`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        labels: Mapping[str, str],
        body: Body,
    ) -> None:
        self._body = body
        self.identity = (kind, namespace, name)
        self._checked: Mapping[str, Any] | None = None
        self._patches: list[cdk8s.JsonPatch] = []
        metadata = cdk8s.ApiObjectMetadata(name=name, namespace=namespace, labels=dict(labels))
        super().__init__(scope, id, api_version=api_version, kind=kind, metadata=metadata)

    def check(self) -> None:
        """Raise what rendering would raise, but as it is: from within the engine it arrives as a RuntimeError."""
        self._checked = self._body()  # which is rendered next: computing it again would be a third of the cost

    def add_json_patch(self, *ops: cdk8s.JsonPatch) -> None:
        """Change the finished object: https://cdk8s.io/docs/latest/basics/escape-hatches/"""
        self._patches.extend(ops)

    def to_json(self) -> Any:
        body, self._checked = self._checked or self._body(), None
        document = {**super().to_json(), **body}
        return cdk8s.JsonPatch.apply(document, *self._patches) if self._patches else document


class ConfigMap(Manifest):
    """Files for a program, each written when the chart is rendered.

    Args:
        name: Of the object; pods mount it by this name, so that it never bears a hash.
        files: By name, the text of each file, which `constructs_lib.config` writes from data.
    Raises:
        ConstructError: when rendered, data above 1 MiB, which the API server refuses.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        namespace: str,
        labels: Mapping[str, str],
        files: Callable[[], Mapping[str, str]],
    ) -> None:
        self.files = files

        def body() -> Mapping[str, Any]:
            data = dict(files())
            size = Bytes(len(json.dumps(data, ensure_ascii=False).encode()))
            if size > CONFIG_MAP_LIMIT:
                raise ConstructError(
                    f"the ConfigMap {name} would be {size.count / 1024:.0f} KiB, the limit is "
                    f"{CONFIG_MAP_LIMIT.count // 1024} KiB: put fewer rules or jobs into it"
                )
            return {"data": data}

        super().__init__(
            scope, id, api_version="v1", kind="ConfigMap", name=name, namespace=namespace, labels=labels, body=body
        )


def synth(app: cdk8s.App) -> None:
    """Render an app; what cannot work is refused before anything is written.

    Raises:
        ConstructError: the sentence of the construct that refuses.
    """
    objects = [construct for construct in app.node.find_all() if isinstance(construct, cdk8s.ApiObject)]
    for (kind, namespace, name), count in Counter(_identity(each) for each in objects).items():
        if count > 1:
            place = f" in the namespace {namespace}" if namespace else ""
            raise ConstructError(f"there are {count} objects {kind} {name!r}{place}: name each component apart")
    for each in objects:
        if isinstance(each, Manifest):
            each.check()
    app.synth()


def _identity(each: cdk8s.ApiObject) -> tuple[str, str | None, str]:
    """Kind, namespace and name: each question to an object of the engine costs, ours knows."""
    return each.identity if isinstance(each, Manifest) else (each.kind, each.metadata.namespace, each.name)


def labels_without_pods(kind: str, name: str) -> dict[str, str]:
    """The labels of an object that belongs to no component's pods.

    Args:
        kind: What it is.
        name: Of those that were made together.
    """
    return {NAME: kind, COMPONENT: kind, INSTANCE: name, PART_OF: "monitoring", MANAGED_BY: "constructs-lib"}
