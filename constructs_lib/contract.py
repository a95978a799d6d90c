"""What releases that never see each other's code must agree on: labels, ports, doors, and the facts of a cluster.

Plain data, standard library only: a team's own app, the AWS half and a test read it alike.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.names import LABEL_NAME, LABEL_VALUE, cidr, dns_label, object_name

# https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
VERSION = "app.kubernetes.io/version"
MANAGED_BY = "app.kubernetes.io/managed-by"
# Set by Kubernetes itself on every namespace.
NAMESPACE_NAME = "kubernetes.io/metadata.name"
# A namespace opts in to being monitored by carrying this label; its value is the namespace of the monitoring that
# may come in, so that two of them can share a cluster.
MONITORED_BY = "constructs-lib/monitored-by"
# And whose it is: who hears of alerts that come from it; its own name where it has none.
TEAM_OF_NAMESPACE = "constructs-lib/team"
# The label of all series and alerts that come from another team's release: its namespace.
ORIGIN = "origin"
# Beginnings and ends of names of buckets that S3 keeps for itself.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
TAKEN_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
TAKEN_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


# The names of components that both halves know by default.
PROMETHEUS, LOKI, GRAFANA_BACKUP, RESTORE_DRILL = "prometheus", "loki", "grafana-backup", "restore-drill"
# What a site must replace in the names of its buckets, which are of all of AWS: CloudFormation refuses it.
PLACEHOLDER = "replace-me"


class Transport(StrEnum):
    """The protocols that a NetworkPolicy tells apart here."""

    TCP = "TCP"
    UDP = "UDP"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Port:
    """A port of a component, named as its Service and its containers name it.

    Args:
        name: Up to 15 characters.
        number: 1 to 65535.
    Raises:
        ConstructError: a name or number that Kubernetes refuses.
    """

    name: str
    number: int
    transport: Transport = Transport.TCP

    def __post_init__(self) -> None:
        dns_label(self.name, of="a port's name", limit=15)
        if "--" in self.name:
            raise ConstructError(f"{self.name!r} cannot be a port's name: use single dashes only")
        PortRange(self.number, self.number)


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports from `first` to `last`, both included.

    Args:
        first: 1 to 65535.
        last: Not below the first.
    Raises:
        ConstructError: a port out of range, or an empty range.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        for number in (self.first, self.last):
            if not 1 <= number <= 65535:
                raise ConstructError(f"{number} is not a port: use 1 to 65535")
        if self.last < self.first:
            raise ConstructError(f"the port range {self.first} to {self.last} is empty: give the lower port first")

    @classmethod
    def only(cls, number: int) -> "PortRange":
        """A single port."""
        return cls(number, number)

    @property
    def is_single(self) -> bool:
        return self.first == self.last

    def overlaps(self, other: "PortRange") -> bool:
        """Whether a port is in both."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True, order=True)
