"""What the agents of backup say on a quiet day: an attempt fails, the next one does not, and all are started anew."""

from datetime import timedelta

from apps.environment import Environment
from constructs_lib.metrics.backup import BACKUP
from constructs_lib.metrics.prometheus import PROMETHEUS, SCRAPE
from tests.real.healthy.kubernetes import add_saving
from tests.real.healthy.workloads import Workload, workloads
from tests.real.simulation import System, Target, but, minute, steady, sways

# The store is away when a restore point is to be made.
DUE = minute(5)


def quiet(values: Environment) -> System:
    """Four hours of servers, their agents, and who saves the database, alone."""
    system, pods = System(values.scrape_interval), workloads(values)
    for target in _targets(pods, PROMETHEUS.job):
        system.add_scrape(SCRAPE, target, "up", steady(1))
    add(system, pods, values)
    add_saving(system, pods, values)
    return system


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """The agent of every server."""
    for target in _targets(pods, BACKUP.job):
        _add_agent(system, target, values.backup_every)


def _targets(pods: list[Workload], job: str) -> list[Target]:
    return [target for workload in pods for target in workload.targets() if target.job == job]


def _add_agent(system: System, target: Target, every: timedelta) -> None:
    seconds = every.total_seconds()
    made = but(lambda t: DUE + seconds * ((t - DUE) // seconds), DUE, 10, DUE - seconds)
    # It asks the store for the newest restore point, and has made no attempt yet.
    system.add(BACKUP, target, "backup_last_success_timestamp_seconds", but(made, minute(50), 2, None))
    # Each has somewhat more than the one before, and now and then less.
    size = but(sways(9e9, 1e9, minutes=240), minute(50), 2, None)
    system.add(BACKUP, target, "backup_restore_point_bytes", size)
    succeeded = but(but(steady(1), DUE, 10, 0), minute(50), 60, None)
    system.add(BACKUP, target, "backup_last_attempt_succeeded", succeeded)
    system.add(BACKUP, target, "backup_last_start_timestamp_seconds", steady(DUE))
