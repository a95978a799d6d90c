"""Relabeling as its documentation says, for what no cluster is needed to see; tests/real asks Prometheus itself.

Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config
"""

import re
from collections.abc import Iterable, Mapping

from constructs_lib.config.discovery import NAMESPACE, POD, POD_IP, annotation, meta
from constructs_lib.config.prometheus import Relabel, ScrapeJob
from constructs_lib.contract import MONITORED_BY, NAME

Labels = dict[str, str]


def relabeled(labels: Mapping[str, str], steps: Iterable[Relabel]) -> Labels | None:
    """What becomes of a target's labels; None when it is dropped."""
    current = dict(labels)
    for step in steps:
        # Every regular expression is one that Python reads as RE2 does.
        value = ";".join(current.get(label, "") for label in step.source_labels)
        if step.action == "dropequal" and value == current.get(step.target_label or "", ""):
            return None
        match = re.fullmatch(step.regex or "(.*)", value, re.ASCII)
        if (step.action == "keep" and not match) or (step.action == "drop" and match):
            return None
        if step.action == "replace" and match:
            assert step.target_label
            current[step.target_label] = match.expand(re.sub(r"\$\{?(\d)\}?", r"\\g<\1>", step.replacement or "$1"))
    return current


def target(labels: Mapping[str, str], job: ScrapeJob) -> Labels | None:
    """The labels of one discovered target in one job, without what is dropped in the end; None when it is no target."""
    final = relabeled({"__metrics_path__": job.path, **labels}, job.relabelings)
    if final is None:
        return None
    kept = {"__address__", "__metrics_path__"}
    return {name: value for name, value in final.items() if value and (name in kept or not name.startswith("__"))}


def discovered_pod(
    name: str = "worker-1",
    *,
    namespace: str = "shop",
    ip: str = "10.1.2.3",
    container_port: int | None = 8080,
    phase: str = "Running",
    init: bool = False,
    monitored_by: str = "monitoring",
    annotations: Mapping[str, str] | None = None,
    app: str = "worker",
    host_ip: str = "10.8.0.1",
) -> Labels:
    """What discovery of the role `pod` says of one port of one container."""
    host = f"[{ip}]" if ":" in ip else ip
    return {
        "__address__": f"{host}:{container_port}" if container_port else host,
        NAMESPACE: namespace,
        POD: name,
        POD_IP: ip,
        meta("pod", "node_name"): "node-1",
        meta("pod", "host_ip"): host_ip,
        meta("pod", "phase"): phase,
        meta("pod", "container_init"): str(init).lower(),
        meta("pod_label", NAME): app,
        meta("namespace_label", MONITORED_BY): monitored_by,
        **{annotation("pod", key): value for key, value in (annotations or {}).items()},
    }


def discovered_endpoint(
    pod: Mapping[str, str], *, service: str = "worker", annotations: Mapping[str, str], declared: bool = True
) -> Labels:
    """What discovery of the role `endpointslice` says of a pod behind a Service.

    A port that only the pod declares comes without the port of the Service.
    """
    port = pod["__address__"].rpartition(":")[2]
    return {
        **pod,
        meta("service", "name"): service,
        **({meta("endpointslice", "port"): port} if declared else {}),
        **{annotation("service", key): value for key, value in annotations.items()},
    }
