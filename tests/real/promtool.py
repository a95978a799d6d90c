"""promtool as the judge of configurations and proofs."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from constructs_lib.promql import without_strings
from constructs_lib.rules import proving
from constructs_lib.rules.model import RuleGroup
from constructs_lib.rules.proving import Cases, counts
from constructs_lib.units import parse_duration, prometheus_duration
from tests.cluster.programs import built

COMPARISON = re.compile(r"(?P<operator>[=!<>]=|[<>]) (?P<threshold>\d+(\.\d+)?)")
WINDOW = re.compile(r"\[(?P<window>\w+)\]")
OFFSET = re.compile(r" offset (?P<offset>\w+)")
MATCHER = re.compile(r'(?<=[{,])\w+(=~|!~|!=|=)"(?:[^"\\]|\\.)*",?')


def promtool(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it, whatever it says."""
    return subprocess.run([built("promtool"), *arguments], check=False, capture_output=True, text=True, cwd=cwd)


def proven(group: RuleGroup, interval: timedelta) -> subprocess.CompletedProcess[str]:
    """Run the proof of the group's only alert."""
    return proving.proven(group, interval, built("promtool"))


def simulated(group: RuleGroup, interval: timedelta, cases: Cases) -> subprocess.CompletedProcess[str]:
    """Run a rule group over series of our own."""
    return proving.simulated(group, interval, cases, built("promtool"))


def interrupted(
    group: RuleGroup, interval: timedelta, gap: timedelta, fires: timedelta
) -> subprocess.CompletedProcess[str]:
    """Take all series away right after the group's only alert fired first.

    Args:
        group: Of the alert.
        interval: Between two evaluations.
        gap: For how long there are no series; then they are back.
        fires: For how long the alert fires of that time and the first evaluation with series again, no more, no less.
    """
    (alert,) = group.alerts
    proof, until, missing = alert.proof, alert.proof.at // interval + 1, gap // interval
    series = {}
    for selector, notation in proof.fires.items():
        values = expanded(notation)
        series[selector] = " ".join([*values[:until], "stale", *["_"] * (missing - 1), *values[until + missing :]])
    firing = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}}) or vector(0)'
    during = f"[{prometheus_duration(gap + interval)}:{prometheus_duration(interval)}]"
    fired = counts(f"sum_over_time(({firing}){during})", proof.at + gap + interval, proof.count * (fires // interval))
    return simulated(group, interval, [("interrupted", series, [fired])])


def expanded(notation: str) -> list[str]:
    """Each value of a series in promtool's notation, which ends nowhere."""
    values: list[str] = []
    for word in notation.split():
        first, _, times = word.partition("x")
        if first == "_":
            values += ["_"] * int(times or 1)
            continue
        start, step = (float(part) for part in (first.split("+") if "+" in first[1:] else (first, "0")))
        values += [f"{start + step * count:.12g}" for count in range(int(times or 0) + 1)]
    return values


def mutants(group: RuleGroup, interval: timedelta) -> Iterator[tuple[str, RuleGroup]]:
    """The group of one alert with one thing changed, and what it was."""
    (alert,) = group.alerts
    interval = alert.proof.every or interval
    for recording in group.recordings:
        for change, expr in mutants_of(recording.expr, alert.proof.steps):
            changed = tuple(replace(each, expr=expr) if each is recording else each for each in group.recordings)
            yield f"{recording.name}: {change}", replace(group, recordings=changed)
    for change, expr in mutants_of(alert.expr, alert.proof.steps):
        yield change, replace(group, alerts=(replace(alert, expr=expr),))
    for hold in (alert.hold - interval, alert.hold + interval):
        if hold >= timedelta(0):
            yield f"for {hold}", replace(group, alerts=(replace(alert, hold=hold),))
    if not alert.proof.quiet:  # what must always fire must need nothing
        yield "while a target is up", replace(group, alerts=(replace(alert, expr=f"{alert.expr} and on () up == 1"),))


def mutants_of(expr: str, steps: tuple[float, ...]) -> Iterator[tuple[str, str]]:
    """The expression with one threshold, window, offset or matcher changed, and what it was."""

    def changed(match: re.Match[str], group: str, text: str) -> str:
        start, end = match.span(group)
        return expr[:start] + text + expr[end:]

    bare = without_strings(expr)
    compared = list(COMPARISON.finditer(expr))
    # Nothing that a proof must notice may escape for being written in another way.
    assert len(compared) == len(re.findall(r'[<>]=?|[=!]=(?!")', bare)), expr
    assert len(list(MATCHER.finditer(expr))) == len(re.findall('[=~]""', bare)), expr
    assert len(list(WINDOW.finditer(expr))) == bare.count("["), expr
    assert len(list(OFFSET.finditer(expr))) == len(re.findall(r"\boffset\b", bare)), expr
    assert "@" not in bare, expr
    assert len(steps) in {1, len(compared)} or not compared, expr
    for match, step in zip(compared, steps * len(compared) if len(steps) == 1 else steps, strict=bool(compared)):
        for moved in (step, -step):
            threshold = f"{round(float(match['threshold']) + moved, 9):g}"
            yield f"{match[0]} becomes {threshold}", changed(match, "threshold", threshold)
    for pattern, part in ((WINDOW, "window"), (OFFSET, "offset")):
        for match in pattern.finditer(expr):
            for factor in (0.5, 2):
                duration = prometheus_duration(parse_duration(match[part]) * factor)
                yield f"{match[0]} at {match.start()} becomes {duration}", changed(match, part, duration)
    for match in OFFSET.finditer(expr):
        yield f"without {match[0]}", expr[: match.start()] + expr[match.end() :]
    for match in MATCHER.finditer(expr):
        yield f"without {match[0]} at {match.start()}", (expr[: match.start()] + expr[match.end() :]).replace(",}", "}")
