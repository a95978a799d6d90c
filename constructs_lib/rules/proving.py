"""Run proofs by promtool: an alert fires when it must, and only then.

Source: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from constructs_lib.config import to_yaml
from constructs_lib.errors import ConstructError
from constructs_lib.promql import without_strings
from constructs_lib.rules.model import Alert, Recording, RuleGroup
from constructs_lib.units import prometheus_duration

FOR_EVER = 240  # evaluations, of an alert that must fire all the time
Cases = Iterable[tuple[str, Mapping[str, str], list[dict[str, Any]]]]


def prove(group: RuleGroup, *, interval: timedelta, promtool: str = "promtool") -> None:
    """Prove every alert of a group, each with those recordings that it reads.

    Args:
        group: Of yours or of ours.
        interval: Between two evaluations; the samples of the proofs are as far apart.
        promtool: The program, of the Prometheus that will evaluate the group.
    Raises:
        ConstructError: what promtool says of the first proof that fails, or that there is none.
    """
    program = shutil.which(promtool)
    if program is None:
        raise ConstructError(f"there is no {promtool}: it comes with every release of Prometheus, or give its path")
    for alert in group.alerts:
        ran = proven(alone(alert, group.recordings), interval, str(Path(program).absolute()))
        if ran.returncode != 0:
            raise ConstructError(f"the proof of the alert {alert.name} fails: {ran.stdout}{ran.stderr}")


def alone(alert: Alert, recordings: tuple[Recording, ...] = ()) -> RuleGroup:
    """An alert with those recordings that it reads, themselves or by others."""
    kept: tuple[Recording, ...] = ()
    for recording in reversed(recordings):  # a later one may read an earlier one
        reading = " ".join([alert.expr, *(each.expr for each in kept)])
        if re.search(rf"(?<![\w:]){recording.name}(?![\w:])", without_strings(reading)):
            kept = (recording, *kept)
    return RuleGroup(name="proof", alerts=(alert,), recordings=kept)


def counts(expr: str, at: timedelta, value: int) -> dict[str, Any]:
    """The expectation that an expression has this value then."""
    return {"expr": expr, "eval_time": prometheus_duration(at), "exp_samples": [{"labels": "{}", "value": value}]}


def simulated(group: RuleGroup, interval: timedelta, cases: Cases, promtool: str) -> subprocess.CompletedProcess[str]:
    """Run a rule group: exit code 0 when every case, of a name and series, comes out as expected."""
    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": prometheus_duration(interval),
        "tests": [
            {
                "name": name,
                "interval": prometheus_duration(interval),
                "input_series": [{"series": selector, "values": values} for selector, values in series.items()],
                "promql_expr_test": expectations,
            }
            for name, series, expectations in cases
        ],
    }
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "rules.yaml").write_text(to_yaml(group.to_dict("https://runbooks.example.com")))
        Path(scratch, "tests.yaml").write_text(to_yaml(tests))
        command = [promtool, "test", "rules", "tests.yaml"]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=scratch)


def proven(group: RuleGroup, interval: timedelta, promtool: str) -> subprocess.CompletedProcess[str]:
    """Run the proof of the group's only alert: exit code 0 when it fires when it must, and only then."""
    (alert,) = group.alerts
    interval = alert.proof.every or interval
    texts = alert.summary + alert.description
    # What a text says of a label must be there to be said; so must be whose it is, if the series say it.
    said = {*re.findall(r"\$labels\.(\w+)", texts), *({"team"} if alert.team is None else ())}
    filled = "".join(f',{label}!=""' for label in sorted(said))
    firing = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}}) or vector(0)'
    telling = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"{filled}}}) or vector(0)'
    proof = alert.proof
    horizon = 2 * proof.at if proof.quiet else proof.at + FOR_EVER * interval
    during = f"[{prometheus_duration(horizon)}:{prometheus_duration(interval)}]"

    not_earlier = [counts(firing, proof.at - interval, 0)] if proof.at >= interval else []
    fires = [*not_earlier, counts(telling, proof.at, proof.count)]
    if proof.quiet:
        other = ("quiet", proof.quiet, [counts(f"max_over_time(({firing}){during})", horizon, 0)])
    else:
        other = ("always", {}, [counts(f"min_over_time(({firing}){during})", horizon, proof.count)])
    return simulated(group, interval, [("fires", proof.fires, fires), other], promtool)