class Pods:
    """Pods of one namespace that carry all of some labels.

    Args:
        namespace: Where they run.
        labels: Pairs of label and value, at least one.
    Raises:
        ConstructError: no label at all, which would mean every pod.
    """

    namespace: str
    labels: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        dns_label(self.namespace, of="a namespace")
        for name, value in self.labels:
            if not re.fullmatch(LABEL_NAME, name) or not re.fullmatch(LABEL_VALUE, value):
                raise ConstructError(
                    f"{name!r} with the value {value!r} cannot be a pod's label: use letters, digits, dots, dashes and "
                    "underscores, up to 63, and a prefix with a slash for the name if you like"
                )
        if not self.labels:
            raise ConstructError(
                f"pods of {self.namespace} are selected by no label, which means all: give at least one"
            )

    @classmethod
    def named(cls, namespace: str, name: str) -> "Pods":
        """Pods by the label `app.kubernetes.io/name` alone."""
        return cls(namespace, ((NAME, name),))

    @classmethod
    def of_component(cls, namespace: str, *, program: str, role: str, instance: str) -> "Pods":
        """Pods of a component of this library, by the three labels that tell it from all others and never change."""
        return cls(namespace, ((NAME, program), (COMPONENT, role), (INSTANCE, instance)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A door of a component: the address, the URL and the policy's port come from here.

    Args:
        pods: Who answers.
        service: The Service in front of them, in their namespace.
        port: Where they listen.
        nodes: Address ranges of the nodes, where the pods share their nodes' network: no policy that names pods opens
            the way to such.
        honor_labels: Whether its metrics are about other objects, whose `pod` and `namespace` win over its own.
    """

    pods: Pods
    service: str
    port: Port
    nodes: tuple[str, ...] = ()
    honor_labels: bool = False

    @property
    def address(self) -> str:
        """Host and port, by the Service's full name."""
        return f"{self.service}.{self.pods.namespace}.svc.cluster.local:{self.port.number}"

    @property
    def url(self) -> str:
        """The address as an HTTP URL."""
        return f"http://{self.address}"

    def admit(self, caller: Pods) -> None:
        """Let a caller in where the door is ours to open; this one belongs to another release, which opens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalHost:
    """A server outside the cluster.

    Args:
        host: Its name, or its address.
        port: Where it listens.
        addresses: The ranges in which its name resolves: a NetworkPolicy knows no names. What is private is left out
            of a range that holds it and more, such as 0.0.0.0/0; a private range by itself is meant.
    Raises:
        ConstructError: no range, or one that is none.
    """

    host: str
    port: int
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        PortRange.only(self.port)
        if not self.addresses:
            raise ConstructError(f"addresses of {self.host} is empty: give the ranges in which its name resolves")
        for value in self.addresses:
            cidr(value, of=f"an address range of {self.host}")

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"


class PodSecurity(StrEnum):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""

    RESTRICTED = "restricted"
    PRIVILEGED = "privileged"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Identity:
    """A service account of a cluster, which may have one role in AWS.

    Args:
        cluster: By name, as EKS knows it.
        namespace: Where the service account is.
        service_account: By name.
    Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
    """

    cluster: str
    namespace: str
    service_account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebIdentity:
    """IAM roles for service accounts, in place of EKS Pod Identity: an account trusts the tokens of a cluster's issuer.

    The issuer is known to the account as a provider, with the audience `sts.amazonaws.com`. Both halves name a role by
    its service account, so neither has to be told what the other one made. Pods ask STS for theirs, at the addresses
    where they reach their buckets.

    Args:
        account: Of the roles: 12 digits.
        issuer: Of the cluster's tokens, as `aws eks describe-cluster` says it, without https://.
        partition: Of AWS: aws-cn in China.
    Raises:
        ConstructError: an account, an issuer or a partition that is none.
    Source: https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html
    """

    account: str
    issuer: str
    partition: str = "aws"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9]{12}", self.account):
            raise ConstructError(f"{self.account!r} cannot be an account of AWS: use its 12 digits")
        # IAM takes neither a port nor a query: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
        if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+(/[a-zA-Z0-9._-]+)*", self.issuer):
            raise ConstructError(
                f"{self.issuer!r} cannot be the issuer of a cluster: use its host and path, without 'https://' and "
                "without a slash at the end, such as 'oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF'"
            )
        if not re.fullmatch(r"aws(-[a-z]+)*", self.partition):
            raise ConstructError(f"{self.partition!r} is no partition of AWS: use 'aws', 'aws-cn' or 'aws-us-gov'")

    @property
    def provider_arn(self) -> str:
        """Of the issuer, as the account knows it."""
        return f"arn:{self.partition}:iam::{self.account}:oidc-provider/{self.issuer}"

    def role_name(self, identity: Identity) -> str:
        """The name of the one role of a service account.

        Raises:
            ConstructError: a name that IAM refuses.
        Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        """
        name = f"{identity.cluster}-{identity.namespace}-{identity.service_account}"
        if not re.fullmatch(r"[a-zA-Z0-9+=,.@_-]{1,64}", name):
            raise ConstructError(
                f"{name!r} of {len(name)} characters cannot be a role of IAM, which takes up to 64 letters, digits and "
                "+=,.@_-: rename the cluster, the namespace or the service account, or leave the roles to EKS Pod "
                "Identity, which needs no names"
            )
        return name

    def role_arn(self, identity: Identity) -> str:
        """The ARN of the one role of a service account.

        Raises:
            ConstructError: a name that IAM refuses.
        """
        return f"arn:{self.partition}:iam::{self.account}:role/{self.role_name(identity)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The facts of a Kubernetes cluster that constructs need: they read no environment.

    Args:
        name: Becomes the external label `cluster`: letters, digits, dots, dashes and underscores.
        environment: Becomes the external label `environment`, likewise.
        api_server: Address ranges under which pods reach the API server: the address of the Service `kubernetes` and
            those of the endpoints behind it, since it depends on the policy engine which of them it sees.
        api_server_port: Of the endpoints: 443 on EKS, often 6443 elsewhere.
        nodes: Address ranges of the nodes, for what runs on the host network.
        dns: Address ranges of a DNS cache outside the pods of kube-dns, such as 169.254.20.10/32 of NodeLocal DNSCache.
        signed_kubelets: Whether the cluster's own authority signs the kubelets' serving certificates, as on EKS; where
            they sign for themselves, as in kind, the scrape cannot verify them.
        registry: A mirror for all images, in place of their own registries: a host, and a path if need be.
        images: Versions or digests of your own, each in place of the image of the same repository.
        pull_secrets: Secrets with the credentials of registries, by name, in each namespace whose pods need them.
        web_identity: Whose tokens AWS trusts, for IAM roles for service accounts; EKS Pod Identity when absent.
    Raises:
        ConstructError: an address range, a port or a name that is none.
    Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
    """

    name: str
    environment: str
    api_server: tuple[str, ...]
    api_server_port: int = 443
    nodes: tuple[str, ...]
    dns: tuple[str, ...] = ()
    signed_kubelets: bool = True
    registry: str | None = None
    images: tuple[Image, ...] = ()
    pull_secrets: tuple[str, ...] = ()
    web_identity: WebIdentity | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Of every alert, whoever evaluates it."""
        return {"cluster": self.name, "environment": self.environment}

    def image(self, image: Image) -> Image:
        """The image that this cluster runs in place of the one that is shipped."""
        return next((own for own in self.images if own.repository == image.repository), image)

    def __post_init__(self) -> None:
        for label in (self.name, self.environment):
            if not re.fullmatch(r"[-a-zA-Z0-9_.]+", label):  # a dollar would be replaced by an environment variable
                raise ConstructError(f"{label!r} cannot be a cluster's label: use letters, digits, dots and dashes")
        for of, ranges in (
            ("the API server's", self.api_server),
            ("the nodes'", self.nodes),
            ("a DNS cache's", self.dns),
        ):
            for value in ranges:
                cidr(value, of=f"{of} address range")
        for of, ranges in (("api_server", self.api_server), ("nodes", self.nodes)):
            if not ranges:
                raise ConstructError(f"{of} of the cluster {self.name} is empty: give at least one address range")
        PortRange.only(self.api_server_port)
        if self.registry is not None and not re.fullmatch(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*", self.registry):
            raise ConstructError(
                f"{self.registry!r} cannot be a registry: use a host, such as 'mirror.example.com/quay'"
            )
        for secret in self.pull_secrets:
            object_name(secret, of="a Secret of a registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A namespace that exists or is made by `Namespaces`, in its cluster.

    Args:
        name: A DNS label.
        level: The Pod Security level that it enforces.
    Raises:
        ConstructError: a name that Kubernetes refuses.
    """

    name: str
    level: PodSecurity = PodSecurity.RESTRICTED
    cluster: Cluster

    def __post_init__(self) -> None:
        dns_label(self.name, of="a namespace")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Bucket:
    """A bucket of S3, and where pods reach it.

    Args:
        name: 3 to 63 characters, of all of AWS.
        region: Such as `us-east-1`.
        reached_at: Address ranges of S3 as the pods see them: public ones by a gateway endpoint or over the internet,
            private ones by an interface endpoint.
    Raises:
        ConstructError: a name that S3 refuses, a region that is none, or no address range.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    """

    name: str
    region: str
    reached_at: tuple[str, ...] = ("0.0.0.0/0",)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]|\.(?!\.)){1,61}[a-z0-9]", self.name) or _is_address(self.name):
            raise ConstructError(
                f"{self.name!r} cannot be a bucket: use 3 to 63 lower-case letters, digits, dashes and single dots, "
                "and no IP address"
            )
        if self.name.startswith(TAKEN_PREFIXES) or self.name.endswith(TAKEN_SUFFIXES):
            raise ConstructError(
                f"{self.name!r} cannot be a bucket: S3 keeps names that begin with {', '.join(TAKEN_PREFIXES)} or end "
                f"with {', '.join(TAKEN_SUFFIXES)}"
            )
        if not re.fullmatch(r"[a-z]{2,6}(-[a-z]+)+-\d{1,2}", self.region):
            raise ConstructError(f"{self.region!r} is no region of AWS: use one such as 'us-east-1'")
        if not self.reached_at:
            raise ConstructError(f"reached_at of the bucket {self.name} is empty: give the ranges of S3's addresses")
        for value in self.reached_at:
            cidr(value, of=f"an address range of the bucket {self.name}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Rights(StrEnum):
    """What may be done in a bucket."""

    READ = "read"
    """List, and get."""
    ADD = "add"
    """Put, too; nothing is deleted."""
    WRITE = "write"
    """Delete, too."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BucketAccess:
    """What an identity may do in one bucket; an identity may have several.

    Args:
        identity: Who.
        bucket: Where.
        prefix: Of the keys; all of them when empty.
        rights: What.
    Raises:
        ConstructError: a prefix that would match keys of others, too.
    """

    identity: Identity
    bucket: Bucket
    prefix: str = ""
    rights: Rights

    def __post_init__(self) -> None:
        if not re.fullmatch(r"([-a-zA-Z0-9_.=]+/)*", self.prefix):  # "logs" would be that of "logs-of-others/", too
            raise ConstructError(
                f"{self.prefix!r} cannot be a prefix in the bucket {self.bucket.name}: use letters, digits, dashes, "
                "underscores and dots, a slash at the end and none at the start"
            )
