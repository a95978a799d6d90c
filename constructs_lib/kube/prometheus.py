"""Prometheus, alone or as a highly available pair."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import discovery, to_yaml
from constructs_lib.config.blackbox import OFFSET, ProbedHost
from constructs_lib.config.datasources import PrometheusSource
from constructs_lib.config.prometheus import (
    CREDENTIALS,
    BasicAuth,
    Limits,
    PrometheusConfig,
    ScrapeDefaults,
    ScrapeJob,
)
from constructs_lib.contract import PROMETHEUS, Endpoint, Namespace, Port, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.kube.alertmanager import Alertmanager
from constructs_lib.kube.blackbox_exporter import BlackboxExporter
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.network import Destination
from constructs_lib.kube.pod import Container, FieldOfPod, Placement, Probe, Resources
from constructs_lib.kube.retention import Retention
from constructs_lib.kube.rights import Rules, grant, grant_everywhere, to_watch
from constructs_lib.kube.storage import Volume
from constructs_lib.kube.volumes import API_ACCESS, Claimed, ConfigMapFiles, Mount, SecretFiles
from constructs_lib.kube.workload import Stateful
from constructs_lib.rules.model import Evaluator, RuleGroup
from constructs_lib.units import Bytes, Cpu, prometheus_duration
from constructs_lib.urls import Links

WEB = Port(name="web", number=9090)
USER = 65534  # of the image; another one could not read what this one wrote
# The volume is mounted once and as a whole, with room beside the database: whoever shares it can hard-link blocks.
VOLUME, DATABASE = "/prometheus", "/prometheus/tsdb"
CONFIG, RULES = "/etc/prometheus/config", "/etc/prometheus/rules"
# Three segments of the write-ahead log, at 128 MiB each, exist in any case.
SMALLEST_VOLUME = Bytes.gib(2)
RELOAD = timedelta(seconds=30)
QUERY_TIMEOUT = timedelta(seconds=30)
SERIES = 3 * 1024  # bytes, in memory, before anybody asks: the field's rule of thumb
SAMPLE = 16  # bytes, in memory: https://prometheus.io/docs/prometheus/latest/command-line/prometheus/


class PrometheusHA(Component):
    """Equal Prometheus servers that scrape the same targets; two or more survive the loss of one.

    The servers differ only in the external label `replica`. What needs two (a disruption budget, spreading) exists when
    there are two. A change of jobs or rules restarts nothing: Prometheus reloads its files within two minutes.

    Args:
        namespace: Where they live; `restricted` suffices.
        name: Of the Service and the pods, and of the job by which they scrape each other.
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
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=PROMETHEUS,
            image=versions.PROMETHEUS,
            workload=Stateful(replicas=replicas, volume=volume, user=USER, stop_within=timedelta(minutes=10)),
            placement=placement,
            sticky=True,  # two servers hold slightly different samples: a graph must stay with one
        )
        self.web = self.endpoint(WEB)
        self.replicas, self.volume = replicas, volume
        self._scrape = scrape
        self._links = links
        self.retention = retention
        self._cluster_jobs: tuple[ScrapeJob, ...] = ()
        self._pods_jobs: dict[str, discovery.PodsJob] = {}
        self._annotated: discovery.Annotated | None = None
        self._exporter: BlackboxExporter | None = None
        self._hosts: set[ProbedHost] = set()
        self._alertmanager: Alertmanager | None = None
        self._rules: list[RuleGroup | Callable[[Evaluator], RuleGroup]] = []
        self._has_cluster_role = False
        self._collected: dict[str, str] = {}
        self._agent_jobs: set[str] = set()
        self._collector_jobs: set[str] = set()
        self.resources = resources
        self.allow(Destination.api_server(namespace.cluster))
        self.add_container(self._container(resources))
        self._make_files()
        self._make_role()
        # Of each job and rule group, also of other teams, it tells some twenty series of its own.
        self.scrape(self.web, job=name, limits=discovery.INFRASTRUCTURE)

    @property
    def evaluator(self) -> Evaluator:
        """What rule groups need to know of who evaluates them; final when rendered."""
        declared = sorted(self._pods_jobs.keys() - self._agent_jobs)
        must_exist = (*(job.name for job in (*self._cluster_jobs, *self._probes())), *declared)
        members = self._alertmanager
        return Evaluator(
            interval=self._scrape.interval,
            job=self.name,
            replicas=self.replicas,
            jobs=must_exist,
            alertmanager_job=members.name if members else None,  # under which `send_alerts_to` scrapes it
            alertmanagers=members.replicas if members else 0,
            agent_jobs=tuple(sorted(self._agent_jobs)),
            collector_jobs=tuple(sorted(self._collector_jobs)),
            series=self.resources.memory_limit.count // SERIES,
        )

    @property
    def datasource(self) -> PrometheusSource:
        """As which Grafana asks it: behind their Service, since a caller stays with one server."""
        return PrometheusSource(endpoint=self.web, name=self.name, interval=self._scrape.interval)

    @property
    def groups(self) -> tuple[RuleGroup, ...]:
        """The rule groups that were added, by name.

        Raises:
            ConstructError: two different ones of a name.
        """
        groups: dict[str, RuleGroup] = {}
        for each in self._rules:
            group = each if isinstance(each, RuleGroup) else each(self.evaluator)
            if groups.setdefault(group.name, group) != group:
                raise ConstructError(f"there are two different rule groups {group.name!r}: rename one")
        return tuple(groups[name] for name in sorted(groups))

    def scrape(
        self,
        endpoint: Endpoint,
        *,
        job: str | None = None,
        limits: Limits | None = None,
        basic_auth: BasicAuth | None = None,
    ) -> None:
        """Scrape every pod behind an endpoint, and open the network to it, on both sides where both are ours.

        Args:
            endpoint: Of a component, or of another release.
            job: The label `job` of the series; the Service's name when absent.
            limits: What one pod may send; the defaults of the scrape when absent.
            basic_auth: What it wants to know of who scrapes it. Without its Secret it is down, and nothing else.
        """
        self._add(
            discovery.PodsJob(
                job=job or endpoint.service,
                pods=endpoint.pods,
                ports=PortRange.only(endpoint.port.number),
                honor_labels=endpoint.honor_labels,
                limits=limits,
                basic_auth=basic_auth,
            )
        )
        if basic_auth:
            secret = basic_auth.password.secret
            files = SecretFiles(secret, optional=True)
            self.mount(Mount(source=files, path=f"{CREDENTIALS}/{secret}"), into=PROMETHEUS)
        self.connect_to(endpoint)

    def scrape_pods(self, job: discovery.PodsJob) -> None:
        """Scrape declared pods, which are in no other job then, and open the network to them, on this side.

        Raises:
            ConstructError: another job of the same name.
        """
        self._add(job)
        self.allow(Destination.pods(job.pods, job.ports))

    def scrape_annotated(self, annotated: discovery.Annotated) -> None:
        """Scrape what is annotated in the namespaces that opted in, and open the network to exactly those.

        Raises:
            ConstructError: a second declaration that differs.
        """
        if self._annotated not in {None, annotated}:
            raise ConstructError(f"{self.name} scrapes annotated pods twice, differently: declare it once")
        self._annotated = annotated
        self._need_cluster_role()
        self.allow(Destination.opted_in(self.namespace, annotated.ports))

    def scrape_cluster(self, limits: Limits = discovery.INFRASTRUCTURE) -> None:
        """Scrape the API server, and every node's kubelet and containers.

        Args:
            limits: What one of them may send; an API server sends the more, the more kinds of objects there are.
        Raises:
            ConstructError: a second declaration that differs.
        """
        cluster = self.namespace.cluster
        jobs = (discovery.api_server(limits), *discovery.nodes(cluster, limits))
        if self._cluster_jobs not in {(), jobs}:
            raise ConstructError(f"{self.name} scrapes the cluster twice, with different limits: declare it once")
        self._cluster_jobs = jobs
        self._need_cluster_role()
        self.allow(Destination.kubelets(cluster))

    def send_alerts_to(self, alertmanager: Alertmanager) -> None:
        """Tell every member of an Alertmanager of every alert, scrape each, and open the network to it, on both sides.

        Behind their Service, only one of them would hear: https://github.com/prometheus/alertmanager#high-availability

        Raises:
            ConstructError: another Alertmanager: the members of one tell each other what was sent, two never do.
        """
        if self._alertmanager not in {None, alertmanager}:
            raise ConstructError(f"{self.name} sends alerts to two Alertmanagers, so each would come twice: keep one")
        self._alertmanager = alertmanager
        self.scrape(alertmanager.web)
        for member in alertmanager.members_at_web:
            self.connect_to(member)

    def probe(self, exporter: BlackboxExporter, *hosts: ProbedHost) -> None:
        """Let an exporter ask hosts outside whether they answer, scrape it, and open the network all the way.

        Raises:
            ConstructError: another exporter, a timeout that ends after the scrape, or what the exporter refuses.
        """
        if self._exporter not in {None, exporter}:
            raise ConstructError(f"{self.name} probes through two exporters, {exporter.name} is the second: keep one")
        most = self._scrape.scrape_timeout - OFFSET
        for host in hosts:
            if host.module.timeout > most:
                raise ConstructError(
                    f"the module {host.module.name} may take {prometheus_duration(host.module.timeout)}, but the "
                    f"scrapes of {self.name} end after {prometheus_duration(self._scrape.scrape_timeout)}: use up to "
                    f"{prometheus_duration(most)}"
                )
            exporter.add_host(host)
            self._hosts.add(host)
        self._exporter = exporter
        self.scrape(exporter.metrics)

    def add_rules(self, *rules: RuleGroup | Callable[[Evaluator], RuleGroup]) -> None:
        """Evaluate rule groups; every job that they name must be scraped.

        Args:
            rules: Groups, or functions such as `observability` that make one for whoever evaluates it: they are called
                when rendered, when all jobs are known.
        Raises:
            ConstructError: when rendered, another group of the same name, or a job that nothing scrapes.
        """
        self._rules += [each for each in rules if each not in self._rules]

    def read_collected(self, *, rules: str, jobs: str) -> None:
        """Also read files that somebody else in the pod writes.

        Args:
            rules: Pattern of paths of rule files.
            jobs: Likewise, of files of scrape jobs.
        """
        self._collected = {"rules": rules, "jobs": jobs}

    def scrape_agent(self, endpoint: Endpoint, *, job: str) -> None:
        """Scrape what works beside servers; where it is missing, nobody is woken for that alone.

        Args:
            endpoint: Of a component.
            job: The label `job` of the series.
        """
        self._agent_jobs.add(job)
        self.scrape(endpoint, job=job)

    def scrape_collector(self, endpoint: Endpoint, *, job: str) -> None:
        """Likewise, scrape what brings in other teams' releases: without it, what was live is live."""
        self._collector_jobs.add(job)
        self.scrape_agent(endpoint, job=job)

    def _add(self, job: discovery.PodsJob) -> None:
        for other in self._pods_jobs.values():
            if other == job:
                return
            if other.job == job.job:
                raise ConstructError(
                    f"the scrape job {job.job!r} is declared twice, differently: give each its own name"
                )
            if other.pods == job.pods and other.ports.overlaps(job.ports):
                raise ConstructError(f"the jobs {other.job!r} and {job.job!r} scrape the same pods and ports: keep one")
        self._pods_jobs[job.job] = job
        if job.pods.namespace != self.namespace.name:
            self._need_cluster_role()

    def _jobs(self) -> list[ScrapeJob]:
        dedicated, limits = sorted(self._pods_jobs.values(), key=lambda job: job.job), self._scrape.limits
        annotated = self._annotated.to_scrape_jobs(self.namespace.name, dedicated, limits) if self._annotated else ()
        return [
            *self._cluster_jobs,
            *(job.to_scrape_job(limits) for job in dedicated),
            *self._probes(),
            *annotated,
        ]

    def _probes(self) -> tuple[ScrapeJob, ...]:
        if self._exporter is None or not self._hosts:
            return ()
        return (discovery.probes(self._exporter.metrics, self._hosts, self._scrape.limits),)

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
                # A query of more samples than fit into a quarter of what is promised fails, and not the server.
                f"--query.max-samples={resources.memory.count // 4 // SAMPLE}",
                # Rules wait for the same places as queries: who takes one for long keeps the platform's waiting.
                f"--query.timeout={prometheus_duration(QUERY_TIMEOUT)}",
                # Pages ask for notifications instead of keeping an answer open, which a controller may hold back.
                "--web.max-notifications-subscribers=0",
                "--enable-feature=exemplar-storage",
            ),
            ports=(WEB,),
            environment={"POD_NAME": FieldOfPod("metadata.name")},
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
        return f"{self.name}-{suffix}"

    def _make_files(self) -> None:
        cluster = self.namespace.cluster

        def config() -> Mapping[str, str]:
            document = PrometheusConfig(
                scrape=self._scrape,
                external_labels=cluster.labels,
                retention_time=self.retention.time,
                retention_size=self.volume.size.scaled(self.retention.share_of_volume),
                rule_files=(f"{RULES}/*.yaml", *filter(None, [self._collected.get("rules")])),
                job_files=tuple(filter(None, [self._collected.get("jobs")])),
                alertmanagers=tuple(
                    member.address for member in (self._alertmanager.members_at_web if self._alertmanager else ())
                ),
                jobs=self._jobs(),
            )
            return {"prometheus.yml": to_yaml(document.to_dict())}

        def rules() -> Mapping[str, str]:
            scraped = {job.name for job in self._jobs()}
            groups = self.groups
            for group in groups:
                group.refuse_unknown_jobs(scraped)
            return {f"{group.name}.yaml": to_yaml(group.to_dict(self._links.runbooks)) for group in groups}

        for suffix, files in (("config", config), ("rules", rules)):
            ConfigMap(
                self,
                suffix,
                name=self._file_name(suffix),
                namespace=self.namespace.name,
                labels=self.labels,
                files=files,
            )

    def _make_role(self) -> None:
        """What discovery reads in the own namespace."""
        own = (self.namespace.name,)
        grant(self, lambda: _rights(job for job in self._jobs() if job.discovery.namespaces == own))

    def _need_cluster_role(self) -> None:
        """What discovery reads elsewhere, and what the scrapes of the cluster itself read."""
        if self._has_cluster_role:
            return
        self._has_cluster_role = True
        own = (self.namespace.name,)
        grant_everywhere(self, lambda: _rights(job for job in self._jobs() if job.discovery.namespaces != own))


def _rights(jobs: Iterable[ScrapeJob]) -> Rules:
    """Exactly what some jobs need: discovery lists and watches, scrapes with a token get."""
    concerned = list(jobs)
    rules = to_watch(right for job in concerned for right in job.discovery.rights())
    reads = {job.tls.reads for job in concerned if job.tls}
    if "nodes/metrics" in reads:
        rules.append({"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]})
    if "/metrics" in reads:
        rules.append({"nonResourceURLs": ["/metrics"], "verbs": ["get"]})
    return rules
