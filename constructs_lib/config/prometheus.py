"""Prometheus' configuration as typed data.

Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from constructs_lib.config.secrets import SecretKey
from constructs_lib.errors import ConstructError
from constructs_lib.promql import REPLICA_LABEL
from constructs_lib.units import Bytes, prometheus_duration

CREDENTIALS = "/etc/prometheus/credentials"
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# By the roles of service discovery: what the API server is asked for (list and watch).
CORE, DISCOVERY = "", "discovery.k8s.io"
RIGHTS_BY_ROLE = {
    "node": {(CORE, "nodes")},
    "pod": {(CORE, "pods")},
    "endpointslice": {(DISCOVERY, "endpointslices"), (CORE, "services"), (CORE, "pods")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one target may send at most; a target over a limit is refused whole, and an alert says so.

    Args:
        samples: Per scrape.
        labels: Per series.
        label_value_length: In bytes.
        body: The size of one answer, uncompressed.
    Raises:
        ConstructError: a limit below 1, which Prometheus takes for "no limit".
    """

    samples: int = 10_000
    labels: int = 64
    label_value_length: int = 4096
    body: Bytes = field(default=Bytes.mib(32))

    def __post_init__(self) -> None:
        for name in ("samples", "labels", "label_value_length"):
            if getattr(self, name) < 1:
                raise ConstructError(
                    f"the limit of {name} is {getattr(self, name)}, which would mean none: use 1 or more"
                )
        if self.body < Bytes.mib(1):
            raise ConstructError(f"the limit of an answer's size is {self.body}: use 1Mi or more")

    def to_dict(self) -> dict[str, Any]:
        return {
            "sample_limit": self.samples,
            "label_limit": self.labels,
            "label_value_length_limit": self.label_value_length,
            "body_size_limit": self.body.prometheus(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeDefaults:
    """How often targets are scraped and rules evaluated.

    Args:
        interval: Between two scrapes of a target, and between two evaluations of a rule.
        timeout: Of one scrape; when absent, 10 seconds or the interval, whichever is shorter.
        limits: Of applications' targets whose job says nothing else.
    Raises:
        ConstructError: a timeout longer than the interval, or an interval that makes series stale between two scrapes.
    """

    interval: timedelta = timedelta(seconds=15)
    timeout: timedelta | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        spelled = prometheus_duration(self.interval)
        if not timedelta(seconds=1) <= self.interval <= timedelta(minutes=2):
            raise ConstructError(
                f"the scrape interval is {spelled}: use 1s to 2m, since a series is stale when it misses samples for 5m"
            )
        if not timedelta(0) < self.scrape_timeout <= self.interval:
            raise ConstructError(
                f"the scrape timeout is {prometheus_duration(self.scrape_timeout)}, the interval {spelled}: "
                "use a timeout above 0 and up to the interval"
            )

    @property
    def scrape_timeout(self) -> timedelta:
        """How long a scrape may take."""
        return min(timedelta(seconds=10), self.interval) if self.timeout is None else self.timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel:
    """One step of relabeling; made by `keep`, `drop` and `replace`."""

    action: Literal["keep", "drop", "dropequal", "labeldrop", "replace"]
    source_labels: tuple[str, ...] = ()
    regex: str | None = None
    target_label: str | None = None
    replacement: str | None = None

    def to_dict(self) -> dict[str, Any]:
        fields = {
            "action": self.action,
            "source_labels": list(self.source_labels) or None,
            "regex": self.regex,
            "target_label": self.target_label,
            "replacement": self.replacement,
        }
        return {name: value for name, value in fields.items() if value is not None}


def keep(*source_labels: str, regex: str) -> Relabel:
    """Keep targets whose labels, joined by `;`, match as a whole."""
    return Relabel(action="keep", source_labels=source_labels, regex=regex)


def drop(*source_labels: str, regex: str) -> Relabel:
    """Drop targets whose labels, joined by `;`, match as a whole."""
    return Relabel(action="drop", source_labels=source_labels, regex=regex)


def replace(target: str, *source_labels: str, regex: str | None = None, replacement: str | None = None) -> Relabel:
    """Set a label from others where they match."""
    return Relabel(
        action="replace", source_labels=source_labels, regex=regex, target_label=target, replacement=replacement
    )


def drop_equal(source_label: str, other_label: str) -> Relabel:
    """Drop targets that have the same value in two labels, or none in both."""
    return Relabel(action="dropequal", source_labels=(source_label,), target_label=other_label)


def drop_label(name: str) -> Relabel:
    """Take a label away."""
    return Relabel(action="labeldrop", regex=name)


def literally(*values: str) -> str:
    """A pattern that matches exactly these values, joined as relabeling joins them."""
    return ";".join(re.escape(value) for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesDiscovery:
    """Where targets come from.

    Args:
        role: What becomes a target.
        namespaces: Only in these; in all when empty.
        attach_namespace: Whether relabeling needs the labels of the namespace.
    """

    role: Literal["node", "pod", "endpointslice"]
    namespaces: tuple[str, ...] = ()
    attach_namespace: bool = False

    def rights(self) -> set[tuple[str, str]]:
        """What its watches read, as pairs of API group and resource."""
        return RIGHTS_BY_ROLE[self.role] | ({(CORE, "namespaces")} if self.attach_namespace else set())

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {"role": self.role}
        if self.namespaces:
            body["namespaces"] = {"names": list(self.namespaces)}
        if self.attach_namespace:
            body["attach_metadata"] = {"namespace": True}
        return body

    def configurations(self) -> dict[str, Any]:
        """As a part of the job."""
        return {"kubernetes_sd_configs": [self.to_dict()]}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticTargets:
    """Targets that nobody needs to discover.

    Args:
        groups: Targets that have labels in common, each after these labels.
    """

    namespaces: ClassVar[tuple[str, ...]] = ()

    groups: tuple[tuple[Mapping[str, str], tuple[str, ...]], ...]

    def rights(self) -> set[tuple[str, str]]:
        """Nothing is read of the API server."""
        return set()

    def configurations(self) -> dict[str, Any]:
        """As a part of the job."""
        return {
            "static_configs": [{"targets": list(targets), "labels": dict(labels)} for labels, targets in self.groups]
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterTls:
    """HTTPS with the service account's token, as the API server and the kubelets want it.

    Args:
        server_name: The name that the certificate must bear; the target's address when absent.
        verify: Whether the certificate must be signed by the cluster's authority.
        resource: The subresource of nodes, or the path of the API server, that must be allowed for reading.
    """

    server_name: str | None = None
    verify: bool = True
    reads: Literal["nodes/metrics", "/metrics"]

    def to_dict(self) -> dict[str, Any]:
        tls: dict[str, Any] = {"ca_file": f"{SERVICE_ACCOUNT}/ca.crt"}
        if self.server_name:
            tls["server_name"] = self.server_name
        if not self.verify:
            tls["insecure_skip_verify"] = True
        return {
            "scheme": "https",
            "tls_config": tls,
            "authorization": {"credentials_file": f"{SERVICE_ACCOUNT}/token"},
        }


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user and a password, by which a target lets itself be scraped.

    Args:
        user: By name.
        password: Read for each scrape, so that another one needs no restart.
    Raises:
        ConstructError: no name, or one with a colon, after which the password would begin.
    Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config
    """

    user: str
    password: SecretKey

    def __post_init__(self) -> None:
        if not self.user or ":" in self.user:
            raise ConstructError(f"{self.user!r} cannot be the user of a target: use a name without a colon")

    def to_dict(self) -> dict[str, Any]:
        return {"basic_auth": {"username": self.user, "password_file": self.password.path_below(CREDENTIALS)}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeJob:
    """One job: where its targets come from, which of them it keeps, and what they may send.

    Args:
        name: The label `job` of its series.
        discovery: Where targets come from.
        relabelings: In order; a target must end up in one job only.
        path: Of the metrics.
        tls: For targets that want HTTPS with the service account's token.
        basic_auth: For targets that want a password.
        dropped_metrics: Patterns of names that are not kept.
        metric_relabelings: Of the series that are kept, in order.
        honor_labels: Whether the series' own labels win over those of the target, as kube-state-metrics needs it.
        honor_timestamps: Off for targets that stamp samples with times of their own, such as cAdvisor.
        limits: What one target may send.
        targets: How many there may be; with more, all of them fail. None for any number.
    """

    name: str
    discovery: KubernetesDiscovery | StaticTargets
    relabelings: tuple[Relabel, ...] = ()
    path: str = "/metrics"
    tls: ClusterTls | None = None
    basic_auth: BasicAuth | None = None
    dropped_metrics: tuple[str, ...] = ()
    metric_relabelings: tuple[Relabel, ...] = ()
    honor_labels: bool = False
    honor_timestamps: bool = True
    limits: Limits
    targets: int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ConstructError("a scrape job has the name '', which Prometheus refuses: give it one")

    def to_dict(self) -> dict[str, Any]:
        return {
            "job_name": self.name,
            "metrics_path": self.path,
            "follow_redirects": False,  # a target would lead to what only Prometheus may ask, or to itself
            **({"honor_labels": True} if self.honor_labels else {}),
            **({} if self.honor_timestamps else {"honor_timestamps": False}),
            # A target that names no content type would otherwise fail: https://prometheus.io/docs/prometheus/latest/migration/
            "fallback_scrape_protocol": "PrometheusText0.0.4",
            **self.limits.to_dict(),
            **({} if self.targets is None else {"target_limit": self.targets}),
            **(self.tls.to_dict() if self.tls else {}),
            **(self.basic_auth.to_dict() if self.basic_auth else {}),
            **self.discovery.configurations(),
            "relabel_configs": [step.to_dict() for step in self.relabelings],
            **({"metric_relabel_configs": kept} if (kept := self._kept()) else {}),
        }

    def _kept(self) -> list[dict[str, Any]]:
        dropping = [drop("__name__", regex="|".join(self.dropped_metrics))] if self.dropped_metrics else []
        return [step.to_dict() for step in (*dropping, *self.metric_relabelings)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusConfig:
    """The whole file `prometheus.yml`.

    Args:
        scrape: Interval, timeout.
        external_labels: Put on everything that leaves: alerts, blocks. `replica` is added, from the pod's name.
        retention_time: How long samples stay on local disk.
        retention_size: How much they may take there.
        rule_files: Patterns of paths.
        job_files: Likewise, of files with further jobs, whose names must differ from all others.
        alertmanagers: Host and port of every member, each of which hears of every alert.
        jobs: By which all targets are found.
    Raises:
        ConstructError: two jobs of the same name.
    """

    scrape: ScrapeDefaults
    external_labels: Mapping[str, str]
    retention_time: timedelta
    retention_size: Bytes
    rule_files: tuple[str, ...]
    job_files: tuple[str, ...] = ()
    alertmanagers: tuple[str, ...] = ()
    jobs: Iterable[ScrapeJob]

    def to_dict(self) -> dict[str, Any]:
        names = [job.name for job in self.jobs]
        for name in names:
            if names.count(name) > 1:
                raise ConstructError(
                    f"there are {names.count(name)} scrape jobs of the name {name!r}: give each its own"
                )
        return {
            "global": {
                "scrape_interval": prometheus_duration(self.scrape.interval),
                "scrape_timeout": prometheus_duration(self.scrape.scrape_timeout),
                "evaluation_interval": prometheus_duration(self.scrape.interval),
                "extra_scrape_metrics": True,  # scrape_sample_limit, which an alert compares with
                # The pod's name reaches the process as an environment variable; an undefined one would become "".
                "external_labels": {**self.external_labels, REPLICA_LABEL: "${POD_NAME}"},
            },
            # Every replica evaluates every rule: without its label, two alerts are the same one.
            "alerting": {"alert_relabel_configs": [{"action": "labeldrop", "regex": REPLICA_LABEL}], **self._members()},
            "storage": {
                "tsdb": {
                    "retention": {
                        "time": prometheus_duration(self.retention_time),
                        "size": self.retention_size.prometheus(),
                    }
                }
            },
            "rule_files": list(self.rule_files),
            **({"scrape_config_files": list(self.job_files)} if self.job_files else {}),
            "scrape_configs": [job.to_dict() for job in self.jobs],
        }

    def _members(self) -> dict[str, Any]:
        if not self.alertmanagers:
            return {}
        return {"alertmanagers": [{"static_configs": [{"targets": list(self.alertmanagers)}]}]}
