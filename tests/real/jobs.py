"""What is done once a day, on the cluster: the Jobs that are made of a CronJob, and a pod of it that stays."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apps.environments import PROD
from tests.cluster.kubernetes import Kubernetes
from tests.real.roles import PYTHON
from tests.real.teams import documents
from tests.rendered import containers_of

NAMESPACE = PROD.namespace
SOON = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Run:
    """The first pod of a Job, which has ended.

    Args:
        pod: As the API server had it then.
        codes: Of each container that ended, its exit code.
        said: Of each of them, its log.
    """

    pod: Mapping[str, Any]
    codes: Mapping[str, int]
    said: Mapping[str, str]


def run(cluster: Kubernetes, cron_job: str, name: str) -> Run:
    """Make a Job of a CronJob, as one would, wait until its first pod has ended, and take it away."""
    with made(cluster, cron_job, name):
        return ended(cluster, name)


@contextmanager
def made(
    cluster: Kubernetes, cron_job: str, name: str, change: Callable[[dict[str, Any]], object] = lambda _: None
) -> Iterator[None]:
    """Make a Job of a CronJob, as one would, and take it away afterwards.

    Args:
        change: What to change of it before.
    """
    command = ("-n", NAMESPACE, "create", "job", name, f"--from=cronjob/{cron_job}")
    job = json.loads(cluster.kubectl(*command, "--dry-run=client", "--output=json"))
    change(job)
    cluster.kubectl("-n", NAMESPACE, "create", "--filename=-", input=json.dumps(job))
    try:
        yield
    finally:
        cluster.kubectl("-n", NAMESPACE, "delete", "job", name, "--cascade=foreground")  # with what tries again


def pods_of(cluster: Kubernetes, name: str) -> list[dict[str, Any]]:
    """The pods of a Job, oldest first."""
    pods = cluster.find("pods", NAMESPACE, f"batch.kubernetes.io/job-name={name}")
    return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def ended(cluster: Kubernetes, name: str) -> Run:
    """The first pod of a Job, once it has ended."""

    def first() -> dict[str, Any]:
        pod = pods_of(cluster, name)[0]
        assert pod["status"]["phase"] in {"Succeeded", "Failed"}, pod["status"]
        return pod

    pod = cluster.wait(f"the pod of {name} has ended", first, SOON)
    statuses = (*pod["status"]["initContainerStatuses"], *pod["status"]["containerStatuses"])
    codes = {each["name"]: each["state"]["terminated"]["exitCode"] for each in statuses if _began(each)}
    logs = ("-n", NAMESPACE, "logs", pod["metadata"]["name"], "--container")
    return Run(pod, codes, {container: cluster.kubectl(*logs, container) for container in codes})


def _began(status: Mapping[str, Any]) -> bool:
    """Whether a container was ever started: its state alone does not tell, in a pod that failed before."""
    return "containerID" in status


@contextmanager
def staying(cluster: Kubernetes, cron_job: str, container: str) -> Iterator[str]:
    """A pod as a CronJob would make it, but of one container of the agent alone, which waits: its name."""
    template = cluster.get("cronjob", cron_job, NAMESPACE)["spec"]["jobTemplate"]["spec"]["template"]
    command = [PYTHON, "-c", "import signal; signal.pause()"]
    volumes = [
        {"name": each["name"], "emptyDir": {}} if "ephemeral" in each else each for each in template["spec"]["volumes"]
    ]
    spec = {
        **template["spec"],
        "initContainers": [],
        "containers": [{**containers_of(template)[container], "command": command, "args": []}],
        "volumes": volumes,
        "terminationGracePeriodSeconds": 0,
    }
    name = f"{cron_job}-stays"
    metadata = {**template["metadata"], "name": name, "namespace": NAMESPACE}
    cluster.apply(documents({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
    try:
        cluster.wait_ready(NAMESPACE, f"pod/{name}")
        yield name
    finally:
        cluster.kubectl("-n", NAMESPACE, "delete", "pod", name)
