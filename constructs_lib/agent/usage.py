"""What a Prometheus uses of what it may have, told to CloudWatch: its alarms sound where the cluster tells nobody.

Memory is what Go holds: what its runtime has taken from the kernel and not given back. The kernel cannot reclaim it,
and Prometheus keeps exactly that below 90 % of its container's limit, by collecting garbage the more often, the nearer
it comes. The resident set counts files as well, of blocks and of the program, which the kernel takes back before it
kills anybody.

Source: https://pkg.go.dev/runtime/debug#SetMemoryLimit
"""

import logging
import os
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from constructs_lib.agent.cloudwatch import CloudWatch
from constructs_lib.agent.prometheus import Prometheus, PrometheusError
from constructs_lib.cloudwatch import CPU, MEMORY, TOLD_EVERY, USAGE, VOLUME, dimensions
from constructs_lib.units import Bytes, Cpu

PATIENCE = timedelta(seconds=10)  # with Prometheus, for an answer or a piece of one
# The names of what it exposes: seconds of all its threads, since when, and bytes of its runtime.
SECONDS, START = "process_cpu_seconds_total", "process_start_time_seconds"
TAKEN, GIVEN_BACK = "go_memstats_sys_bytes", "go_memstats_heap_released_bytes"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Used:
    """Processor time that a server had used at some moment.

    Args:
        seconds: Since it was started.
        start: When that was, in seconds since 1970.
        at: The moment, by the monotonic clock.
    """

    seconds: float
    start: float
    at: float


class Usage:
    """What one server uses, which a thread tells each minute.

    A server that does not answer uses its volume all the same; a CloudWatch that does not answer is a line of the log,
    and an alarm there. Neither delays a backup.

    Args:
        cloudwatch: Who is told.
        source: Cluster, namespace, component and pod, with slashes between them.
        volume: Of the server.
        server: The server itself.
        cpu: The limit of its container.
        memory: Likewise.
    Attributes:
        told: Whether CloudWatch took what it was told last; None before that.
    """

    def __init__(
        self, cloudwatch: CloudWatch, source: str, volume: Path, server: Prometheus, *, cpu: Cpu, memory: Bytes
    ) -> None:
        self._cloudwatch, self._dimensions = cloudwatch, dimensions(source)
        self._volume, self._server = volume, server
        self._cores, self._memory = cpu.millis / 1000, memory.count
        self._before: Used | None = None
        self._answers = True
        self.told: bool | None = None

    @classmethod
    def connect(cls, region: str, source: str, volume: Path, address: str, *, cpu: Cpu, memory: Bytes) -> "Usage":
        """Of a server by its host and port, to the CloudWatch of a region."""
        cloudwatch = CloudWatch.connect(region=region, namespace=USAGE)
        return cls(cloudwatch, source, volume, Prometheus(address, patience=PATIENCE), cpu=cpu, memory=memory)

    def follow(self) -> None:
        """Tell it for ever, beside whatever else the process does."""
        threading.Thread(target=self._follow, name="usage", daemon=True).start()

    def tell(self) -> None:
        """Tell it once; what fails is said when it begins, and when it is over."""
        try:
            self._cloudwatch.tell(self.look(), unit="Percent", dimensions=self._dimensions)
        except OSError as error:  # of CloudWatch, or of a volume that cannot be asked
            if self.told is not False:
                log.warning("nobody is told what Prometheus uses: %s", error)
            self.told = False
            return
        if self.told is False:
            log.info("CloudWatch is told again what Prometheus uses")
        self.told = True

    def look(self) -> dict[str, float]:
        """In per cent, by metric; without what a server that does not answer would have to say.

        Processor time is that since the last look, so that a first look does not know it.

        Raises:
            OSError: the volume cannot be asked.
        """
        status = os.statvfs(self._volume)
        used = {VOLUME: 100 * (1 - status.f_bavail / status.f_blocks)}
        try:
            said = _series(self._server.exposed())
            now = Used(said[SECONDS], said[START], time.monotonic())
            used[MEMORY] = 100 * (said[TAKEN] - said[GIVEN_BACK]) / self._memory
        except (PrometheusError, KeyError, ValueError) as error:
            self._before = None
            if self._answers:
                log.warning("Prometheus does not say what it uses: %r", error)
            self._answers = False
            return used
        if not self._answers:
            log.info("Prometheus says again what it uses")
        self._answers = True
        before, self._before = self._before, now
        if before is not None and before.start == now.start:
            used[CPU] = 100 * (now.seconds - before.seconds) / (now.at - before.at) / self._cores
        return used

    def _follow(self) -> None:
        while True:
            self.tell()
            time.sleep(TOLD_EVERY.total_seconds())


def _series(text: str) -> dict[str, float]:
    """What is exposed without labels, by name."""
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
