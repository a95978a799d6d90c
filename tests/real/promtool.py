"""promtool as the judge of configurations and proofs."""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from constructs_lib.config import to_yaml
from constructs_lib.promql import without_strings
from constructs_lib.rules.model import Alert, RuleGroup
from constructs_lib.units import parse_duration, prometheus_duration
from tests.cluster.programs import built

COMPARISON = re.compile(r"(?P<operator>[=!<>]=|[<>]) (?P<threshold>\d+(\.\d+)?)")
WINDOW = re.compile(r"\[(?P<window>\w+)\]")
MATCHER = re.compile(r'(?<=[{,])\w+(=~|!~|!=|=)"[^"]*",?')


def promtool(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it, whatever it says."""
    return subprocess.run([built("promtool"), *arguments], check=False, capture_output=True, text=True, cwd=cwd)


def proven(alert: Alert, interval: timedelta) -> subprocess.CompletedProcess[str]:
    """Run an alert's proof: exit code 0 when it fires when it must, and only then."""
    texts = alert.summary + alert.description
    # What a text says of a label must be there to be said.
    filled = "".join(f',{label}!=""' for label in sorted(set(re.findall(r"\$labels\.(\w+)", texts))))
    firing = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}}) or vector(0)'
    telling = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"{filled}}}) or vector(0)'
    proof = alert.proof
    horizon = 2 * proof.at
    ever = f"max_over_time(({firing})[{prometheus_duration(horizon)}:{prometheus_duration(interval)}])"

    def counts(expr: str, at: timedelta, value: int) -> dict[str, Any]:
        return {
            "expr": expr,
            "eval_time": prometheus_duration(at),
            "exp_samples": [{"labels": "{}", "value": value}],
        }

    def test(name: str, series: Mapping[str, str], *expectations: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": name,
            "interval": prometheus_duration(interval),
            "input_series": [{"series": selector, "values": values} for selector, values in series.items()],
            "promql_expr_test": list(expectations),
        }

    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": prometheus_duration(interval),
        "tests": [
            test("fires", proof.fires, counts(firing, proof.at - interval, 0), counts(telling, proof.at, proof.count)),
            test("quiet", proof.quiet, counts(ever, horizon, 0)),
        ],
    }
    with tempfile.TemporaryDirectory() as scratch:
        rules = RuleGroup(name="proof", alerts=(alert,)).to_dict("https://runbooks.example.com")
        Path(scratch, "rules.yaml").write_text(to_yaml(rules))
        Path(scratch, "tests.yaml").write_text(to_yaml(tests))
        return promtool("test", "rules", "tests.yaml", cwd=Path(scratch))


def mutants(alert: Alert, interval: timedelta) -> Iterator[tuple[str, Alert]]:
    """The alert with one thing changed, and what it was."""

    def changed(match: re.Match[str], group: str, text: str) -> Alert:
        start, end = match.span(group)
        return replace(alert, expr=alert.expr[:start] + text + alert.expr[end:])

    bare = without_strings(alert.expr)
    compared = list(COMPARISON.finditer(alert.expr))
    # Nothing that a proof must notice may escape for being written in another way.
    assert len(compared) == len(re.findall(r"[<>]=?|[=!]=", bare)), alert.expr
    assert len(list(MATCHER.finditer(alert.expr))) == bare.count('""'), alert.expr
    assert len(list(WINDOW.finditer(alert.expr))) == bare.count("["), alert.expr
    for match in compared:
        for step in (alert.proof.step, -alert.proof.step):
            threshold = f"{round(float(match['threshold']) + step, 9):g}"
            yield f"{match[0]} becomes {threshold}", changed(match, "threshold", threshold)
    for match in WINDOW.finditer(alert.expr):
        for factor in (0.5, 2):
            window = prometheus_duration(parse_duration(match["window"]) * factor)
            yield f"{match[0]} becomes {window}", changed(match, "window", window)
    for match in MATCHER.finditer(alert.expr):
        expr = (alert.expr[: match.start()] + alert.expr[match.end() :]).replace(",}", "}")
        yield f"without {match[0]}", replace(alert, expr=expr)
    for hold in (alert.hold - interval, alert.hold + interval):
        if hold >= timedelta(0):
            yield f"for {hold}", replace(alert, hold=hold)
