"""On a quiet day nothing fires but the heartbeat, and trouble does: all rules at once, in promtool."""

from collections.abc import Iterator
from typing import Any

import cdk8s
import pytest

from apps.environments import load
from apps.kube import monitoring
from constructs_lib.rules.model import RuleGroup
from tests.real.healthy import healthy
from tests.real.healthy.applications import ANSWERS, MODEL_CALLS
from tests.real.healthy.machines import VOLUME
from tests.real.healthy.observability import GROUP_OF_TEAM
from tests.real.healthy.workloads import JOB_OF_TEAM
from tests.real.simulation import WHOLE, Course, counts, judged, minute, steady, stops
from tests.rules.test_contracts import PROGRAMS

ENVIRONMENTS = dict(load(env_file=None))
RULES = {name: monitoring(cdk8s.App(), name, values).prometheus for name, values in ENVIRONMENTS.items()}


def distinct() -> Iterator[Any]:
    """Every environment that has rules of its own."""
    seen: list[tuple[tuple[RuleGroup, ...], object]] = []
    for name, values in ENVIRONMENTS.items():
        case = (RULES[name].groups, values.scrape_interval)
        if case not in seen:
            seen.append(case)
            yield pytest.param(name, id=name)


def troubles(name: str) -> dict[str, tuple[str, Course, set[str]]]:
    """What can go wrong in each rule group's part: the words of the series, their course, and what must be heard of."""
    members = ENVIRONMENTS[name].prometheus_replicas
    return {
        "application": (
            'http_requests_total service="backend" code="500"',
            counts(0.1 * ANSWERS["backend"]),
            {"ApiErrors"},
        ),
        "databases": ("pg_up", turns(1, 0), {"PostgresDown"}),
        "kubernetes": (
            'kube_deployment_status_replicas_available deployment="backend"',
            turns(2, 1),
            {"DeploymentReplicasMissing"},
        ),
        "logs": ("loki_ingester_wal_records_logged_total", stops(20), {"LogsStopped"}),
        "models": (
            'ai_model_request_duration_seconds_bucket model="large" le="10.0"',
            counts(0.92 * MODEL_CALLS["large"][0]),
            {"ModelSlow"},
        ),
        "nodes": (
            'kube_node_status_condition condition="Ready" node="node-b" status="true"',
            turns(1, 0),
            {"NodeNotReady"},
        ),
        "observability": (
            f'prometheus_config_last_reload_successful pod="prometheus-{members - 1}"',
            turns(1, 0),
            {"PrometheusReloadFailed"},
        ),
        "services": ('available data-nats-0"', steady(0.14 * VOLUME), {"VolumeAlmostFull"}),
        # Of a team's group the team hears, and the platform does not.
        "teams": (f'prometheus_rule_evaluation_failures_total "{GROUP_OF_TEAM}"', counts(0.05), {"TeamRulesFailing"}),
        "up of a team": (f'up{{job="{JOB_OF_TEAM}"', turns(1, 0), {"TeamTargetDown"}),
        # Nobody answers, and each of three groups of people must know.
        "traces": ("otelcol_receiver_accepted_spans_total", stops(30), {"TracesStopped"}),
        "up": ('up{job="api"', turns(1, 0), {"TargetDown", "JobDown", "ServiceDown"}),
    }


def turns(good: float, bad: float) -> Course:
    """It turns bad in the last hour, and stays so."""
    return lambda t: bad if t >= minute(10) else good


@pytest.mark.parametrize("name", list(distinct()))
def test_nothing_but_the_heartbeat_fires_on_a_quiet_day(name: str) -> None:
    """Not while the windows fill, nor in the hour in which all the small things happen that happen on such a day."""
    assert judged(healthy(ENVIRONMENTS[name]), RULES[name].groups, fired=[], within=WHOLE) == ""


@pytest.mark.parametrize("part", troubles("dev"))
def test_one_trouble_among_what_is_healthy_is_heard_of(part: str) -> None:
    """Its own alerts fire and no other; so the quiet day has what each group reads."""
    words, course, alerts = troubles("dev")[part]

    system = healthy(ENVIRONMENTS["dev"]).but(words, course)

    assert judged(system, RULES["dev"].groups, fired=alerts, within=WHOLE) == ""


def test_every_rule_group_has_its_trouble() -> None:
    """A new group brings its own."""
    assert {group.name for group in RULES["dev"].groups} == troubles("dev").keys() - {"up", "up of a team"}


def test_every_metric_of_every_program_is_there() -> None:
    """All series that programs may tell of, and no others; what gossips is there where there are several members."""
    told = {program.name: {name for each in program.metrics for name in each.series()} for program in PROGRAMS}

    assert healthy(ENVIRONMENTS["prod"]).shown == told


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_job_is_scraped(name: str) -> None:
    """The targets are those of the rendered configuration's jobs."""
    up = [series for series in healthy(ENVIRONMENTS[name]).series if series.startswith("up{")]
    jobs = {series.partition('job="')[2].partition('"')[0] for series in up}

    # Which may be empty, or wait.
    others = {"annotated-pods", "annotated-services", *RULES[name].evaluator.agent_jobs, JOB_OF_TEAM}
    assert jobs == {*RULES[name].evaluator.jobs, *others}
