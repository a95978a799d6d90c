"""Where the programs of the test cluster are, and whether this machine can run them."""

import os
import shutil
import sys
from pathlib import Path

from tests.cluster.errors import CannotRunError

BUILT = Path(__file__).parents[2] / ".tools"
# Root's own PATH may lack the directories of the system's programs, in CI above all.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "KUBECONFIG"},
    "PATH": os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"]),
}
CLUSTER = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
    *("kube-router", "coredns", "probe"),
)
# Debian package -> the programs of it that are needed.
SYSTEM = {
    "containerd": ("containerd", "ctr"),
    "runc": ("runc",),
    "iproute2": ("ip",),
    "iptables": ("iptables",),
    "ipset": ("ipset",),
    "nftables": ("nft",),
    "conntrack": ("conntrack",),
    "openssl": ("openssl",),
    "util-linux": ("unshare", "nsenter"),
}


def built(name: str) -> str:
    """Path of a program that `make tools` built; its name matters, as one program acts by several names."""
    path = BUILT / name
    if not path.exists():
        raise CannotRunError(f"the program {name} is not built: run `make tools`")
    return str(path)


def cni_plugins() -> str:
    """Directory of the network plugins."""
    for directory in ("/usr/lib/cni", "/opt/cni/bin"):
        if Path(directory, "bridge").exists():
            return directory
    raise CannotRunError(
        "the network plugins of containers are missing: run `apt-get install containernetworking-plugins`"
    )


def require() -> None:
    """Refuse, in one sentence, a machine that cannot run the cluster."""
    if sys.platform != "linux":
        raise CannotRunError(f"the test cluster needs Linux and its namespaces, and this is {sys.platform}")
    if os.geteuid() != 0:
        raise CannotRunError("the test cluster makes namespaces and mounts: run the tests as root")
    path = ENVIRONMENT["PATH"]
    missing = [package for package, names in SYSTEM.items() if not all(shutil.which(name, path=path) for name in names)]
    if missing:
        raise CannotRunError(f"programs of the test cluster are missing: run `apt-get install {' '.join(missing)}`")
    for name in CLUSTER:
        built(name)
    cni_plugins()
