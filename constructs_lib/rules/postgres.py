"""PostgreSQL, by its usual exporter and what that tells unless told otherwise."""

from datetime import timedelta

from constructs_lib.metrics.postgres import POSTGRES_EXPORTER
from constructs_lib.promql import metric
from constructs_lib.rules.course import Course
from constructs_lib.rules.database import EXPORTER, STEP, DatabaseLimits, down
from constructs_lib.rules.model import DATABASE, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.units import prometheus_duration


def postgres_alerts(by: Evaluator, job: str, limits: DatabaseLimits) -> tuple[Alert, ...]:
    """The alerts on servers of PostgreSQL.

    Args:
        by: Who evaluates them.
        job: Of their exporters.
        limits: From where on somebody must hear of it.
    """
    return (
        down(by, job, limits, name="Postgres", program=POSTGRES_EXPORTER, up="pg_up"),
        _connections(by, job, limits),
        _lag(by, job, limits),
        _deadlocks(by, job, limits),
        _exporter_failing(by, job, limits),
    )


def _connections(by: Evaluator, job: str, limits: DatabaseLimits) -> Alert:
    opened, most = "pg_stat_database_numbackends", "pg_settings_max_connections"
    course = Course(interval=by.interval, hold=limits.strained)
    over, under = 100 * (limits.connections + STEP / 2), 100 * (limits.connections - STEP / 2)

    def server(pod: str, connections: str, opened_by: str = job, limited_by: str = job) -> dict[str, str]:
        """A server that allows 100 connections, ten of which are to a second database."""
        labels = {"pod": pod, "namespace": "monitoring"}
        return {
            POSTGRES_EXPORTER.series(opened, **labels, job=opened_by, datname="shop"): connections,
            POSTGRES_EXPORTER.series(opened, **labels, job=opened_by, datname="postgres"): course.steady(10),
            POSTGRES_EXPORTER.series(most, **labels, job=limited_by): course.steady(100),
        }

    return Alert(
        name="PostgresConnectionsNearLimit",
        expr=(
            f"sum by (namespace, pod) ({metric(opened, job=job)})"
            f" / max by (namespace, pod) ({metric(most, job=job)}) > {limits.connections:g}"
        ),
        hold=limits.strained,
        severity=Severity.WARNING,
        team=DATABASE,
        summary="A PostgreSQL server has hardly any connection left.",
        description=f"{{{{ $value | humanizePercentage }}}} of the connections of the server that {EXPORTER} watches "
        "are open.",
        proof=Proof(
            fires=server("full", course.lasts(20, over - 10)),
            at=course.at,
            quiet=server("tidied", course.recovers(20, over - 10))
            | server("nearly", course.steady(under - 10))
            | server("opened", course.steady(over - 10), opened_by="another")
            | server("limited", course.steady(over - 10), limited_by="another"),
            step=STEP,
        ),
    )


def _lag(by: Evaluator, job: str, limits: DatabaseLimits) -> Alert:
    name, most = "pg_replication_lag_seconds", limits.lag.total_seconds()
    course = Course(interval=by.interval, hold=limits.strained)

    def server(pod: str, job: str = job) -> str:
        return POSTGRES_EXPORTER.series(name, job=job, pod=pod, namespace="monitoring")

    return Alert(
        name="PostgresReplicationLagging",
        expr=f"{metric(name, job=job)} > {most:.0f}",
        hold=limits.strained,
        severity=Severity.WARNING,
        team=DATABASE,
        summary="A standby of PostgreSQL is far behind.",
        description=f"The standby that {EXPORTER} watches is {{{{ $value | humanizeDuration }}}} behind.",
        proof=Proof(
            fires={server("late"): course.lasts(0, most + 1)},
            at=course.at,
            quiet={
                server("late"): course.recovers(0, most + 1),
                server("nearly"): course.steady(most),
                server("another", "another"): course.steady(most + 1),
            },
        ),
    )


def _deadlocks(by: Evaluator, job: str, limits: DatabaseLimits) -> Alert:
    """All of them, of which one scrape may find many; an increase is a little more than was counted, hence the half."""
    name, within = "pg_stat_database_deadlocks", timedelta(hours=1)
    hour = within // by.interval

    def database(job: str = job) -> str:
        return POSTGRES_EXPORTER.series(name, job=job, pod="exporter", namespace="monitoring")

    most, soon, late = limits.deadlocks, hour * 3 // 4, hour * 4 // 3
    # Two bursts are just too many; or each is just not, and the next one comes when it is forgotten.
    often = samples((100, hour), (100 + most // 2, soon), (101 + most, 4 * hour))
    seldom = samples((100, hour), *((100 + most * burst, late) for burst in range(1, 6)))
    increased = f"increase({metric(name, job=job)}[{prometheus_duration(within)}])"
    return Alert(
        name="PostgresDeadlocks",
        expr=f"max by (namespace, pod, datname) ({increased}) > {limits.deadlocks + 0.5:g}",
        hold=timedelta(0),
        severity=Severity.WARNING,
        team=DATABASE,
        summary="Transactions of a PostgreSQL database keep locking each other out.",
        description="The database {{ $labels.datname }} had {{ $value | humanize }} deadlocks within an hour, "
        f"as {EXPORTER} tells.",
        proof=Proof(
            fires={database(): often},
            at=(hour + soon) * by.interval,
            quiet={database(): seldom, database("another"): often},
        ),
    )


def _exporter_failing(by: Evaluator, job: str, limits: DatabaseLimits) -> Alert:
    """A server that does not answer fails its exporter as well, but is an alert of its own."""
    error, up = "pg_exporter_last_scrape_error", "pg_up"
    course = Course(interval=by.interval, hold=limits.strained)

    def server(pod: str, errors: str, answers: int = 1, job: str = job) -> dict[str, str]:
        labels = {"job": job, "pod": pod, "namespace": "monitoring"}
        return {
            POSTGRES_EXPORTER.series(error, **labels): errors,
            POSTGRES_EXPORTER.series(up, **labels): course.steady(answers),
        }

    return Alert(
        name="PostgresExporterFailing",
        expr=f"{metric(error, job=job)} == 1 and {up} == 1",
        hold=limits.strained,
        severity=Severity.WARNING,
        team=DATABASE,
        summary="An exporter cannot read all that it should of a PostgreSQL server.",
        description=f"{EXPORTER} reaches its server, but its queries fail.",
        proof=Proof(
            fires=server("failing", course.lasts(0, 1)),
            at=course.at,
            quiet=server("recovering", course.recovers(0, 1))
            | server("down", course.steady(1), answers=0)
            | server("another", course.steady(1), job="another"),
        ),
    )
