"""A system as its series, from the first second to the last, and promtool that runs rules over them."""

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path

from constructs_lib.config import to_yaml
from constructs_lib.metrics.model import Kind, Program
from constructs_lib.promql import metric
from constructs_lib.rules.model import RuleGroup
from constructs_lib.units import prometheus_duration
from tests.real.promtool import promtool

# A value for each second since the beginning; None while there is no series.
Course = Callable[[float], float | None]
# The longest window of a rule is two hours: what happens in the last of four happens with all windows full.
WHOLE, LAST = timedelta(hours=4), timedelta(hours=1)


def minute(number: float) -> float:
    """The second at which a minute of the last hour begins."""
    return (WHOLE - LAST).total_seconds() + 60 * number


def steady(value: float) -> Course:
    """Never changes."""
    return lambda _: value


def sways(around: float, by: float, minutes: float = 20) -> Course:
    """Up and down by so much, each time in so many minutes."""
    return lambda t: around + by * math.sin(2 * math.pi * t / (60 * minutes))


def grows(per_second: float) -> Course:
    """A counter for a day already, faster by half and slower by half in turn."""

    return lambda t: per_second * (86400 + t + 0.5 * 600 / (2 * math.pi) * math.sin(2 * math.pi * t / 600))


def counts(per_second: float) -> Course:
    """Likewise, in whole numbers, as events are."""
    return lambda t: math.floor(grows(per_second)(t) or 0)


def stops(per_second: float) -> Course:
    """A counter that grows no more in the last hour."""
    return lambda t: counts(per_second)(min(t, minute(0)))


def happens(*times: float) -> Course:
    """A counter of what happens at these seconds."""
    return lambda t: 7 + sum(t >= time for time in times)


def but(course: Course, start: float, minutes: float, value: float | None) -> Course:
    """Something else for some minutes."""
    return lambda t: value if start <= t < start + 60 * minutes else course(t)


def only(start: float, minutes: float, value: float = 1) -> Course:
    """A series that is there for some minutes."""
    return but(lambda _: None, start, minutes, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is scraped.

    Args:
        job: By which it is scraped.
        labels: Of all its series besides.
        fails: When a scrape fails, once.
        restarts: When its counters begin at 0 again; that scrape fails, too.
    """

    job: str
    labels: Mapping[str, str]
    fails: float = math.inf
    restarts: float = math.inf

    def answers(self, t: float, interval: float) -> bool:
        return not any(event <= t < event + interval for event in (self.fails, self.restarts))


@dataclass(frozen=True, slots=True)
class System:
    """All series of a system.

    Args:
        interval: Between two scrapes, and two evaluations.
        series: What each is at each evaluation, by selector.
        shown: Which metrics there are, by program.
    """

    interval: timedelta
    series: dict[str, list[float | None]] = field(default_factory=dict)
    shown: dict[str, set[str]] = field(default_factory=dict)

    def add(self, program: Program, target: Target, name: str, course: Course, /, **own: str) -> None:
        """Add a series with all of its own labels; one that is empty is none."""
        assert program.labels_of(name) == own.keys(), f"{name} has the labels {program.labels_of(name)}, not {set(own)}"
        (kind,) = (each.kind for each in program.metrics if name in each.series())
        seconds = self.interval.total_seconds()
        labels = {"job": target.job, **target.labels, **own}  # its own win, as with honor_labels

        def scraped(t: float) -> float | None:
            value = course(t)
            if value is None or not target.answers(t, seconds):
                return None
            if kind in {Kind.COUNTER, Kind.HISTOGRAM} and t >= target.restarts:
                return value - (course(target.restarts) or 0)
            return value

        selector = metric(name, **{label: value for label, value in labels.items() if value})
        assert selector not in self.series, f"{selector} is there twice"
        self.series[selector] = self._sampled(scraped)
        self.shown.setdefault(program.name, set()).add(name)

    def add_scrape(self, program: Program, target: Target, name: str, course: Course) -> None:
        """Add what Prometheus itself writes of every scrape, of one that fails, too."""
        self.add(program, replace(target, fails=math.inf, restarts=math.inf), name, course)

    def but(self, part: str, course: Course) -> "System":
        """The same with other values of each series whose selector contains all words of a text."""
        chosen = [selector for selector in self.series if all(word in selector for word in part.split())]
        assert chosen, f"there is no series {part}"
        return replace(self, series=self.series | dict.fromkeys(chosen, self._sampled(course)))

    def _sampled(self, course: Course) -> list[float | None]:
        return [course(number * self.interval.total_seconds()) for number in range(WHOLE // self.interval + 1)]


def notation(values: Iterable[float | None]) -> str:
    """Values as promtool reads them; where a series ends it is marked as stale, as by a scrape without it."""
    words, before = [], None
    for value, run in groupby(values):
        count = len(list(run))
        if value is not None:
            words.append(f"{value:.12g}x{count - 1}")
        else:
            gap = count if before is None else count - 1
            words += ["stale"] * (before is not None) + [f"_x{gap}"] * (gap > 0)
        before = value
    return " ".join(words)


def judged(system: System, groups: Iterable[RuleGroup], fired: Iterable[str], within: timedelta) -> str:
    """What promtool has against it that exactly these alerts fire in the time before the end, a heartbeat always."""
    during = f'ALERTS{{alertstate="firing"}}[{prometheus_duration(within)}]'
    always = f'count_over_time(ALERTS{{alertname="Heartbeat",alertstate="firing"}}[{prometheus_duration(within)}])'
    end = prometheus_duration(WHOLE)
    names = sorted({"Heartbeat", *fired})
    files = {f"{group.name}.yaml": group.to_dict("https://runbooks.example.com") for group in groups}
    test = {
        "interval": prometheus_duration(system.interval),
        "input_series": [{"series": selector, "values": notation(run)} for selector, run in system.series.items()],
        "promql_expr_test": [
            {
                "expr": f"group by (alertname) (last_over_time({during}))",
                "eval_time": end,
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
            },
            {
                "expr": f"sum({always})",
                "eval_time": end,
                "exp_samples": [{"labels": "{}", "value": within // system.interval}],
            },
        ],
    }
    tests = {
        "rule_files": sorted(files),
        "evaluation_interval": prometheus_duration(system.interval),
        "tests": [test],
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name, group in files.items():
            Path(scratch, name).write_text(to_yaml(group))
        Path(scratch, "tests.json").write_text(json.dumps(tests))
        ran = promtool("test", "rules", "tests.json", cwd=Path(scratch))
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr
