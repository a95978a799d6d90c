"""The alert on containers that crash again and again. Part of the group `kubernetes`."""

from collections.abc import Iterable
from datetime import timedelta

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import metric
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.rules.objects import CONTAINER, KEEP_FIRING, KubernetesLimits
from constructs_lib.units import prometheus_duration

# The kubelet waits for up to five minutes before it starts a container again, and after a run of ten forgets that it
# ever crashed: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
FORGOTTEN, LONGEST_CYCLE = timedelta(minutes=10), timedelta(minutes=15)
# What they are called in an alert's name and in a sentence, and what they are called by kube-state-metrics.
KINDS = {
    "Container": ("A container", "kube_pod_container"),
    "InitContainer": ("An init container", "kube_pod_init_container"),
}
SAME = "namespace, pod, uid, container"


def crash_looping(by: Evaluator, job: str, limits: KubernetesLimits, kind: str = "Container") -> Alert:
    """A container that restarts, and in between has not run for some time in all.

    The reason `CrashLoopBackOff` is not asked for: Kubernetes 1.36 reports it up to a minute after the crash, so of the
    first waits never. What counts is how often the container was seen not to run: then one that runs for minutes
    between its crashes is still one incident. When its pod is gone, it is over at once.
    """
    spoken, prefix = KINDS[kind]
    running, restarts, terminated = (
        f"{prefix}_status_{what}" for what in ("running", "restarts_total", "terminated_reason")
    )
    within, restarted = FORGOTTEN + limits.crash_looping, 2 * LONGEST_CYCLE
    window, span, enough = within // by.interval, restarted // by.interval, limits.crash_looping // by.interval
    seen = f"{metric(running, job=job)}[{prometheus_duration(within)}]"
    down = f"sum by ({SAME}) (count_over_time({seen})) - sum by ({SAME}) (sum_over_time({seen})) >= {enough}"
    again = f"changes({metric(restarts, job=job)}[{prometheus_duration(restarted)}]) > 1"
    done = f"{metric(terminated, job=job, reason='Completed')} == 1"

    # It is down once, and then from `begun` on, so that half a window does not hold enough of it.
    at = span + window
    begun, length = at - enough + 2, 2 * at
    every = range(length)

    def ran(pod: str, values: Iterable[int], job: str = job) -> dict[str, str]:
        return {KUBE_STATE_METRICS.series(running, job=job, pod=pod): " ".join(map(str, values))}

    def never(pod: str, job: str = job) -> dict[str, str]:
        return ran(pod, [0 for _ in every], job)

    def always(pod: str, job: str = job) -> dict[str, str]:
        return ran(pod, [1 for _ in every], job)

    def starts(pod: str, *times: int, job: str = job) -> dict[str, str]:
        counted = " ".join(str(sum(now >= time for time in times)) for now in every)
        return {KUBE_STATE_METRICS.series(restarts, job=job, pod=pod): counted}

    def ended(pod: str, reason: str, job: str = job) -> dict[str, str]:
        return {KUBE_STATE_METRICS.series(terminated, job=job, pod=pod, reason=reason): f"1x{length - 1}"}

    return Alert(
        name=f"{kind}CrashLooping",
        expr=(
            f"max by ({CONTAINER}) ({down} and on ({SAME}) {again}"
            f" and on ({SAME}) {metric(running, job=job)} unless on ({SAME}) {done})"
        ),
        hold=timedelta(0),
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary=f"{spoken} crashes again and again.",
        description="{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }} keeps crashing.",
        proof=Proof(
            fires={
                **ran("looping", [int(now not in {at - window + 1, *range(begun, length)}) for now in every]),
                **starts("looping", at - span + 2, at - 1),
                **ended("looping", "Error"),
                # Another teller of the same pod does not count.
                **always("looping", job="another"),
                **ended("looping", "Completed", job="another"),
            },
            at=at * by.interval,
            quiet={
                # So often not seen to run, but not within the window; so many starts, but not within the span.
                **ran(
                    "crashed earlier",
                    [int(now not in {at, *range(at + window, at + window + enough - 1)}) for now in every],
                ),
                **starts("crashed earlier", at, at + window),
                **(never("seldom") | starts("seldom", at - span, at)),
                **(never("once") | starts("once", at)),
                **(never("done") | starts("done", at - 1, at) | ended("done", "Completed")),
                **(always("running") | starts("running", at - 1, at) | never("running", job="another")),
                # It is gone before the second start is told of.
                KUBE_STATE_METRICS.series(running, job=job, pod="gone"): f"_x{at} 0x{enough} stale",
                **(starts("gone", at, at + enough + 3) | never("gone", job="another")),
                **(never("started by another") | starts("started by another", at - 1, at, job="another")),
            },
        ),
    )
