"""Other teams: the example as it stands, and one that is hostile or clumsy."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constructs_lib.config import to_yaml
from constructs_lib.config.collected import COLLECT, DATA, RULE_GROUP, SCRAPE_JOB

EXAMPLE = Path(__file__).parents[2] / "examples" / "onboarded-service"
SHOP, HOSTILE, CLUMSY = "shop", "hostile", "clumsy"
Document = dict[str, Any]


def rendered_example(output: Path) -> Path:
    """Render the example from its own directory, as its team does."""
    environment = {**os.environ, "CDK8S_OUTDIR": str(output)}
    subprocess.run([sys.executable, "app.py"], cwd=EXAMPLE, env=environment, check=True)
    return output


def config_map(kind: str, name: str, data: object, *, namespace: str = HOSTILE) -> Document:
    """What is handed over; data that is no text is written as JSON."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{kind}-{name}", "namespace": namespace, "labels": {COLLECT: kind}},
        "data": {DATA: data if isinstance(data, str) else json.dumps(data)},
    }


def group(name: str, *exprs: str, team: str = HOSTILE, **changes: object) -> Document:
    """A rule group with an alert for each expression."""
    texts = {"hold": 0, "severity": "warning", "team": team, "summary": "It is.", "description": "It is."}
    alerts = [
        {"name": f"{name.title().replace('-', '')}{number}", "expr": expr, **texts, **changes}
        for number, expr in enumerate(exprs)
    ]
    return config_map(RULE_GROUP, name, {"name": name, "runbooks": "https://example.com", "alerts": alerts})


def job(name: str, *, within: str = HOSTILE, **changes: object) -> Document:
    """A scrape job of pods that bear its name, in a namespace, with changes of its data."""
    limits = {"samples": 5000, "labels": 64, "label_value_length": 4096, "body": 1 << 25}
    data = {"name": name, "pods": {"app": name}, "port": 8080, "path": "/metrics", "targets": 4, **limits, **changes}
    return config_map(SCRAPE_JOB, name, data, namespace=within)


def namespace(name: str, role: str, account: str = "prometheus") -> list[Document]:
    """A namespace that opted in, and the binding by which its ConfigMaps may be read."""
    labels = {"constructs-lib/monitored-by": "monitoring"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "monitoring"}],
    }
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}, binding]


def serving(name: str, text: str) -> list[Document]:
    """A pod whose metrics are a text."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": HOSTILE, "labels": {"app": name}},
        "spec": {
            "containers": [
                {
                    "name": name,
                    "image": "registry.local/probe:1",
                    "args": ["serve", "-metrics", "/metrics/text", "8080"],
                    "volumeMounts": [{"name": "metrics", "mountPath": "/metrics"}],
                }
            ],
            "volumes": [{"name": "metrics", "configMap": {"name": name}}],
        },
    }
    files = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": HOSTILE},
        "data": {"text": text},
    }
    return [files, pod]


GROWING = "up"
for _ in range(3):
    GROWING = f'label_replace({GROWING}, "a", "$1$1$1", "a", "(.*)")'
# Name of the ConfigMap -> what its team is told.
REFUSED: Mapping[str, tuple[Document, str]] = {
    each["metadata"]["name"]: (each, told)
    for each, told in (
        (group("broken", "up =="), "does not parse"),
        (config_map(RULE_GROUP, "no-json", "groups: []"), "data.json of rule-group-no-json is wrong: Invalid JSON"),
        (group("pager", "up", team="platform"), "for the team 'platform', but the namespace hostile is of the team"),
        (group("asking", "up", description="{{ query `up` }}"), "the alert Asking0 says"),
        (group("huge", "up", summary="x" * 900 * 1024), "holds more than 128 KiB"),
        (group("deep", "(" * 3000 + "up" + ")" * 3000), "characters: use up to 4096"),
        (group("bomb", GROWING, description="{{ $labels.a }}" * 60), "has label_replace 3 times: use it up to 2"),
        (group("long", "up", summary="x" * 1001), "1001 characters: use up to 1000"),
        (
            job("foreign", within=CLUMSY, namespace="shop"),
            "namespace of scrape-job-foreign is wrong: Unexpected",
        ),
        (
            job("thief", within=CLUMSY, credentials_file="/var/run/secrets/token"),
            "credentials_file of scrape-job-thief",
        ),
        (
            job("greedy", within=CLUMSY, samples=1_000_000),
            "limit of samples of the job greedy is 1000000, but the platform allows 5000",
        ),
        (
            job("kubelet", within=CLUMSY, port=10250),
            "10250, but the network is open from 8000 to 9999",
        ),
        (config_map("panel", "nice", {}), "the label constructs-lib/collect is 'panel'"),
        (
            config_map(SCRAPE_JOB, "alias", job("other")["data"][DATA], namespace=CLUMSY),
            "call it scrape-job-other",
        ),
    )
}
FORGED = """up{job="api"} 0
scrape_sample_limit 1
ALERTS{alertname="NodeNotReady",alertstate="firing"} 1
service_code:http_requests:rate{service="api",code="500"} 1000
"""
# What is taken over, and hurts nobody.
CONFINED = (
    group("peeping", 'up{namespace="shop"} == 1', 'count({__name__=~".+",namespace!~"hostile"}) > 0'),
    job("checkout"),  # a name that another team has
    job("flood"),  # more series than anybody may send
    *serving("flood", "".join(f'flood{{number="{number}"}} 1\n' for number in range(10_000))),
    job("liar"),  # as if Prometheus said it, or its rules
    *serving("liar", FORGED + 'honest{origin="shop",namespace="shop",team="platform"} 1\n'),
)


def churn(number: int) -> Document:
    """A rule group that changes."""
    return group("churn", f"vector({number}) < 0")


def documents(*all_of_them: Document) -> str:
    """A file for kubectl."""
    return "---\n".join(to_yaml(each) for each in all_of_them)
