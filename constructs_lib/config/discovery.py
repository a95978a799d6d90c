"""The scrape jobs of any cluster, of declared pods, of what carries the annotations `prometheus.io/...`, and of hosts.

Each target belongs to exactly one job: a dedicated job wins over the pod's annotation, that over its Service's. Within
a job, Prometheus takes targets with the same address and labels for one; so labels that differ between the containers,
ports or Services of one pod are left out.

Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#kubernetes_sd_config
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from constructs_lib.config.blackbox import ProbedHost
from constructs_lib.config.prometheus import (
    BasicAuth,
    ClusterTls,
    KubernetesDiscovery,
    Limits,
    Relabel,
    ScrapeJob,
    StaticTargets,
    drop,
    drop_equal,
    drop_label,
    keep,
    literally,
    replace,
)
from constructs_lib.contract import MONITORED_BY, NAME, ORIGIN, Cluster, Endpoint, Pods, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

API_SERVER, KUBELET, CADVISOR = "apiserver", "kubelet", "cadvisor"
ANNOTATED_PODS, ANNOTATED_SERVICES = "annotated-pods", "annotated-services"
BLACKBOX = "blackbox"
# A control plane, or a node with a hundred pods, sends more than an application may.
INFRASTRUCTURE = Limits(samples=200_000, body=Bytes.mib(256))
# What kube-prometheus drops too: histograms with thousands of series that no rule or dashboard of the field reads.
# https://github.com/prometheus-operator/kube-prometheus/tree/main/jsonnet/kube-prometheus/addons
API_SERVER_NOISE = (
    "apiserver_(request_sli|request_slo|request_body_size|response_sizes|watch_events_sizes|watch_list).*_bucket",
    "apiserver_(admission_step|admission_controller|flowcontrol|storage)_.*_bucket",
    "etcd_request_duration_seconds_bucket",
    "(workqueue|rest_client|authentication|authorization)_.*_bucket",
)
KUBELET_NOISE = ("(storage_operation|csi_operations|rest_client|workqueue|kubelet_http_requests)_.*_bucket",)
CADVISOR_NOISE = (
    "container_(network_(tcp|udp|advance_tcp)_.*|tasks_state|memory_failures_total|blkio_.*|spec_.*|last_seen)",
)


def meta(kind: str, name: str) -> str:
    """The meta label of an object's field, label or annotation; its name loses what label names cannot hold."""
    return f"__meta_kubernetes_{kind}_{re.sub('[^a-zA-Z0-9_]', '_', name)}"


def annotation(kind: str, name: str) -> str:
    """The meta label of the annotation `prometheus.io/<name>` of a pod or a service."""
    return meta(f"{kind}_annotation", f"prometheus.io/{name}")


# Names by which a target would speak for Prometheus: of its own series of a scrape, of alerts, and of recordings.
FORGED = ("up", "scrape_.+", "ALERTS.*", ".*:.*")
# Whatever a pod says of itself, it does not come from another team's release.
NOT_OF_TEAMS = (replace(f"exported_{ORIGIN}", ORIGIN, regex="(.+)"), drop_label(ORIGIN))
NAMESPACE, POD, POD_IP = "__meta_kubernetes_namespace", meta("pod", "name"), meta("pod", "ip")
RUNNING = (keep(meta("pod", "phase"), regex="Running"), drop(meta("pod", "container_init"), regex="true"))
# No policy that names pods opens the way to one with its node's address.
OWN_ADDRESS = drop_equal(POD_IP, meta("pod", "host_ip"))
POD_LABELS = (
    replace("namespace", NAMESPACE),
    replace("pod", POD),
    replace("node", meta("pod", "node_name")),
    replace("app", meta("pod_label", NAME)),
)


