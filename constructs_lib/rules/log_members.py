"""Alerts on the members of the store of logs: who knows whom, and what each of them holds. Part of the group `logs`."""

from collections.abc import Mapping
from datetime import timedelta

from constructs_lib.config.loki import FULL, LokiConfig
from constructs_lib.metrics.loki import LOKI
from constructs_lib.metrics.prometheus import SCRAPE
from constructs_lib.promql import metric
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import Course
from constructs_lib.rules.log_limits import LogStoreLimits
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Recording, Severity
from constructs_lib.rules.requests import Pace, Words, failing
from constructs_lib.units import prometheus_duration

# Tries to write a chunk, per second.
FLUSHES, FLUSH_FAILURES = "pod:loki_ingester_chunks_flush_requests:rate", "pod:loki_ingester_chunks_flush_failures:rate"
STEP = 0.02  # of a share, which proofs must notice
# Five minutes to store what it holds, and as many to read again what it wrote ahead; then the next one may go.
LEFT_WITHIN = timedelta(minutes=15)
# Where most rings forget a member after ten times the minute in which it should have told that it is alive.
# https://github.com/grafana/loki/blob/v3.7.8/pkg/util/ring/ringmanager.go (ringAutoForgetUnhealthyPeriods)
FORGOTTEN_WITHIN = timedelta(minutes=15)


def member_recordings(by: Evaluator, job: str, limits: LogStoreLimits) -> tuple[Recording, ...]:
    """What the alerts of this file read.

    Args:
        by: Who records it.
        job: Of Loki.
        limits: Over what it is counted.
    """
    window = prometheus_duration(limits.flushes.onset(by).window)
    tries, failures = (metric(f"loki_ingester_chunks_flush_{what}_total", job=job) for what in ("requests", "failures"))
    return (
        Recording(FLUSHES, f"sum by (pod) (rate({tries}[{window}]))"),
        Recording(FLUSH_FAILURES, f"sum by (pod) (rate({failures}[{window}]))"),
    )


