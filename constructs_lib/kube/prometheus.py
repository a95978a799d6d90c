"""Prometheus, alone or as a highly available pair."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import discovery
from constructs_lib.config.prometheus import PrometheusConfig, ScrapeDefaults, ScrapeJob
from constructs_lib.contract import Endpoint, Namespace, Port, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.kube.component import Component, Stateful
from constructs_lib.kube.manifest import ConfigMap, Manifest
from constructs_lib.kube.network import Destination
from constructs_lib.kube.pod import API_ACCESS, Claimed, ConfigMapFiles, Container, Mount, Placement, Probe, Resources
from constructs_lib.kube.storage import Volume
from constructs_lib.rules.model import RuleGroup
from constructs_lib.units import Bytes, Cpu

PROMETHEUS = "prometheus"
WEB = Port(name="web", number=9090)
USER = 65534  # of the image; another one could not read what this one wrote
# The volume is mounted once and as a whole, with room beside the database: whoever shares it can hard-link blocks.
VOLUME, DATABASE = "/prometheus", "/prometheus/tsdb"
CONFIG, RULES = "/etc/prometheus/config", "/etc/prometheus/rules"
# Three segments of the write-ahead log, at 128 MiB each, exist in any case.
SMALLEST_VOLUME = Bytes.gib(2)
RELOAD = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long samples stay on local disk, whichever limit comes first.

    Args:
        time: At least two hours, the span of one block.
        share_of_volume: The size limit; what is left holds the write-ahead log and compaction's temporary files.
    Raises:
        ConstructError: less than a block, or a share that lets the volume fill up.
    Source: https://prometheus.io/docs/prometheus/latest/storage/#right-sizing-retention-size
    """

    time: timedelta = timedelta(days=30)
    share_of_volume: float = 0.8

    def __post_init__(self) -> None:
        if self.time < timedelta(hours=2):
            raise ConstructError(f"the retention is {self.time}, less than one block of 2 hours: use 2 hours or more")
        if not 0.1 <= self.share_of_volume <= 0.85:
            raise ConstructError(
                f"the size limit is {self.share_of_volume:.0%} of the volume: use 10% to 85%, since the write-ahead "
                "log and compaction need the rest"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where the links in notifications lead.

    Args:
        external_url: Under which people reach Prometheus, without a path.
        runbooks: Below which every alert has a page of its name.
    Raises:
        ConstructError: no absolute URL; or a path, under which the probes would not find Prometheus.
    """

    external_url: str
    runbooks: str

    def __post_init__(self) -> None:
        for name in ("external_url", "runbooks"):
            value = urlsplit(getattr(self, name))
            if value.scheme not in {"http", "https"} or not value.hostname:
                raise ConstructError(
                    f"{name} is {getattr(self, name)!r}: use a URL such as 'https://prometheus.example.com'"
                )
        if urlsplit(self.external_url).path.strip("/"):
            raise ConstructError(
                f"external_url is {self.external_url!r}, with a path: give Prometheus a host of its own"
            )


class PrometheusHA(Construct):
    """Equal Prometheus servers that scrape the same targets; two or more survive the loss of one.

    The servers differ only in the external label `replica`. What needs two (a disruption budget, spreading) exists when
    there are two. A change of jobs or rules restarts nothing: Prometheus reloads its files within two minutes.

    Args:
        namespace: Where they live; `restricted` suffices.
        name: Of the Service and the pods.
        replicas: At least 1.
        retention: What stays on local disk, by time and by size.
        volume: What each of them claims, on block storage: NFS corrupts the database.
        scrape: How often, and what a target may send.
        resources: Memory needs a limit of twice what is promised, since replaying the log takes more than running does.
        links: Where the links in notifications lead.
        placement: On which nodes.
    Raises:
        ConstructError: no replica, a volume too small, or a memory limit without room for the replay.
    Source: https://prometheus.io/docs/prometheus/latest/storage/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = PROMETHEUS,
        replicas: int = 2,
        retention: Retention = Retention(),
        volume: Volume = Volume(Bytes.gib(100)),
        scrape: ScrapeDefaults = ScrapeDefaults(),
        resources: Resources = Resources(cpu=Cpu(500), memory=Bytes.gib(1)),
        links: Links,
        placement: Placement = Placement(),
    ) -> None:
        if volume.size < SMALLEST_VOLUME:
            raise ConstructError(f"the volume of {name} is {volume.size}: use {SMALLEST_VOLUME} or more")
        if resources.memory_headroom < 2:
            raise ConstructError(
                f"memory_headroom of {name} is {resources.memory_headroom}: use 2 or more, since replaying the "
                "write-ahead log after a crash takes up to twice the memory, and a kill would start it over"
            )
        super().__init__(scope, id)
        self.scrape_defaults = scrape
        self.component = Component(
            self,
            "component",
            namespace=namespace,
            name=name,
            program=PROMETHEUS,
            version=versions.PROMETHEUS.tag,
            workload=Stateful(replicas=replicas, volume=volume, user=USER, stop_within=timedelta(minutes=10)),
            placement=placement,
            sticky=True,  # two servers hold slightly different samples: a graph must stay with one
        )
        self.web = self.component.endpoint(WEB)
        self._links = links
        self._retention = retention
        self._volume = volume
        self._cluster_jobs: tuple[ScrapeJob, ...] = ()
        self._pods_jobs: dict[str, discovery.PodsJob] = {}
        self._annotated: discovery.Annotated | None = None
        self._groups: dict[str, RuleGroup] = {}
        self.component.add_container(self._container(resources))
        self._make_files()
        self._make_rights()
        self.scrape(self.web, job=name)

    def scrape(self, endpoint: Endpoint, *, job: str | None = None) -> None:
        """Scrape every pod behind an endpoint, and open the network to it, on both sides.

        Args:
            endpoint: Of a component, or of another release.
            job: The label `job` of the series; the Service's name when absent.
        """
        limits = self.scrape_defaults.limits
        ports = PortRange.only(endpoint.port.number)
        self._add(discovery.PodsJob(job=job or endpoint.service, pods=endpoint.pods, ports=ports, limits=limits))
        self.component.connect_to(endpoint)

    def scrape_pods(self, job: discovery.PodsJob) -> None:
        """Scrape declared pods, which are in no other job then, and open the network to them, on this side."""
        self._add(job)
        self.component.allow(Destination.pods(job.pods, job.ports))

    def scrape_annotated(self, annotated: discovery.Annotated) -> None:
        """Scrape what is annotated in the namespaces that opted in, and open the network to exactly those."""
        if self._annotated not in {None, annotated}:
            raise ConstructError(f"{self.component.name} scrapes annotated pods twice, differently: declare it once")
        self._annotated = annotated
        self.component.allow(Destination.opted_in(self.component.namespace, annotated.ports))

    def scrape_cluster(self) -> None:
        """Scrape the API server, and every node's kubelet and containers."""
        cluster = self.component.namespace.cluster
        self._cluster_jobs = (discovery.api_server(), *discovery.nodes(cluster))
        self.component.allow(Destination.kubelets(cluster))

    def add_rules(self, *groups: RuleGroup) -> None:
        """Evaluate rule groups; every job that they name must be scraped.

        Raises:
            ConstructError: another group of the same name; when rendered, a job that nothing scrapes.
        """
        for group in groups:
            if self._groups.setdefault(group.name, group) != group:
                raise ConstructError(f"there are two different rule groups {group.name!r}: rename one")

    def _add(self, job: discovery.PodsJob) -> None:
        taken = self._pods_jobs.setdefault(job.job, job)
        if taken != job:
            raise ConstructError(f"the scrape job {job.job!r} is declared twice, differently: give each its own name")

    def _jobs(self) -> list[ScrapeJob]:
        dedicated = sorted(self._pods_jobs.values(), key=lambda job: job.job)
        annotated = self._annotated.to_scrape_jobs(self.component.namespace.name, dedicated) if self._annotated else ()
        return [*self._cluster_jobs, *(job.to_scrape_job() for job in dedicated), *annotated]

    def _container(self, resources: Resources) -> Container:
        healthy, ready = "/-/healthy", "/-/ready"
        return Container(
            name=PROMETHEUS,
            image=versions.PROMETHEUS,
            args=(
                f"--config.file={CONFIG}/prometheus.yml",
                "--config.auto-reload",
                f"--config.auto-reload-interval={RELOAD.seconds}s",
                f"--storage.tsdb.path={DATABASE}",
                f"--web.external-url={self._links.external_url}",
                "--enable-feature=exemplar-storage",
            ),
            ports=(WEB,),
            field_environment={"POD_NAME": "metadata.name"},
            mounts=(
                Mount(source=ConfigMapFiles("config", self._file_name("config")), path=CONFIG),
                Mount(source=ConfigMapFiles("rules", self._file_name("rules")), path=RULES),
                Mount(source=Claimed(), path=VOLUME, read_only=False),
                API_ACCESS,
            ),
            resources=resources,
            # /-/ready says no while the write-ahead log is replayed: a liveness probe asking it would kill for ever.
            startup=Probe(path=ready, port=WEB, period=timedelta(seconds=15), failures=60),
            readiness=Probe(path=ready, port=WEB, period=timedelta(seconds=5), failures=3),
            liveness=Probe(path=healthy, port=WEB, period=timedelta(seconds=10), failures=6),
        )

    def _file_name(self, suffix: str) -> str:
        return f"{self.component.name}-{suffix}"

    def _make_files(self) -> None:
        namespace = self.component.namespace

        def config() -> Mapping[str, Mapping[str, Any]]:
            cluster = namespace.cluster
            document = PrometheusConfig(
                scrape=self.scrape_defaults,
                external_labels={"cluster": cluster.name, "environment": cluster.environment},
                retention_time=self._retention.time,
                retention_size=self._volume.size.scaled(self._retention.share_of_volume),
                rule_files=(f"{RULES}/*.yaml",),
                jobs=self._jobs(),
            )
            return {"prometheus.yml": document.to_dict()}

        def rules() -> Mapping[str, Mapping[str, Any]]:
            scraped = {job.name for job in self._jobs()}
            for group in self._groups.values():
                group.refuse_unknown_jobs(scraped)
            return {f"{name}.yaml": self._groups[name].to_dict(self._links.runbooks) for name in sorted(self._groups)}

        for suffix, files in (("config", config), ("rules", rules)):
            ConfigMap(
                self,
                suffix,
                name=self._file_name(suffix),
                namespace=namespace.name,
                labels=self.component.labels,
                files=files,
            )

    def _make_rights(self) -> None:
        """Exactly what discovery reads, by list and watch, and what the scrapes of the cluster itself read."""
        component = self.component
        # Cluster-scoped, so the namespace is part of the name.
        name = f"{component.namespace.name}-{component.name}"

        def rights() -> Mapping[str, Any]:
            jobs = self._jobs()
            watched = {right for job in jobs for right in job.discovery.rights()}
            reads = {job.tls.reads for job in jobs if job.tls}
            rules: list[dict[str, Any]] = [
                {
                    "apiGroups": [group],
                    "resources": sorted(resource for other, resource in watched if other == group),
                    "verbs": ["list", "watch"],
                }
                for group in sorted({group for group, _ in watched})
            ]
            if "nodes/metrics" in reads:
                rules.append({"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]})
            if "/metrics" in reads:
                rules.append({"nonResourceURLs": ["/metrics"], "verbs": ["get"]})
            return {"rules": rules}

        component.allow(Destination.api_server(component.namespace.cluster))
        Manifest(
            self,
            "cluster-role",
            api_version="rbac.authorization.k8s.io/v1",
            kind="ClusterRole",
            name=name,
            labels=component.labels,
            body=rights,
        )
        k8s.KubeClusterRoleBinding(
            self,
            "cluster-role-binding",
            metadata=k8s.ObjectMeta(name=name, labels=dict(component.labels)),
            role_ref=k8s.RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=name),
            subjects=[k8s.Subject(kind="ServiceAccount", name=component.name, namespace=component.namespace.name)],
        )
