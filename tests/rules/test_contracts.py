"""What rules read is what programs expose: every metric, every label, every series of a proof."""

import importlib
import pkgutil
from datetime import timedelta

import cdk8s
import pytest

import constructs_lib.metrics
from apps.environments import load
from apps.kube import monitoring
from constructs_lib.metrics.model import Kind, Metric, Program
from constructs_lib.rules.model import Proof, Recording, RuleGroup
from tests.minimal import alert
from tests.rules.reading import complaints

MODULES = [
    importlib.import_module(f"constructs_lib.metrics.{module.name}")
    for module in pkgutil.iter_modules(constructs_lib.metrics.__path__)
]
PROGRAMS = {
    value.name: value for module in MODULES for value in vars(module).values() if isinstance(value, Program)
}.values()
FAN = Program(
    name="fan",
    version="1",
    job="fan",
    metrics=(
        Metric("fan_speed", Kind.GAUGE, ("side",)),
        Metric("fan_turns_total", Kind.COUNTER, ("side",)),
        Metric("fan_seconds", Kind.HISTOGRAM, ("side",)),
    ),
    source="https://fan.example.com",
)
# As they must be, so that each test breaks one thing only.
TURNS = "sum by (side) (rate(fan_turns_total[5m]))"
EXPR = "fan_speed{job='fan'} / on (side) group_left () side:fan_turns:rate5m > 1"
SPEED, DURATION = FAN.series("fan_speed"), "histogram_quantile(0.9, rate(fan_seconds_bucket[5m])) > 1"


def group(
    expr: str = EXPR, turns: str = TURNS, series: str = SPEED, text: str = "{{ $labels.side }} turns."
) -> RuleGroup:
    proof = Proof(fires={series: "1x9"}, at=timedelta(minutes=1), quiet={FAN.series("fan_turns_total"): "0x9"})
    return RuleGroup(
        name="fans",
        recordings=(Recording("side:fan_turns:rate5m", turns),),
        alerts=(
            alert("FanSlow", expr=expr, description=text, proof=proof),
            alert("FanLong", expr=DURATION, proof=proof),
        ),
    )


def test_rules_of_prod_read_what_programs_expose() -> None:
    """And programs say of themselves nothing that nobody reads."""
    values = dict(load(env_file=None))["prod"]
    groups = monitoring(cdk8s.App(), "prod", values).prometheus.groups

    assert sum(len(each.alerts) for each in groups) >= 25
    assert list(complaints(PROGRAMS, groups)) == []


def test_what_a_restart_takes_away_is_not_said_to_be_over() -> None:
    """Every alert on what kube-state-metrics tells of outlives its restart, and no other alert lingers."""
    values = dict(load(env_file=None))["prod"]
    alerts = [each for group in monitoring(cdk8s.App(), "prod", values).prometheus.groups for each in group.alerts]

    kept = {each.name: each.keep_firing for each in alerts if "kube_" in each.expr}

    assert set(kept.values()) == {timedelta(minutes=2)}
    assert {each.name for each in alerts if each.keep_firing} == kept.keys()


def test_rules_that_read_what_is_exposed_are_fine() -> None:
    """The tests below start from something without fault."""
    assert list(complaints([FAN], [group()])) == []


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (group(EXPR.replace("fan_speed", "fan_sped")), "FanSlow: no program exposes fan_sped"),
        (group(EXPR.replace("rate5m", "rate1m")), "FanSlow: no program exposes side:fan_turns:rate1m"),
        (group(turns=TURNS.replace("_total", "")), "side:fan_turns:rate5m: no program exposes fan_turns"),
        (group(EXPR.replace("job=", "zone=")), "FanSlow: fan_speed is selected by the label zone"),
        (
            group(EXPR.replace("rate5m", "rate5m{job='fan'}")),
            "FanSlow: side:fan_turns:rate5m is selected by the label job",
        ),
        (
            group(turns=TURNS.replace("by (side)", "by (side, blade)")),
            "side:fan_turns:rate5m: rate(fan_turns_total[5m]) is aggregated by the label blade",
        ),
        (
            group(turns=TURNS.replace("by (side)", "without (blade)")),
            "side:fan_turns:rate5m: rate(fan_turns_total[5m]) is aggregated by the label blade",
        ),
        (group(EXPR.replace("on (side)", "on (side, pod)")), "FanSlow: sides are matched by the label pod"),
        (
            group(EXPR.replace("on (side)", "ignoring (blade)")),
            "FanSlow: sides are matched, but not by the label blade",
        ),
        (group(EXPR.replace("on (side) group_left ()", "")), "FanSlow: sides are matched by the label pod"),
        (group(EXPR.replace("group_left ()", "group_left (job)")), "FanSlow: a side is joined by the label job"),
        (group("histogram_quantile(0.9, fan_speed) > 1"), "FanSlow: a quantile is taken by the label le"),
        (group(text="{{ $labels.blade }} turns."), "FanSlow: the text says the label blade"),
        (group("sum(fan_speed) > 1"), "FanSlow: the text says the label side"),
        (group(series="fan_speed{job='fan'}"), "FanSlow: the proof has fan_speed{job='fan'}, which no program exposes"),
        (group(series="fan_speed{side='a'}"), "FanSlow: the proof has fan_speed{side='a'}, which no program exposes"),
        (
            group(series="fan_speed{job='fan',side='a',blade='1'}"),
            "FanSlow: the proof has fan_speed{job='fan',side='a',blade='1'}, which no program exposes",
        ),
        (
            group(series="side:fan_turns:rate5m"),
            "FanSlow: the proof has side:fan_turns:rate5m, which no program exposes",
        ),
        (group("side:fan_turns:rate5m > 1"), "fan: nobody reads fan_speed"),
    ],
)
def test_what_nobody_exposes_and_what_nobody_reads_is_found(broken: RuleGroup, complaint: str) -> None:
    """One thing wrong, in each place where it can be."""
    assert complaint in list(complaints([FAN], [broken]))
