"""NetworkPolicies read as Kubernetes reads them: who may talk to whom, among the pods that were rendered together.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from constructs_lib.contract import NAMESPACE_NAME
from tests.rendered import Document, Objects, template


class Connection(NamedTuple):
    """One way between two workloads that a rule opens."""

    source: str
    target: str
    transport: str
    first: int
    last: int


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches all."""
    assert not (selector or {}).get("matchExpressions"), "no policy of ours uses expressions"
    return all(labels.get(name) == value for name, value in (selector or {}).get("matchLabels", {}).items())


def labels(workload: Document) -> Mapping[str, str]:
    found: Mapping[str, str] = template(workload)["metadata"]["labels"]
    return found


def called(workload: Document) -> str:
    return f"{workload['metadata']['namespace']}/{workload['metadata']['name']}"


def policies_of(objects: Objects, workload: Document) -> list[Document]:
    """The policies that hold for a workload's pods."""
    return [
        policy
        for policy in objects.of("NetworkPolicy")
        if policy["metadata"]["namespace"] == workload["metadata"]["namespace"]
        and selects(policy["spec"]["podSelector"], labels(workload))
    ]


def one_sided(objects: Objects) -> set[Connection]:
    """What only one side opens, where both are ours: no packet passes there."""
    return set(_opened(objects, "egress")) ^ set(_opened(objects, "ingress"))


def opened(objects: Objects, policy: str, direction: str, *, peer: str | None = None) -> set[int]:
    """The ports that a policy opens to pods of a program, or to addresses when none is named."""

    def meant(other: dict[str, Any]) -> bool:
        if peer is None:
            return "ipBlock" in other
        labels = other.get("podSelector", {}).get("matchLabels", {})
        return bool(labels.get("app.kubernetes.io/name") == peer)

    rules = objects.named("NetworkPolicy", policy)["spec"].get(direction, [])
    side = "to" if direction == "egress" else "from"
    return {port["port"] for rule in rules if any(meant(other) for other in rule[side]) for port in rule["ports"]}


def _opened(objects: Objects, direction: str) -> Iterator[Connection]:
    for workload in objects.workloads:
        for policy in policies_of(objects, workload):
            for rule in policy["spec"].get(direction) or ():
                for peer in rule["to" if direction == "egress" else "from"]:
                    for other in objects.workloads:
                        if not _is(objects, peer, policy, other):
                            continue
                        ends = (workload, other) if direction == "egress" else (other, workload)
                        for port in rule["ports"]:
                            first = port["port"]
                            last = port.get("endPort", first)
                            yield Connection(called(ends[0]), called(ends[1]), port["protocol"], first, last)


def _is(objects: Objects, peer: Mapping[str, Any], policy: Document, workload: Document) -> bool:
    if "ipBlock" in peer:
        return False
    namespace = workload["metadata"]["namespace"]
    if "namespaceSelector" in peer:
        declared = [each["metadata"] for each in objects.of("Namespace") if each["metadata"]["name"] == namespace]
        known = {NAMESPACE_NAME: namespace, **(declared[0].get("labels", {}) if declared else {})}
        return selects(peer["namespaceSelector"], known) and selects(peer.get("podSelector"), labels(workload))
    return bool(namespace == policy["metadata"]["namespace"] and selects(peer["podSelector"], labels(workload)))
