"""What brings other teams' jobs and rules into a Prometheus, beside it in its pods."""

import json
from collections.abc import Mapping
from datetime import timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config.platform import DashboardsTaken, Platform
from constructs_lib.config.teams import Allowed
from constructs_lib.contract import Endpoint, Port
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.network import Destination
from constructs_lib.kube.pod import Container, Probe, Resources
from constructs_lib.kube.prometheus import VOLUME, PrometheusHA
from constructs_lib.kube.rights import Rules, cluster_name, grant_everywhere, offer, to_watch
from constructs_lib.kube.volumes import API_ACCESS, Claimed, ConfigMapFiles, Mount
from constructs_lib.metrics.collector import COLLECTOR as METRICS
from constructs_lib.units import Bytes, Cpu

COLLECTOR = "collector"
PORT = Port(name=COLLECTOR, number=8082)
CONTRACT, PROGRAMS, COLLECTED = "/etc/collector", "/programs", "collected"
FILE = "platform.json"


class Collector(Construct):
    """Other teams' scrape jobs and rule groups, out of labelled ConfigMaps in namespaces that opted in.

    It runs in every pod of a Prometheus, and writes into a directory of the pod's own volume: what was live stays live
    without it, without the API server, and over a restart of the pod. A namespace gives it the right to read its
    ConfigMaps, and to write Events there, by binding a role that the platform offers; `Monitored` does so.

    Args:
        prometheus: Whose pods it joins; its own targets and rules never depend on it.
        image: Of the agent, from a registry of yours: `agent/README.md` says how to build it.
        allowed: What every team may do; what is the platform's own is added.
        resources: Of the collector; it holds what it watches in memory.
    Source: docs/adr/0007-collector.md
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        prometheus: PrometheusHA,
        image: Image,
        allowed: Allowed,
        resources: Resources = Resources(cpu=Cpu(100), memory=Bytes.mib(256)),
    ) -> None:
        super().__init__(scope, id)
        self._prometheus, self._allowed = prometheus, allowed
        self._dashboards: DashboardsTaken | None = None
        self.metrics = prometheus.endpoint(PORT)
        prometheus.add_init_container(self._promtool())
        prometheus.add_container(self._container(image, resources))
        output = f"{VOLUME}/{COLLECTED}"
        prometheus.read_collected(rules=f"{output}/rules/*.yaml", jobs=f"{output}/jobs/*.yaml")
        prometheus.scrape_collector(self.metrics, job=METRICS.job)
        prometheus.allow(Destination.opted_in(prometheus.namespace, allowed.ports))
        grant_everywhere(prometheus, lambda: to_watch([("", "namespaces")]), purpose=COLLECTOR)
        offer(prometheus, lambda: in_a_namespace("configmaps", "pods"), purpose=COLLECTED)
        ConfigMap(
            self,
            "contract",
            name=self.contract,
            namespace=prometheus.namespace.name,
            labels=prometheus.labels,
            files=self._files,
        )

    @property
    def platform(self) -> Platform:
        """What other releases must know; final when rendered."""
        web = self._prometheus.web
        return Platform(
            prometheus=Endpoint(pods=web.pods, service=web.service, port=web.port),
            account=self._prometheus.name,
            role=cluster_name(self._prometheus, COLLECTED),
            allowed=self._allowed.reserving(self._prometheus.groups),
            dashboards=self._dashboards,
        )

    @property
    def contract(self) -> str:
        """The ConfigMap that holds it."""
        return f"{self._prometheus.name}-{COLLECTOR}"

    def hand_dashboards_to(self, taken: DashboardsTaken, metrics: Endpoint, *, job: str) -> None:
        """Tell other releases who takes over their dashboards, and scrape that.

        Raises:
            ConstructError: a second one that differs: each team hands over to one.
        """
        if self._dashboards not in {None, taken}:
            raise ConstructError(
                f"the dashboards of other releases go to two collectors, of {taken.account} and another one: keep one"
            )
        self._dashboards = taken
        self._prometheus.scrape_collector(metrics, job=job)

    def _files(self) -> Mapping[str, str]:
        return {FILE: json.dumps(self.platform.to_contract(), indent=1) + "\n"}

    def _promtool(self) -> Container:
        """The very promtool of this Prometheus: another version would accept other files.

        It lies on the pod's own volume: a drain refuses to lose an emptyDir, and an autoscaler leaves its node alone.
        """
        return Container(
            name="promtool",
            image=versions.PROMETHEUS,
            command=("/bin/cp",),
            args=("/bin/promtool", f"{PROGRAMS}/promtool"),
            mounts=(Mount(source=Claimed(), path=PROGRAMS, sub_path="programs", read_only=False),),
            resources=Resources(cpu=Cpu(100), memory=Bytes.mib(64)),
        )

    def _container(self, image: Image, resources: Resources) -> Container:
        return Container(
            name=COLLECTOR,
            image=image,
            args=(
                "collect",
                f"--platform={CONTRACT}/{FILE}",
                f"--output={VOLUME}",
                f"--promtool={PROGRAMS}/promtool",
                f"--port={PORT.number}",
            ),
            ports=(PORT,),
            mounts=(
                Mount(source=ConfigMapFiles(COLLECTOR, self.contract), path=CONTRACT),
                Mount(source=Claimed(), path=PROGRAMS, sub_path="programs"),
                # What reads other teams' texts sees no sample.
                Mount(source=Claimed(), path=VOLUME, sub_path=COLLECTED, read_only=False),
                API_ACCESS,
            ),
            resources=resources,
            # No readiness: Prometheus answers without it.
            liveness=Probe(path="/metrics", port=PORT, period=timedelta(seconds=30), failures=4),
        )


def in_a_namespace(*resources: str) -> Rules:
    """Something is read; what is refused is said in an Event.

    Args:
        resources: Of the core API.
    """
    rules = to_watch(("", each) for each in resources)
    return [*rules, {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}]
