"""Services and what they run out of: whether anybody answers, and the room of their containers and volumes.

The containers and volumes are those of the whole cluster; an alert's namespace tells whose they are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.metrics.cadvisor import CADVISOR
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import matches_not, metric
from constructs_lib.rules.course import PEACE, Course, counter
from constructs_lib.rules.filling import ROOM, RoomLimits, room
from constructs_lib.rules.jobs import among, pod_of, pods_of
from constructs_lib.rules.model import BACKEND, PLATFORM, Alert, Evaluator, Proof, RuleGroup, Severity
from constructs_lib.rules.objects import CONTAINER, KEEP_FIRING
from constructs_lib.rules.volumes import lasting_volumes
from constructs_lib.thresholds import check_durations, check_shares
from constructs_lib.units import prometheus_duration

CONTAINER_NAMED = "{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }}"
STEP = 0.02  # of a share, which proofs must notice


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimits:
    """What the group `services` bears.

    Args:
        down: How long a service may be down: longer than a restart of its only pod takes.
        cpu: The share of its limit that a container may use.
        memory: Likewise.
        busy: How long more of either may be used.
        killed_since: How long it is spoken of that a container was killed for its memory.
    Raises:
        ConstructError: a share outside of 0 to 1, or a duration below 1 minute.
    """

    down: timedelta = timedelta(minutes=3)
    cpu: float = 0.9
    memory: float = 0.85
    busy: timedelta = timedelta(minutes=15)
    killed_since: timedelta = timedelta(minutes=30)

    def __post_init__(self) -> None:
        check_shares(cpu=self.cpu, memory=self.memory)
        check_durations(down=self.down, busy=self.busy, killed_since=self.killed_since)


def services(
    by: Evaluator,
    *,
    jobs: Collection[str],
    objects: str = KUBE_STATE_METRICS.job,
    limits: ServiceLimits = ServiceLimits(),
    full: RoomLimits = ROOM,
    drills: Collection[str] = (),
) -> RuleGroup:
    """The group `services`.

    Args:
        by: Who evaluates it.
        jobs: Of the services that must answer, at least one.
        objects: The job of kube-state-metrics.
        limits: From where on somebody must hear of it.
        full: How full volumes may be.
        drills: CronJobs whose pods fill a volume as fast as they can, which is thrown away: none of these alerts is
            about their pods' volumes, nor about the processor time that they take.
    Raises:
        ConstructError: no job.
    """
    return RuleGroup(
        name="services",
        alerts=(
            _down(by, tuple(jobs), limits),
            _cpu(by, objects, limits, drills),
            _memory(by, objects, limits),
            _killed(by, objects, limits),
            *room(by, lasting_volumes(drills), full),
        ),
    )


def _down(by: Evaluator, jobs: tuple[str, ...], limits: ServiceLimits) -> Alert:
    """A service whose pods are gone leaves no series that could be 0, so their absence counts as well."""
    course = Course(interval=by.interval, hold=limits.down)
    named = among(jobs, group="services")
    absent = " or ".join(f"absent({metric('up', job=job)})" for job in jobs)

    def pod(job: str, host: int = 1) -> str:
        return metric("up", job=job, instance=f"10.0.0.{host}:8080")

    # At first it does not answer, then it is gone; and in the quiet series, it is back just in time.
    silent = course.evaluations // 2
    fails = " ".join([f"1x{PEACE - 1}", *["0"] * silent, "stale"])
    returns = " ".join([fails, *["_"] * (course.evaluations - silent - 1), f"1x{course.long}"])
    others = {pod("another"): course.steady(0), pod("one-more"): course.steady(1)}
    return Alert(
        name="ServiceDown",
        expr=f"max by (job) ({metric('up', job=named)}) == 0 or {absent}",
        hold=limits.down,
        severity=Severity.CRITICAL,
        team=BACKEND,
        summary="Nobody answers for a service.",
        description="The service {{ $labels.job }} has no pod that answers.",
        proof=Proof(
            fires={pod(job): fails for job in jobs} | others,
            at=course.at,
            count=len(jobs),
            quiet={pod(job): returns for job in jobs}
            # One that answers is enough.
            | {pod(jobs[0], 2): course.steady(0), pod(jobs[0], 3): course.steady(1)}
            | others,
        ),
    )


def _limit(job: str, resource: str) -> str:
    return f"max by ({CONTAINER}) ({metric('kube_pod_container_resource_limits', job=job, resource=resource)})"


def _limits(job: str, resource: str, course: Course, pod: str) -> dict[str, str]:
    """A container's limit of 1, beside what must not be taken for it."""
    name = "kube_pod_container_resource_limits"

    def limit(job: str, resource: str) -> str:
        return KUBE_STATE_METRICS.series(name, job=job, pod=pod, resource=resource)

    return {
        limit(job, resource): course.steady(1),
        limit(job, "ephemeral_storage"): course.steady(100),
        limit("another", resource): course.steady(100),
    }


