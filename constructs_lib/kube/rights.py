"""What a component may ask of the API server: a role that holds exactly that, and its binding.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cdk8s_plus_27 import k8s

from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import Manifest

RBAC = "rbac.authorization.k8s.io"
Rules = list[dict[str, Any]]


def to_watch(resources: Iterable[tuple[str, str]]) -> Rules:
    """The right to list and watch.

    Args:
        resources: Pairs of API group and resource.
    """
    wanted = set(resources)
    return [
        {
            "apiGroups": [group],
            "resources": sorted(resource for other, resource in wanted if other == group),
            "verbs": ["list", "watch"],
        }
        for group in sorted({group for group, _ in wanted})
    ]


def grant(component: Component, rules: Callable[[], Rules]) -> None:
    """Give a component rights in its own namespace.

    Args:
        component: Whose service account gets them.
        rules: Asked when the chart is rendered.
    """
    metadata = k8s.ObjectMeta(name=component.name, namespace=component.namespace.name, labels=dict(component.labels))
    k8s.KubeRoleBinding(
        component,
        "role-binding",
        metadata=metadata,
        role_ref=k8s.RoleRef(api_group=RBAC, kind="Role", name=component.name),
        subjects=[_account(component)],
    )
    _role(component, "role", "Role", component.name, rules)


def grant_everywhere(component: Component, rules: Callable[[], Rules], *, purpose: str = "") -> None:
    """Give a component rights in the whole cluster.

    Args:
        component: Whose service account gets them.
        rules: Asked when the chart is rendered.
        purpose: What a second role of the component is for.
    """
    name, own = cluster_name(component, purpose), "-".join(filter(None, ["cluster-role", purpose]))
    k8s.KubeClusterRoleBinding(
        component,
        f"{own}-binding",
        metadata=k8s.ObjectMeta(name=name, labels=dict(component.labels)),
        role_ref=k8s.RoleRef(api_group=RBAC, kind="ClusterRole", name=name),
        subjects=[_account(component)],
    )
    _role(component, own, "ClusterRole", name, rules)


def offer(component: Component, rules: Callable[[], Rules], *, purpose: str) -> None:
    """Say which rights a component would use in a namespace that gives them to it: whoever owns it binds the role.

    Args:
        component: Who would use them.
        rules: Asked when the chart is rendered.
        purpose: What they are for.
    """
    _role(component, f"cluster-role-{purpose}", "ClusterRole", cluster_name(component, purpose), rules)


def cluster_name(component: Component, purpose: str = "") -> str:
    """Of a component's cluster-scoped object, so that the namespace is part of it."""
    return "-".join(filter(None, [component.namespace.name, component.name, purpose]))


def _role(component: Component, id: str, kind: str, name: str, rules: Callable[[], Rules]) -> None:
    def body() -> Mapping[str, Any]:
        return {"rules": rules()}

    Manifest(
        component,
        id,
        api_version=f"{RBAC}/v1",
        kind=kind,
        name=name,
        namespace=component.namespace.name if kind == "Role" else None,
        labels=component.labels,
        body=body,
    )


def _account(component: Component) -> k8s.Subject:
    return k8s.Subject(kind="ServiceAccount", name=component.name, namespace=component.namespace.name)
