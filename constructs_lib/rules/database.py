"""What the servers of databases have in common, whatever their kind; each is watched by an exporter of its own."""

from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.metrics.model import Program
from constructs_lib.promql import metric
from constructs_lib.rules.course import Course
from constructs_lib.rules.model import DATABASE, Alert, Evaluator, Proof, Severity
from constructs_lib.thresholds import check_counts, check_durations, check_shares

STEP = 0.02  # of a share, which proofs must notice
EXPORTER = "{{ $labels.namespace }}/{{ $labels.pod }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLimits:
    """What the group `databases` bears.

    Args:
        down: How long a server may not answer: longer than its restart takes.
        connections: The share of the connections of a PostgreSQL server that may be open.
        memory: The share of its own limit that Redis may use; without such a limit it is not asked.
        strained: How long any of that may be exceeded, connections be refused, or an exporter fail.
        lag: How far a standby of PostgreSQL may be behind.
        deadlocks: How many there may be in a database within an hour.
    Raises:
        ConstructError: a share outside of 0 to 1, a duration below 1 minute, or no deadlock.
    """

    down: timedelta = timedelta(minutes=2)
    connections: float = 0.8
    memory: float = 0.9
    strained: timedelta = timedelta(minutes=5)
    lag: timedelta = timedelta(minutes=5)
    deadlocks: int = 5

    def __post_init__(self) -> None:
        check_shares(connections=self.connections, memory=self.memory)
        check_durations(down=self.down, strained=self.strained, lag=self.lag)
        check_counts(deadlocks=self.deadlocks)


LIMITS = DatabaseLimits()


def down(by: Evaluator, job: str, limits: DatabaseLimits, *, name: str, program: Program, up: str) -> Alert:
    """An alert on a server that does not answer its exporter.

    Args:
        name: Of the server's kind.
        program: Its exporter.
        up: The metric that tells it.
    """
    course = Course(interval=by.interval, hold=limits.down)
    ours, another = (program.series(up, job=each, pod="exporter", namespace="monitoring") for each in (job, "another"))
    return Alert(
        name=f"{name}Down",
        expr=f"{metric(up, job=job)} == 0",
        hold=limits.down,
        severity=Severity.CRITICAL,
        team=DATABASE,
        summary=f"A {name} server does not answer.",
        description=f"The {name} server that {EXPORTER} watches does not answer.",
        proof=Proof(
            fires={ours: course.lasts(1, 0)},
            at=course.at,
            quiet={ours: course.recovers(1, 0), another: course.steady(0)},
        ),
    )
