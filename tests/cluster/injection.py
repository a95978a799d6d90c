"""What EKS's own webhook injects into the pods of associated service accounts, by a policy of the API server.

Source: https://github.com/aws/amazon-eks-pod-identity-webhook
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

import yaml

from tests.cluster.podidentity import ADDRESS, PATH

NAME = "pod-identity"
NAMESPACE = "kube-system"
AUDIENCE = "pods.eks.amazonaws.com"
VOLUME = "eks-pod-identity-token"
DIRECTORY = f"/var/run/secrets/{AUDIENCE}/serviceaccount"
CREDENTIALS = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{ADDRESS}{PATH}",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{DIRECTORY}/{VOLUME}",
}
SKIP = "eks.amazonaws.com/skip-containers"
# A pod with this annotation gets the version of the associations as its value: so one sees when a change is known.
SEEN = "tests.cluster/associations"


def policy(region: str) -> list[dict[str, Any]]:
    """The policy, its binding and the object that holds the associations, to apply."""
    variables = {
        "associated": "has(params.data) && (request.namespace + '_' + object.spec.serviceAccountName) in params.data",
        "annotations": "has(object.metadata.annotations) ? object.metadata.annotations : {}",
        "skipped": f"'{SKIP}' in variables.annotations ? variables.annotations['{SKIP}'].split(',') : []",
    }
    mutations = [_json_patch(_seen()), _json_patch(_label()), _json_patch(_volume()), _merge(_containers(region))]
    kind = "MutatingAdmissionPolicy"
    return [
        associations([]),
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": NAME},
            "spec": {
                "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "matchConstraints": {
                    "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ]
                },
                "variables": [{"name": name, "expression": expression} for name, expression in variables.items()],
                "mutations": mutations,
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": NAME},
            "spec": {
                "policyName": NAME,
                "paramRef": {"name": NAME, "namespace": NAMESPACE, "parameterNotFoundAction": "Allow"},
            },
        },
    ]


def associations(known: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The object that holds the associated service accounts, given by namespace and name."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {f"{namespace}_{account}": "" for namespace, account in known},
    }


def seen(kubectl: Callable[..., str]) -> str:
    """The version of the associations that the API server works with."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": {SEEN: ""}},
        "spec": {"containers": [{"name": "none", "image": "none"}]},
    }
    shown = kubectl("create", "--dry-run=server", "--output", "json", "--filename", "-", input=yaml.safe_dump(pod))
    return str(json.loads(shown)["metadata"]["annotations"][SEEN])


def _json_patch(expression: str) -> dict[str, Any]:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def _merge(expression: str) -> dict[str, Any]:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def _seen() -> str:
    path = f"/metadata/annotations/{SEEN.replace('/', '~1')}"
    patch = f'[JSONPatch{{op: "replace", path: "{path}", value: params.metadata.resourceVersion}}]'
    return f"'{SEEN}' in variables.annotations ? {patch} : []"


def _label() -> str:
    add = 'JSONPatch{op: "add", path: "/metadata/labels", value: Object.metadata.labels{}}'
    label = 'JSONPatch{op: "add", path: "/metadata/labels/eks.amazonaws.com~1pod-identity", value: "enabled"}'
    return f"!variables.associated ? [] : (has(object.metadata.labels) ? [] : [{add}]) + [{label}]"


def _volume() -> str:
    # The list of sources is atomic, so that it cannot be merged.
    projected = "Object.spec.volumes.projected"
    token = (
        f'{projected}.sources.serviceAccountToken{{audience: "{AUDIENCE}", expirationSeconds: 86400, path: "{VOLUME}"}}'
    )
    volume = (
        f'Object.spec.volumes{{name: "{VOLUME}", projected: {projected}{{sources: ['
        f"{projected}.sources{{serviceAccountToken: {token}}}]}}}}"
    )
    there = f"has(object.spec.volumes) && object.spec.volumes.exists(volume, volume.name == '{VOLUME}')"
    add = 'JSONPatch{op: "add", path: "/spec/volumes", value: []}'
    return (
        f"!variables.associated || ({there}) ? [] : (has(object.spec.volumes) ? [] : [{add}]) + "
        f'[JSONPatch{{op: "add", path: "/spec/volumes/-", value: {volume}}}]'
    )


def _containers(region: str) -> str:
    kinds = ", ".join(f"{kind}: {_injected(kind, region)}" for kind in ("containers", "initContainers"))
    return f"!variables.associated ? Object{{}} : Object{{spec: Object.spec{{{kinds}}}}}"


def _injected(kind: str, region: str) -> str:
    """What is added to each container; a group of variables of which it has one itself is left out."""
    groups = (
        {"AWS_STS_REGIONAL_ENDPOINTS": "regional"},
        {"AWS_DEFAULT_REGION": region, "AWS_REGION": region},
        CREDENTIALS,
    )
    type_ = f"Object.spec.{kind}"
    mount = f'{type_}.volumeMounts{{name: "{VOLUME}", mountPath: "{DIRECTORY}", readOnly: true}}'
    mounted = f"has(c.volumeMounts) && c.volumeMounts.exists(mount, mount.name == '{VOLUME}')"
    fields = (
        "name: c.name",
        f"env: {' + '.join(_unless_set(type_, group) for group in groups)}",
        f"volumeMounts: {mounted} ? [] : [{mount}]",
    )
    taken = f"object.spec.{kind}.filter(c, !(c.name in variables.skipped))"
    return f"has(object.spec.{kind}) ? {taken}.map(c, {type_}{{{', '.join(fields)}}}) : []"


def _unless_set(type_: str, group: dict[str, str]) -> str:
    added = ", ".join(f'{type_}.env{{name: "{name}", value: "{value}"}}' for name, value in group.items())
    return f"(has(c.env) && c.env.exists(e, e.name in {list(group)}) ? [] : [{added}])"
