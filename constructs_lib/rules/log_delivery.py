"""Alerts on collectors of logs that deliver nothing though they try: one, or as many as a zone has. Part of `logs`.

What is never delivered is neither late nor dropped while it is tried again; of several Lokis, each is asked.
"""

import math
from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.metrics.prometheus import SCRAPE
from constructs_lib.promql import metric
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import PEACE, counter
from constructs_lib.rules.log_limits import LogStoreLimits
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.units import prometheus_duration

TRIED, SENT = "loki_write_batch_retries_total", "loki_write_sent_entries_total"
# Who is refused tries again after some seconds: constructs_lib.config.alloy (max_backoff_period).
TRIED_AGAIN = timedelta(minutes=5)
NODES = 20  # of the proof


def delivery_alerts(by: Evaluator, job: str, limits: LogStoreLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of the collectors.
        limits: From where on somebody must hear of it.
    """
    tries = Tries(by=by, job=job)
    return _one(tries), _many(tries, limits.stuck)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How collectors try to deliver lines.

    Args:
        by: Who counts.
        job: Of the collectors.
    """

    by: Evaluator
    job: str

    @property
    def hold(self) -> timedelta:
        return lasting(self.by).hold

    @property
    def in_vain(self) -> str:
        """How often each collector has tried to no avail of late, where nothing was delivered."""
        tries, lines = (
            f"sum by (node, host) (increase({metric(name, job=self.job)}[{prometheus_duration(self._window)}])) > 0"
            for name in (TRIED, SENT)
        )
        return f"{tries} unless {lines}"

    @property
    def at(self) -> timedelta:
        """When a collector that gets stuck after the peace has been so for long enough."""
        return (PEACE - 1 + self._scrapes - 1 + self._last) * self.by.interval

    def stuck(self, node: str, job: str | None = None) -> dict[str, str]:
        """It delivers lines in peace, and then tries for ever."""
        return self._node(node, self._again, counter((1, PEACE), (0, self._long)), job)

    def gives_up(self, node: str) -> dict[str, str]:
        """It gets stuck, too, but its last try is seen until that has lasted for just not long enough."""
        first = (PEACE - 1 + self._last) % self._apart or self._apart
        times = (PEACE - 1 + self._last - first) // self._apart
        counted = ((count, self._apart) for count in range(1, times + 1))
        tries = samples((0, first), *counted, (times + 1, self._long))
        return self._node(node, tries, counter((1, PEACE), (0, self._long)))

    def idle(self, node: str) -> dict[str, str]:
        """Nothing is to be sent."""
        return self._node(node, counter((0, self._long)), counter((0, self._long)))

    def tries_of_another(self, node: str) -> dict[str, str]:
        """Collectors of another job, beside one of ours that sends nothing."""
        return {
            ALLOY.series(TRIED, job="another", node=node): self._again,
            ALLOY.series(SENT, job=self.job, node=node): counter((0, self._long)),
        }

    def lines_of_another(self, node: str) -> dict[str, str]:
        """Collectors of another job deliver."""
        return {ALLOY.series(SENT, job="another", node=node): counter((1, self._long))}

    def scraped(self, count: int, job: str | None = None) -> dict[str, str]:
        """So many collectors."""
        up = samples((1, self._long))
        return {SCRAPE.series("up", job=job or self.job, instance=f"10.0.0.{host}:12345"): up for host in range(count)}

    def _node(self, name: str, tries: str, lines: str, job: str | None = None) -> dict[str, str]:
        return {
            ALLOY.series(TRIED, job=job or self.job, node=name): tries,
            ALLOY.series(SENT, job=job or self.job, node=name): lines,
        }

    @property
    def _window(self) -> timedelta:
        return max(TRIED_AGAIN, self.by.window)

    @property
    def _scrapes(self) -> int:
        return self._window // self.by.interval

    @property
    def _last(self) -> int:
        return -(-self.hold // self.by.interval)

    @property
    def _apart(self) -> int:
        return self._scrapes * 3 // 4

    @property
    def _long(self) -> int:
        return 4 * (self._scrapes + self._last)

    @property
    def _again(self) -> str:
        """So often that a window always holds a try, and half of it often none."""
        counted = ((count, self._apart) for count in range(1, self._long // self._apart))
        return samples((0, PEACE), *counted)


def _one(tries: Tries) -> Alert:
    return Alert(
        name="LogCollectorStuck",
        expr=tries.in_vain,
        hold=tries.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A collector delivers nothing to a Loki, though it keeps trying.",
        description="The collector on {{ $labels.node }} has tried in vain {{ $value | humanize }} times to send lines "
        "to {{ $labels.host }}.",
        proof=Proof(
            fires=tries.stuck("node-a") | tries.lines_of_another("node-a"),
            at=tries.at,
            quiet=tries.gives_up("node-b") | tries.idle("node-c") | tries.tries_of_another("node-d"),
            step=2,  # what is seen once or twice
        ),
    )


def _many(tries: Tries, share: float) -> Alert:
    """A zone that loses its way to Loki loses lines within minutes, and the store still gets those of the others."""
    few = math.floor(share * NODES + 1e-9)
    nodes = [f"node-{number}" for number in range(few + 1)]
    others = tries.idle("node-c") | tries.tries_of_another("node-d") | tries.scraped(NODES)
    stuck = {series: run for node in nodes[:few] for series, run in tries.stuck(node).items()}
    return Alert(
        name="LogCollectorsStuck",
        expr=(
            f"count by (host) ({tries.in_vain}) / on () group_left () count({metric('up', job=tries.job)}) > {share:g}"
        ),
        hold=tries.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Many collectors deliver nothing to a Loki, though they keep trying.",
        description="{{ $value | humanizePercentage }} of the collectors try in vain to send lines to "
        "{{ $labels.host }}.",
        proof=Proof(
            fires=stuck
            | tries.stuck(nodes[-1])
            | tries.lines_of_another(nodes[-1])
            | others
            | tries.scraped(NODES, "another"),
            at=tries.at,
            quiet=stuck | tries.gives_up(nodes[-1]) | others,
            step=(2, 2, 1 / NODES),
        ),
    )
