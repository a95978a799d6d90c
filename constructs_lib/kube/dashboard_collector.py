"""What brings other teams' dashboards into a Grafana, beside it in its pods."""

from datetime import timedelta

from constructs import Construct

from constructs_lib.config.platform import DashboardsTaken
from constructs_lib.config.team_dashboards import LIVE
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.kube.collector import COLLECTED, COLLECTOR, CONTRACT, FILE, PORT, Collector, in_a_namespace
from constructs_lib.kube.grafana import GRAFANA, Grafana
from constructs_lib.kube.network import Destination
from constructs_lib.kube.pod import Container, Probe, Resources
from constructs_lib.kube.rights import cluster_name, grant_everywhere, offer, to_watch
from constructs_lib.kube.volumes import API_ACCESS, Claimed, ConfigMapFiles, Mount
from constructs_lib.metrics.collector import DASHBOARDS_JOB
from constructs_lib.units import Bytes, Cpu

TEAMS, VOLUME = "/etc/grafana/teams", "teams"


class DashboardCollector(Construct):
    """Other teams' dashboards, out of labelled ConfigMaps in namespaces that opted in, each namespace in a folder.

    It runs in every pod of a Grafana, and writes into a directory of the pod's own volume, which Grafana reads when all
    is in it: what was live stays live without it, without the API server, and over a restart of the pod. A namespace
    gives it the right to read its ConfigMaps, and to write Events there, by binding a role that the platform offers;
    `Monitored` does so where it has dashboards.

    Args:
        grafana: Whose pods it joins; its own dashboards never depend on it.
        collector: Beside the Prometheus of the same namespace, whose contract tells other releases.
        image: Of the agent, from a registry of yours: `agent/README.md` says how to build it.
        allowed: Of one namespace; those after them, by name, are refused.
        resources: Of the collector; it holds what it watches in memory.
    Raises:
        ConstructError: another namespace than the collector's, whose contract no pod could mount, or no dashboard.
    Source: docs/adr/0007-collector.md
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        grafana: Grafana,
        collector: Collector,
        image: Image,
        allowed: int = 20,
        resources: Resources = Resources(cpu=Cpu(50), memory=Bytes.mib(256)),
    ) -> None:
        super().__init__(scope, id)
        monitoring = collector.metrics.pods.namespace
        if grafana.namespace.name != monitoring:
            raise ConstructError(
                f"{grafana.name} is in the namespace {grafana.namespace.name}, but what its collector of dashboards "
                f"mounts is in {monitoring}: put both into one"
            )
        if allowed < 1:
            raise ConstructError(
                f"a namespace may have {allowed} dashboards: use 1 or more, or leave the collector of dashboards out"
            )
        self.metrics = grafana.endpoint(PORT)
        grafana.add_container(_container(image, resources, contract=collector.contract))
        grafana.mount(Mount(source=Claimed(), path=TEAMS, sub_path=VOLUME), into=GRAFANA)
        grafana.read_dashboards_below(f"{TEAMS}/{LIVE}")
        grafana.allow(Destination.api_server(grafana.namespace.cluster))
        grant_everywhere(grafana, lambda: to_watch([("", "namespaces")]), purpose=COLLECTOR)
        offer(grafana, lambda: in_a_namespace("configmaps"), purpose=COLLECTED)
        taken = DashboardsTaken(account=grafana.name, role=cluster_name(grafana, COLLECTED), allowed=allowed)
        collector.hand_dashboards_to(taken, self.metrics, job=DASHBOARDS_JOB)


def _container(image: Image, resources: Resources, *, contract: str) -> Container:
    return Container(
        name=COLLECTOR,
        image=image,
        args=(
            "collect-dashboards",
            f"--platform={CONTRACT}/{FILE}",
            f"--output={TEAMS}",
            f"--port={PORT.number}",
        ),
        ports=(PORT,),
        mounts=(
            Mount(source=ConfigMapFiles(COLLECTOR, contract), path=CONTRACT),
            # What reads other teams' texts sees nothing of Grafana's database.
            Mount(source=Claimed(), path=TEAMS, sub_path=VOLUME, read_only=False),
            API_ACCESS,
        ),
        resources=resources,
        # No readiness: Grafana answers without it.
        liveness=Probe(path="/metrics", port=PORT, period=timedelta(seconds=30), failures=4),
    )
