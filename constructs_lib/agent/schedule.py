"""The backup agent: restore points at the latest every so often, and whenever one is asked for or a queue says so."""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Source

from constructs_lib.agent.backup import Backup
from constructs_lib.agent.blocks import remove_left
from constructs_lib.agent.serving import serve
from constructs_lib.agent.starts import Queue, Starts
from constructs_lib.agent.store import Store, StoreError
from constructs_lib.agent.trigger import Answer, Trigger
from constructs_lib.agent.usage import Usage
from constructs_lib.contract import Bucket
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import START_WITHIN, RestorePoints
from constructs_lib.units import Bytes, Cpu

IDLE = timedelta(seconds=0.2)
AGAIN_AFTER = timedelta(minutes=15)  # a failure, or a volume without a finished block
# Prometheus finishes its first block when the head has one and a half of its two hours.
FIRST_BLOCK_WITHIN = timedelta(hours=4)
SUCCESS, FAILURE = "success", "failure"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line.

    Args:
        data: The volume of Prometheus, with `tsdb` in it.
        bucket: Of the restore points, by name.
        region: Of the bucket.
        source: Cluster, namespace, component and pod, with slashes between them.
        keep_days: How long a restore point is kept.
        expiry_days: After which any object expires.
        every: Seconds from one restore point to the next, at the latest; with a queue, somewhat later.
        port: Of the metrics.
        queue: Of SQS in the region of the bucket, whose messages start backups; by the timer alone when absent.
        server: Host and port of the Prometheus of the volume; what it uses of its limits is told to CloudWatch in the
            region of the bucket, and to nobody when absent.
        cpu_limit: Of its container, in thousandths of a core.
        memory_limit: Likewise, in bytes.
    """

    data: Path
    bucket: str
    region: str
    source: str
    keep_days: int
    expiry_days: int
    every: int
    port: int
    queue: str | None = None
    server: str | None = None
    cpu_limit: int | None = None
    memory_limit: int | None = None


class Schedule(Source):
    """When there is a restore point to make, and what is told of it; asked for the latter at each scrape.

    Args:
        store: Where they are made.
        volume: Of Prometheus.
        backup: Makes them.
        every: From one to the next, at the latest.
        starts: What a queue sends; nothing when absent.
        usage: What CloudWatch is told beside all this; nothing when absent.
    """

    def __init__(
        self,
        store: Store,
        volume: Path,
        backup: Backup,
        *,
        every: timedelta,
        starts: Starts | None = None,
        usage: Usage | None = None,
    ) -> None:
        self._store, self._volume, self._backup, self._every = store, volume, backup, every
        self._usage = usage
        self._trigger, self._starts = Trigger(volume), starts or Starts()
        self._begun = time.monotonic()
        self._due = 0.0  # by the monotonic clock
        self._runs = {SUCCESS: 0, FAILURE: 0}
        self._running = False
        self._attempted: float | None = None
        self._succeeded: bool | None = None
        self._duration: float | None = None

    def serve(self) -> None:
        """Make restore points until the process is told to stop."""
        with self._trigger.served():
            remove_left(self._volume)  # whether or not the store answers
            self.look()
            while True:
                self.step()

    def look(self) -> None:
        """Ask the store what there is; where it does not answer, the first attempt does."""
        try:
            self._backup.learn()
        except StoreError as error:
            log.warning("%s", error)
            return
        newest = self._backup.newest
        if newest is not None:
            left = min(newest.made + self._every - self._store.now(), self._every)
            self._due = time.monotonic() + left.total_seconds()
            log.info("the newest restore point is %s, the next one is due in %s", newest.id, left)

    def step(self) -> None:
        """Make a restore point if it is time, or wait a moment."""
        asked = self._trigger.waiting()
        if not asked and not self._starts.waiting and time.monotonic() < self._due:
            time.sleep(IDLE.total_seconds())
            return
        self._starts.begin()
        made = self._backup.made
        answer = self._attempt()
        if self._backup.made > made:  # else they wait with the timer, which soon tries again
            self._starts.end()
        try:
            self._trigger.answer(asked, answer)
        except OSError as error:  # a full disk
            log.error("cannot say how it ended: %s", error)

    def collect(self) -> Iterator[Metric]:
        newest = self._backup.newest
        yield _gauge(
            "last_success_timestamp_seconds", "Newest restore point.", newest.made.timestamp() if newest else None
        )
        yield _gauge("last_attempt_timestamp_seconds", "Begin of the last attempt.", self._attempted)
        yield _gauge("last_attempt_succeeded", "Whether the last attempt did.", self._succeeded)
        yield _gauge("last_duration_seconds", "Of the last attempt.", self._duration)
        runs = CounterMetricFamily("backup_runs", "Attempts, by how they ended.", labels=["result"])
        for result, count in self._runs.items():
            runs.add_metric([result], count)
        yield runs
        yield CounterMetricFamily("backup_sent_bytes", "Content that was sent.", value=self._backup.sent)
        yield _gauge("running", "Whether a restore point is being made.", self._running)
        started = None if self._starts.reached is None else self._starts.last
        yield _gauge("last_start_timestamp_seconds", "By the queue of starts, or begin of the wait.", started)
        yield _gauge("queue_reached", "Whether the queue of starts answered last.", self._starts.reached)
        told = self._usage.told if self._usage else None
        yield _gauge("cloudwatch_told", "Whether CloudWatch took what it was told last.", told)
        yield _gauge("restore_point_bytes", "All files of the newest restore point.", newest.size if newest else None)
        status = os.statvfs(self._volume)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        yield _gauge("volume_used_bytes", "Of the volume of Prometheus.", used)
        yield _gauge("volume_size_bytes", "Likewise.", used + status.f_bavail * status.f_frsize)

    def _attempt(self) -> Answer:
        before, begun, at = self._backup.made, time.monotonic(), time.time()
        self._running = True
        try:
            point = self._backup.run()
            if point is None:
                said = f"no block of {self._volume} is finished yet"
                if time.monotonic() - self._begun < FIRST_BLOCK_WITHIN.total_seconds():
                    log.info("%s", said)
                    self._due = time.monotonic() + AGAIN_AFTER.total_seconds()
                    return Answer(error=f"{said}: Prometheus finishes the first one after three hours")
                raise ConstructError(f"{said}, after {FIRST_BLOCK_WITHIN}: see what Prometheus says")
        except (ConstructError, OSError) as error:
            log.error("%s", error)
            self._ended(FAILURE, begun, at)
            after = AGAIN_AFTER if self._backup.made == before else self._every
            self._due = time.monotonic() + after.total_seconds()
            return Answer(error=str(error))
        finally:
            self._running = False
        self._ended(SUCCESS, begun, at)
        self._due = time.monotonic() + self._every.total_seconds()
        log.info("restore point %s: %d blocks, %d bytes", point.id, len(point.blocks), point.size)
        return Answer(point=point.id)

    def _ended(self, result: str, begun: float, at: float) -> None:
        self._runs[result] += 1
        self._attempted, self._succeeded, self._duration = at, result == SUCCESS, time.monotonic() - begun


def backup(options: Options) -> None:
    """Make restore points until the process is told to stop."""
    points = RestorePoints(
        bucket=Bucket(name=options.bucket, region=options.region),
        keep=timedelta(days=options.keep_days),
        expiry=timedelta(days=options.expiry_days),
    )
    store = Store.connect(bucket=options.bucket, region=options.region, source=options.source)
    starts, usage = Starts(), _usage(options)
    schedule = Schedule(
        store,
        options.data,
        Backup(store, options.data, oldest=points.oldest),
        every=timedelta(seconds=options.every) + (START_WITHIN if options.queue else timedelta(0)),
        starts=starts,
        usage=usage,
    )
    serve(schedule, options.port)
    if options.queue:
        Queue.connect(options.queue, region=options.region, starts=starts).follow()
    if usage:
        usage.follow()
    schedule.serve()


def _usage(options: Options) -> Usage | None:
    if options.server is None:
        return None
    if options.cpu_limit is None or options.memory_limit is None:
        raise ConstructError(f"what {options.server} uses is told in per cent of its limits: give both of them, too")
    return Usage.connect(
        options.region,
        options.source,
        options.data,
        options.server,
        cpu=Cpu(options.cpu_limit),
        memory=Bytes(options.memory_limit),
    )


def _gauge(name: str, documentation: str, value: float | None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"backup_{name}", documentation, value=value)
