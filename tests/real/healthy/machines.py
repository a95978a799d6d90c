"""What node exporter, kubelet and cAdvisor say on a quiet day: with room left, and busy for some minutes."""

from apps.environment import Environment
from constructs_lib.metrics.cadvisor import CADVISOR
from constructs_lib.metrics.kubelet import KUBELET
from constructs_lib.metrics.node_exporter import NODE_EXPORTER
from tests.real.healthy.kubernetes import LIMITS
from tests.real.healthy.workloads import NODES, Workload, cluster_targets
from tests.real.simulation import Course, System, Target, grows, minute, steady, sways

GIB = 2**30
CPUS = ("0", "1")
# Of a second of a processor.
MODES = {"idle": 0.5, "user": 0.3, "system": 0.12, "iowait": 0.05, "softirq": 0.03}
# Device -> type, where it is mounted, size in GiB, part that is free, and whether it is read-only.
FILESYSTEMS = {
    "/dev/nvme0n1p1": ("ext4", "/", 100, 0.36, 0),
    "/dev/nvme0n1p128": ("vfat", "/boot/efi", 0.01, 0.1, 0),
    "/dev/nvme1n1": ("xfs", "/opt/reference-data", 20, 0.01, 1),  # was full when it was made
    "tmpfs": ("tmpfs", "/run/lock", 0.005, 0.02, 0),
}
# Of each claim.
VOLUME = 50 * GIB
# A container takes all that it may for five minutes, in the last hour.
BURST, BURST_AT = "orchestrator-0", minute(45)


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """All nodes, and what runs on each."""
    for workload in pods:
        if workload.job == NODE_EXPORTER.job:
            for target in workload.targets():
                _add_node(system, target)
    for target in cluster_targets():
        for workload in pods:
            for pod in (pod for pod, node in workload.pods() if node == target.labels.get("node")):
                if target.job == CADVISOR.job:
                    _add_container(system, target, workload, pod)
                elif target.job == KUBELET.job and workload.kind == "statefulset":
                    _add_volume(system, target, workload.namespace, f"data-{pod}")


def _add_node(system: System, target: Target) -> None:
    def tell(name: str, course: Course, **labels: str) -> None:
        system.add(NODE_EXPORTER, target, name, course, **labels)

    busy = target.labels["node"] == NODES[2]  # an image is unpacked for five minutes
    for cpu in CPUS:
        for mode, share in MODES.items():
            more = {"idle": -0.48, "system": 0.48}.get(mode, 0.0) if busy else 0.0
            tell("node_cpu_seconds_total", surges(steadily(share), minute(5), more), cpu=cpu, mode=mode)
    for device, (fstype, mountpoint, size, free, readonly) in FILESYSTEMS.items():
        labels = {"device": device, "fstype": fstype, "mountpoint": mountpoint}
        total = size * GIB
        # Logs grow all the time; the image took 6 GiB more.
        taken = 0.06 if busy and mountpoint == "/" else 0.0
        growing = 0.01 * total / 3600 if mountpoint == "/" else 0.0
        room = surges(filling(free * total, growing), minute(5), -taken * total / 300)
        tell("node_filesystem_size_bytes", steady(total), **labels)
        tell("node_filesystem_avail_bytes", room, **labels)
        tell("node_filesystem_readonly", steady(readonly), **labels)
        # A million of them; the one of the firmware has no limit, and says 0.
        files = 0 if fstype == "vfat" else 2**20
        tell("node_filesystem_files", steady(files), **labels)
        tell("node_filesystem_files_free", steady(files * free), **labels)
    tell("node_memory_MemTotal_bytes", steady(16 * GIB))
    tell("node_memory_MemAvailable_bytes", sways(6.4 * GIB, 1 * GIB))
    tell("node_time_seconds", lambda t: t + 0.1)  # so long the scrape took
    tell("node_timex_offset_seconds", sways(0, 0.002, minutes=7))


def steadily(per_second: float) -> Course:
    """A counter for a day already that grows at one rate."""
    return lambda t: per_second * (86400 + t)


def filling(room: float, per_second: float) -> Course:
    """Less and less room."""
    return lambda t: room - per_second * t


def surges(course: Course, start: float, per_second: float) -> Course:
    """More by so much in each second of five minutes."""

    def value(t: float) -> float | None:
        before = course(t)
        return None if before is None else before + per_second * min(max(t - start, 0), 300)

    return value


def _add_container(system: System, target: Target, workload: Workload, pod: str) -> None:
    """The container, and the pod's own group, which has the same for all of its containers and no name."""
    _, limit = LIMITS["memory"]
    cpu = surges(steadily(0.4), BURST_AT, 0.6) if pod == BURST else grows(0.4)
    names = {"namespace": workload.namespace, "pod": pod}
    for container, image, path in ((workload.name, f"{workload.name}:1", f"/pod-{pod}/main"), ("", "", f"/pod-{pod}")):
        labels = {**names, "container": container, "image": image, "id": path}
        system.add(CADVISOR, target, "container_cpu_usage_seconds_total", cpu, **labels, cpu="total")
        system.add(CADVISOR, target, "container_memory_working_set_bytes", sways(0.6 * limit, 0.05 * limit), **labels)


def _add_volume(system: System, target: Target, namespace: str, claim: str) -> None:
    """It fills for two hours, until what is old is merged or deleted, as Prometheus' own."""
    labels = {"namespace": namespace, "persistentvolumeclaim": claim}

    def available(t: float) -> float:
        return VOLUME * (0.42 - 0.06 * (t % 7200) / 7200)

    system.add(KUBELET, target, "kubelet_volume_stats_capacity_bytes", steady(VOLUME), **labels)
    system.add(KUBELET, target, "kubelet_volume_stats_available_bytes", available, **labels)
    system.add(KUBELET, target, "kubelet_volume_stats_inodes", steady(2**20), **labels)
    system.add(KUBELET, target, "kubelet_volume_stats_inodes_free", steady(0.9 * 2**20), **labels)
