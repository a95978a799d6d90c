"""Command lines of the control plane's processes, all of which run on one machine."""

from pathlib import Path

from tests.cluster.authority import Authority
from tests.cluster.programs import built
from tests.cluster.spec import API_PORT, ClusterSpec

ETCD = "http://127.0.0.1:2379"


def etcd(directory: Path) -> list[str]:
    """The store; it lives no longer than a test run, so it need not survive a power failure."""
    options = {"data-dir": str(directory / "etcd"), "listen-client-urls": ETCD, "advertise-client-urls": ETCD}
    return [built("etcd"), *_flags(options), "--unsafe-no-fsync", "--log-level=warn"]


def api_server(spec: ClusterSpec, authority: Authority) -> list[str]:
    """The API server, with an issuer of service account tokens as a managed cluster has it."""
    options = {
        "etcd-servers": ETCD,
        "bind-address": str(spec.control_plane),
        "advertise-address": str(spec.control_plane),
        "secure-port": str(API_PORT),
        "tls-cert-file": authority.path("apiserver.crt"),
        "tls-private-key-file": authority.path("apiserver.key"),
        "client-ca-file": authority.path("ca.crt"),  # the other processes look for it, and start later without it
        "token-auth-file": authority.path("tokens.csv"),
        "authorization-mode": "Node,RBAC",
        "service-account-key-file": authority.path("service-accounts.key"),
        "service-account-signing-key-file": authority.path("service-accounts.key"),
        "service-account-issuer": spec.issuer,
        "service-account-jwks-uri": f"{spec.issuer}/keys",
        "api-audiences": f"{spec.issuer},https://kubernetes.default.svc",
        "service-cluster-ip-range": str(spec.service_range),
        "allow-privileged": "true",
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-certificate-authority": authority.path("ca.crt"),
        "kubelet-client-certificate": authority.path("apiserver.crt"),
        "kubelet-client-key": authority.path("apiserver.key"),
    }
    return [built("kube-apiserver"), *_flags(options)]


def controller_manager(spec: ClusterSpec, authority: Authority) -> list[str]:
    """The controllers."""
    options = {
        **_component(authority.kubeconfig("system:kube-controller-manager")),
        "root-ca-file": authority.path("ca.crt"),
        "service-account-private-key-file": authority.path("service-accounts.key"),
        "use-service-account-credentials": "true",
        "cluster-cidr": str(spec.pod_range),
        "allocate-node-cidrs": "false",
        "node-monitor-period": "2s",
        "node-monitor-grace-period": f"{spec.lost_after.total_seconds():.0f}s",
    }
    return [built("kube-controller-manager"), *_flags(options)]


def scheduler(authority: Authority) -> list[str]:
    """The scheduler."""
    return [built("kube-scheduler"), *_flags(_component(authority.kubeconfig("system:kube-scheduler")))]


def _component(kubeconfig: str) -> dict[str, str]:
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "leader-elect": "false",
    }


def _flags(options: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]
