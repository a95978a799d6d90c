"""The alerts on PostgreSQL and Redis: what they read, and which thresholds can be chosen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.rules.database import LIMITS, DatabaseLimits
from constructs_lib.rules.databases import databases
from constructs_lib.rules.model import DATABASE, Alert, Evaluator, RuleGroup, Severity

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("api",))
POSTGRES = {
    "PostgresDown": 'pg_up{job="postgres"} == 0',
    "PostgresConnectionsNearLimit": (
        'sum by (namespace, pod) (pg_stat_database_numbackends{job="postgres"})'
        ' / max by (namespace, pod) (pg_settings_max_connections{job="postgres"}) > 0.8'
    ),
    "PostgresReplicationLagging": 'pg_replication_lag_seconds{job="postgres"} > 300',
    "PostgresDeadlocks": (
        'max by (namespace, pod, datname) (increase(pg_stat_database_deadlocks{job="postgres"}[1h])) > 5.5'
    ),
    "PostgresExporterFailing": 'pg_exporter_last_scrape_error{job="postgres"} == 1 and pg_up == 1',
}
REDIS = {
    "RedisDown": 'redis_up{job="redis"} == 0',
    "RedisMemoryNearLimit": (
        'redis_memory_used_bytes{job="redis"} / (redis_memory_max_bytes != 0) > 0.9'
        ' and on (namespace, pod) redis_instance_info{job="redis",maxmemory_policy="noeviction"}'
    ),
    "RedisRejectedConnections": 'increase(redis_rejected_connections_total{job="redis"}[1m]) > 0',
}


def alerts(group: RuleGroup | None = None) -> dict[str, Alert]:
    return {alert.name: alert for alert in (group or databases(BY)).alerts}


def test_the_group_reads_what_it_says() -> None:
    """No alert comes or goes by accident; a Redis without a limit, or that evicts, may be full."""
    assert {name: alert.expr for name, alert in alerts().items()} == POSTGRES | REDIS


def test_one_kind_of_database_is_enough() -> None:
    """Alerts on a job that nothing scrapes could never fire."""
    assert alerts(databases(BY, redis=None)).keys() == POSTGRES.keys()
    assert alerts(databases(BY, postgres=None)).keys() == REDIS.keys()


def test_none_at_all_is_refused() -> None:
    """The group would be empty."""
    with pytest.raises(ConstructError, match="the rule group databases watches no job: name postgres or redis, or le"):
        databases(BY, postgres=None, redis=None)


def test_only_a_server_that_does_not_answer_wakes_somebody() -> None:
    """All of it is the same team's."""
    critical = {name for name, alert in alerts().items() if alert.severity is Severity.CRITICAL}
    assert critical == {"PostgresDown", "RedisDown"}
    assert {alert.team for alert in alerts().values()} == {DATABASE}


def test_every_threshold_can_be_chosen() -> None:
    """Each is a value with its unit, and the jobs of the exporters are the app's."""
    limits = DatabaseLimits(
        down=timedelta(minutes=1),
        connections=0.5,
        memory=0.7,
        strained=timedelta(minutes=9),
        lag=timedelta(seconds=90),
        deadlocks=2,
    )
    ours = alerts(databases(BY, postgres="pg", redis="cache", limits=limits))
    holds = {name: alert.hold for name, alert in ours.items()}
    assert holds.pop("PostgresDown") == holds.pop("RedisDown") == timedelta(minutes=1)
    assert holds.pop("PostgresDeadlocks") == timedelta(0)
    assert set(holds.values()) == {timedelta(minutes=9)}
    assert ours["PostgresConnectionsNearLimit"].expr.endswith("> 0.5")
    assert "> 0.7 and" in ours["RedisMemoryNearLimit"].expr
    assert ours["PostgresReplicationLagging"].expr.endswith("> 90")
    assert ours["PostgresDeadlocks"].expr.endswith("> 2.5")
    assert all('job="pg"' in alert.expr for name, alert in ours.items() if name in POSTGRES)
    assert all('job="cache"' in alert.expr for name, alert in ours.items() if name in REDIS)


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"connections": 80}, "connections is 80, but it is a part of a whole: use more than 0 and less than 1"),
        ({"memory": 0}, "memory is 0, but it is a part of a whole"),
        ({"deadlocks": 0}, "deadlocks is 0, which is exceeded at once: use 1 or more"),
        ({"lag": timedelta(0)}, "lag is 0:00:00, too short to tell trouble from chance: use 1m or more"),
    ],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, object], refusal: str) -> None:
    """Each would make an alert that always fires, or never."""
    with pytest.raises(ConstructError, match=refusal):
        replace(LIMITS, **limits)