def number_range(first: int, last: int) -> str:
    """A pattern of the decimal numbers from `first` to `last`: relabeling can match, but not compare."""
    parts = []
    while first <= last:
        free = 0  # so many last digits may be anything without leaving the range
        while first % 10 ** (free + 1) == 0 and first and first + 10 ** (free + 1) - 1 <= last:
            free += 1
        head, low = divmod(first // 10**free, 10)
        high = min(9, low + (last - first + 1) // 10**free - 1)
        parts.append(f"{head or ''}[{low}-{high}]" + "[0-9]" * free)
        first += (high - low + 1) * 10**free
    return "|".join(parts)


def pod_address(port: str) -> tuple[Relabel, ...]:
    """Set the address from the pod's own, which may be IPv6, and a port: a number, or the meta label that holds it."""
    sources, suffix, number = ((POD_IP,), "", port) if port.isdecimal() else ((POD_IP, port), r";(\d+)", "$2")
    return (
        replace("__address__", *sources, regex=rf"([^:;]+){suffix}", replacement=f"$1:{number}"),
        replace("__address__", *sources, regex=rf"([^;]*:[^;]*){suffix}", replacement=f"[$1]:{number}"),
    )


def in_range(ports: PortRange) -> Relabel:
    """Keep what listens where the network is open."""
    return keep("__address__", regex=rf".+:({number_range(ports.first, ports.last)})")


def path_annotation(kind: str) -> Relabel:
    """Set the path of the metrics where the annotation says one."""
    return replace("__metrics_path__", annotation(kind, "path"), regex="(/.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodsJob:
    """The scrape of declared pods.

    Args:
        job: The label `job` of their series.
        pods: Which ones.
        ports: The port of the metrics; of several, the one that the pod's annotation `prometheus.io/port` names.
        path: Of the metrics; where there are several ports, the annotation `prometheus.io/path` can say another.
        honor_labels: Whether the series' own labels win over those of the target, which has none of its pod then.
        limits: What one target may send; the defaults of the scrape when absent.
        basic_auth: What the pods want to know of who scrapes them.
    Raises:
        ConstructError: no name.
    """

    job: str
    pods: Pods
    ports: PortRange
    path: str = "/metrics"
    honor_labels: bool = False
    limits: Limits | None = None
    basic_auth: BasicAuth | None = None

    def __post_init__(self) -> None:
        if not self.job:
            raise ConstructError(f"the scrape job of {self.pods} has no name: give it one")

    @property
    def selection(self) -> tuple[tuple[str, ...], str]:
        """The meta labels that tell these pods from all others, and the pattern of their values."""
        labels = tuple(meta("pod_label", name) for name, _ in self.pods.labels)
        return (NAMESPACE, *labels), literally(self.pods.namespace, *(value for _, value in self.pods.labels))

    def to_scrape_job(self, defaults: Limits) -> ScrapeJob:
        labels, pattern = self.selection
        if self.ports.is_single:
            address = pod_address(str(self.ports.first))
        else:
            address = (*pod_address(annotation("pod", "port")), path_annotation("pod"), in_range(self.ports))
        return ScrapeJob(
            name=self.job,
            discovery=KubernetesDiscovery(role="pod", namespaces=(self.pods.namespace,)),
            # What speaks of other pods must not look as if it spoke of its own where it names none.
            relabelings=(keep(*labels, regex=pattern), *RUNNING, *address, *(() if self.honor_labels else POD_LABELS)),
            path=self.path,
            honor_labels=self.honor_labels,
            limits=self.limits or defaults,
            basic_auth=self.basic_auth,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """The scrape of what carries `prometheus.io/scrape: "true"`, in namespaces that opted in.

    A namespace opts in by the label `constructs-lib/monitored-by`, whose value is the monitoring's own namespace.
    `prometheus.io/port` names the port, else each declared one counts; `prometheus.io/path` names the path.

    Args:
        ports: Where the network is open; what listens elsewhere is not discovered.
        limits: What one target may send; the defaults of the scrape when absent.
    """

    ports: PortRange
    limits: Limits | None = None

    def to_scrape_jobs(
        self, monitoring: str, dedicated: Iterable[PodsJob], defaults: Limits
    ) -> tuple[ScrapeJob, ScrapeJob]:
        """The job of pods and that of Services, less what has a dedicated job."""
        opted_in = keep(meta("namespace_label", MONITORED_BY), regex=literally(monitoring))
        taken = [drop(*labels, regex=pattern) for labels, pattern in (job.selection for job in dedicated)]
        pods = (
            opted_in,
            keep(annotation("pod", "scrape"), regex="true"),
            *RUNNING,
            OWN_ADDRESS,
            *taken,
            *pod_address(annotation("pod", "port")),
            path_annotation("pod"),
            in_range(self.ports),
            *POD_LABELS,
        )
        services = (
            opted_in,
            keep(annotation("service", "scrape"), regex="true"),
            drop(annotation("pod", "scrape"), regex="true"),
            *RUNNING,  # and so no endpoint that is no pod
            OWN_ADDRESS,
            *taken,
            # Discovery adds the pod's other ports to those of the Service: without an annotation only the latter count.
            drop(annotation("service", "port"), meta("endpointslice", "port"), regex=";"),
            replace(
                "__address__",
                "__address__",
                annotation("service", "port"),
                regex=r"(.+?)(?::\d+)?;(\d+)",
                replacement="$1:$2",
            ),
            path_annotation("service"),
            in_range(self.ports),
            *POD_LABELS,
        )
        return (
            ScrapeJob(
                name=ANNOTATED_PODS,
                discovery=KubernetesDiscovery(role="pod", attach_namespace=True),
                relabelings=pods,
                dropped_metrics=FORGED,
                metric_relabelings=NOT_OF_TEAMS,
                limits=self.limits or defaults,
            ),
            ScrapeJob(
                name=ANNOTATED_SERVICES,
                discovery=KubernetesDiscovery(role="endpointslice", attach_namespace=True),
                relabelings=services,
                dropped_metrics=FORGED,
                metric_relabelings=NOT_OF_TEAMS,
                limits=self.limits or defaults,
            ),
        )


def api_server(limits: Limits = INFRASTRUCTURE) -> ScrapeJob:
    """The API server, by every endpoint of its Service; schedulers and controllers are out of reach on EKS."""
    return ScrapeJob(
        name=API_SERVER,
        discovery=KubernetesDiscovery(role="endpointslice", namespaces=("default",)),
        relabelings=(keep(meta("service", "name"), meta("endpointslice", "port_name"), regex="kubernetes;https"),),
        tls=ClusterTls(server_name="kubernetes.default.svc", reads="/metrics"),
        dropped_metrics=API_SERVER_NOISE,
        limits=limits,
    )


def nodes(cluster: Cluster, limits: Limits = INFRASTRUCTURE) -> tuple[ScrapeJob, ScrapeJob]:
    """Every node's kubelet, and the containers that it counts (cAdvisor)."""
    tls = ClusterTls(verify=cluster.signed_kubelets, reads="nodes/metrics")
    discovery, labels = KubernetesDiscovery(role="node"), (replace("node", meta("node", "name")),)
    return (
        ScrapeJob(
            name=KUBELET,
            discovery=discovery,
            relabelings=labels,
            tls=tls,
            dropped_metrics=KUBELET_NOISE,
            limits=limits,
        ),
        ScrapeJob(
            name=CADVISOR,
            discovery=discovery,
            relabelings=labels,
            path="/metrics/cadvisor",
            tls=tls,
            dropped_metrics=CADVISOR_NOISE,
            honor_timestamps=False,  # the times of its cache: a container that is gone would linger
            limits=limits,
        ),
    )


def probes(exporter: Endpoint, hosts: Iterable[ProbedHost], limits: Limits) -> ScrapeJob:
    """Hosts outside, each asked by the exporter for every scrape: `instance` is the URL, not the exporter's address.

    Source: https://github.com/prometheus/blackbox_exporter/blob/v0.28.0/README.md#prometheus-configuration
    """
    urls: dict[str, list[str]] = {}
    for host in hosts:
        urls.setdefault(host.module_name, []).append(host.url)
    target = "__param_target"
    return ScrapeJob(
        name=BLACKBOX,
        discovery=StaticTargets(
            groups=tuple(({"__param_module": module}, tuple(sorted(those))) for module, those in sorted(urls.items()))
        ),
        relabelings=(
            replace(target, "__address__"),
            replace("instance", target),
            replace("__address__", replacement=exporter.address),
        ),
        path="/probe",
        limits=limits,
    )