def _cpu(by: Evaluator, job: str, limits: ServiceLimits, drills: Collection[str]) -> Alert:
    """A container has one series for each of its cgroups, old and new, while it restarts: they are added up."""
    name = "container_cpu_usage_seconds_total"
    ramp = by.window // by.interval - 1  # so many increases are in a window
    course = Course(interval=by.interval, hold=limits.busy, onset=ramp)
    seconds = by.interval.total_seconds()
    over, under, idle = ((limits.cpu + more) * seconds for more in (STEP / 2, -STEP / 2, -0.5))
    last = course.evaluations + ramp - 1  # increases, of which the window holds nothing else for just too short

    def used(pod: str, runs: str, job: str = CADVISOR.job) -> dict[str, str]:
        return {CADVISOR.series(name, job=job, pod=pod): runs}

    others = {"pod": matches_not(pods_of(drills))} if drills else {}
    rate = f"rate({metric(name, job=CADVISOR.job, **others)}[{prometheus_duration(by.window)}])"
    return Alert(
        name="ContainerCpuNearLimit",
        expr=f"sum by ({CONTAINER}) ({rate}) / {_limit(job, 'cpu')} > {limits.cpu:g}",
        hold=limits.busy,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A container uses nearly all the processor time that it may, and is slowed down.",
        description=CONTAINER_NAMED + " uses {{ $value | humanizePercentage }} of its processor limit.",
        proof=Proof(
            fires=used("busy", counter((idle, PEACE + 1), (over, course.long))) | _limits(job, "cpu", course, "busy"),
            at=course.at,
            quiet=used("resting", counter((idle, PEACE + 1), (over, last), (idle, course.long)))
            | _limits(job, "cpu", course, "resting")
            | used("nearly", counter((under, course.long)))
            | used("nearly", counter((over, course.long)), "another")
            | _limits(job, "cpu", course, "nearly")
            | {
                series: run
                for pod in map(pod_of, drills)
                for series, run in (used(pod, counter((over, course.long))) | _limits(job, "cpu", course, pod)).items()
            },
            step=STEP,
        ),
    )


def _memory(by: Evaluator, job: str, limits: ServiceLimits) -> Alert:
    name = "container_memory_working_set_bytes"
    course = Course(interval=by.interval, hold=limits.busy)
    over, under = limits.memory + STEP / 2, limits.memory - STEP / 2

    def used(pod: str, runs: str, job: str = CADVISOR.job) -> dict[str, str]:
        return {CADVISOR.series(name, job=job, pod=pod): runs}

    return Alert(
        name="ContainerMemoryNearLimit",
        expr=f"max by ({CONTAINER}) ({metric(name, job=CADVISOR.job)}) / {_limit(job, 'memory')} > {limits.memory:g}",
        hold=limits.busy,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A container uses nearly all the memory that it may; beyond that it is killed.",
        description=CONTAINER_NAMED + " uses {{ $value | humanizePercentage }} of its memory limit.",
        proof=Proof(
            fires=used("full", course.lasts(0.5, over)) | _limits(job, "memory", course, "full"),
            at=course.at,
            quiet=used("tidied", course.recovers(0.5, over))
            | _limits(job, "memory", course, "tidied")
            | used("nearly", course.steady(under))
            | used("nearly", course.steady(over), "another")
            | _limits(job, "memory", course, "nearly"),
            step=STEP,
        ),
    )


def _killed(by: Evaluator, job: str, limits: ServiceLimits) -> Alert:
    """Why a container ended last is told for as long as its successor runs, so it is asked how long ago that was."""
    reason, when = (f"kube_pod_container_status_last_terminated_{what}" for what in ("reason", "timestamp"))
    since = limits.killed_since.total_seconds()
    found = PEACE * by.interval

    def series(name: str, pod: str, **labels: str) -> str:
        why = {"reason": "OOMKilled"} if name == reason else {}
        return KUBE_STATE_METRICS.series(name, **{"job": job, "pod": pod} | why | labels)

    def ended(age: float) -> str:
        """When a container ended that is seen first after this time."""
        return f"_x{PEACE} {found.total_seconds() - age:.1f}x{4 * PEACE}"

    told, recent, old = f"_x{PEACE} 1x{4 * PEACE}", ended(since - 0.5), ended(since + 0.5)
    return Alert(
        name="ContainerOutOfMemory",
        expr=(
            f"time() - max by ({CONTAINER}) ({metric(when, job=job)}) < {since:.0f} "
            f"and on ({CONTAINER}) max by ({CONTAINER}) ({metric(reason, job=job, reason='OOMKilled')}) == 1"
        ),
        hold=timedelta(0),
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A container was killed, since it wanted more memory than it may use.",
        description=CONTAINER_NAMED + " was killed for its memory {{ $value | humanizeDuration }} ago.",
        proof=Proof(
            fires={series(when, "killed"): recent, series(reason, "killed"): told},
            at=found,
            quiet={
                series(when, "old"): old,
                series(when, "old", job="another"): recent,
                series(reason, "old"): told,
                series(when, "failed"): recent,
                series(reason, "failed", reason="Error"): told,
                series(reason, "failed", job="another"): told,
            },
        ),
    )