def member_alerts(by: Evaluator, job: str, store: LokiConfig, limits: LogStoreLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of Loki.
        store: What Loki reads: who its members are, and how many streams they take.
        limits: From where on somebody must hear of it.
    """
    return (
        _unhealthy(by, job),
        _members_missing(by, job),
        _streams(by, job, store, limits.streams),
        _flushes(by, job, limits),
        _disk(by, job),
    )


def _unhealthy(by: Evaluator, job: str) -> Alert:
    """As any member sees any ring: one that went without a word is in the way of all until it is forgotten.

    That each ring does by itself; this says that it does not.
    """
    name, course = "loki_ring_members", Course(interval=by.interval, hold=max(FORGOTTEN_WITHIN, lasting(by).hold))

    def members(pod: int = 0, state: str = "Unhealthy", job: str = job) -> str:
        return LOKI.series(name, job=job, pod=f"loki-{pod}", name="ingester", state=state)

    return Alert(
        name="LokiRingUnhealthy",
        expr=f"max by (name) ({metric(name, job=job, state='Unhealthy')}) > 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A member of Loki is gone without a word, and others still count on it.",
        description="{{ $value }} members of the ring {{ $labels.name }} do not tell that they are alive.",
        proof=Proof(
            fires={members(0): course.lasts(0, 1), members(1): course.steady(0)},
            at=course.at,
            quiet={
                members(0): course.recovers(0, 1),
                members(0, "ACTIVE"): course.steady(3),
                members(job="another"): course.steady(1),
            },
        ),
    )


def _members_missing(by: Evaluator, job: str) -> Alert:
    """Those that stay out of the ring, or find one of their own: either way, some member sees too few."""
    name, course = "loki_ring_members", Course(interval=by.interval, hold=max(LEFT_WITHIN, lasting(by).hold))

    def sees(pod: int = 0, ring: str = "ingester", state: str = "ACTIVE", job: str = job) -> str:
        return LOKI.series(name, job=job, pod=f"loki-{pod}", name=ring, state=state)

    up = {SCRAPE.series("up", job=job, instance=f"10.0.0.{pod}:3100"): course.steady(1) for pod in range(3)}
    up[SCRAPE.series("up", job="another", instance="10.0.0.9:3100")] = course.steady(1)
    others = {
        sees(ring="compactor"): course.steady(0),
        sees(state="LEAVING"): course.steady(0),
        sees(job="another"): course.steady(0),
    }
    seen = {sees(pod): course.steady(3) for pod in range(2)}
    return Alert(
        name="LokiMembersMissing",
        expr=f"count({metric('up', job=job)}) - min({metric(name, job=job, name='ingester', state='ACTIVE')}) > 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Fewer members of Loki know each other than there are.",
        description="A member of Loki misses {{ $value }} others.",
        proof=Proof(
            fires=up | seen | {sees(2): course.lasts(3, 2)},
            at=course.at,
            quiet=up | seen | {sees(2): course.recovers(3, 2)} | others,
        ),
    )


def _streams(by: Evaluator, job: str, store: LokiConfig, share: float) -> Alert:
    """A member refuses what is more than its own part: with each stream on several members, as many times as much.

    Source: https://github.com/grafana/loki/blob/v3.7.8/pkg/ingester/limiter.go
    """
    held, ring = "loki_ingester_memory_streams", "loki_ring_members"
    members, factor = (store.ring.replicas, store.ring.factor) if store.ring else (1, 1)
    course, most = lasting(by), store.limits.streams * factor
    over, under = ((share + step) * most / members for step in (STEP / 2, -STEP / 2))

    def streams(tenant: str, pod: int = 0, job: str = job) -> str:
        return LOKI.series(held, job=job, pod=f"loki-{pod}", tenant=tenant)

    def counted(count: int, name: str = "ingester", state: str = "ACTIVE", job: str = job) -> dict[str, str]:
        return {LOKI.series(ring, job=job, pod="loki-0", name=name, state=state): course.steady(count)}

    return Alert(
        name="LokiStreamsNearLimit",
        expr=(
            f"max by (tenant) ({metric(held, job=job)}) * on () group_left ()"
            f" max({metric(ring, job=job, name='ingester', state='ACTIVE')}) / {most} > {share:g}"
        ),
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Loki holds nearly as many streams as a tenant may have; lines of further ones are refused.",
        description="The tenant {{ $labels.tenant }} has {{ $value | humanizePercentage }} of its streams.",
        proof=Proof(
            fires={streams("many"): course.lasts(under, over), streams("many", 1): course.steady(0)} | counted(members),
            at=course.at,
            quiet={
                streams("many"): course.recovers(under, over),
                streams("nearly"): course.steady(under),
                streams("others", job="another"): course.steady(over),
            }
            | counted(members)
            | counted(members + 9, name="compactor")
            | counted(members + 9, state="LEAVING")
            | counted(members + 9, job="another"),
            step=STEP,
        ),
    )


def _flushes(by: Evaluator, job: str, limits: LogStoreLimits) -> Alert:
    onset = limits.flushes.onset(by)

    def series(of: str, pod: str, failed: Pace, every: Pace) -> Mapping[str, str]:
        return {
            LOKI.series("loki_ingester_chunks_flush_failures_total", job=of, pod=pod): onset.runs(*failed),
            LOKI.series("loki_ingester_chunks_flush_requests_total", job=of, pod=pod): onset.runs(*every),
        }

    words = Words(
        name="LokiFlushesFailing",
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Loki cannot write chunks to its store: memory and disks fill until it takes no more lines.",
        description="{{ $value | humanizePercentage }} of the tries of {{ $labels.pod }} to write a chunk fail.",
    )
    return failing(
        by,
        limits.flushes,
        words,
        failed=FLUSH_FAILURES,
        every=FLUSHES,
        share=limits.errors,
        jobs=(job,),
        series=series,
    )


def _disk(by: Evaluator, job: str) -> Alert:
    """VolumeAlmostFull comes before; here it refuses lines, which nobody sees as long as most other members do not."""
    name = "loki_ingester_wal_disk_usage_percent"
    course = lasting(by)
    over, under = FULL + STEP / 2, FULL - STEP / 2

    def disk(pod: int, job: str = job) -> str:
        return LOKI.series(name, job=job, pod=f"loki-{pod}")

    return Alert(
        name="LokiDiskFull",
        expr=f"max by (pod) ({metric(name, job=job)}) >= {FULL:g}",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="A member of Loki takes in no lines, since its disk is full; the others' disks fill alike.",
        description="The disk of {{ $labels.pod }} is used by {{ $value | humanizePercentage }}.",
        proof=Proof(
            fires={disk(0): course.lasts(under, over)},
            at=course.at,
            quiet={
                disk(0): course.recovers(under, over),
                disk(1): course.steady(under),
                disk(2, "another"): course.steady(over),
            },
            step=STEP,
        ),
    )
