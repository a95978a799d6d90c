"""A healthy system: what every program says on a quiet day on which the usual small things happen."""

from apps.environment import Environment
from tests.real.healthy import (
    applications,
    backups,
    databases,
    hosts,
    kubernetes,
    logs,
    machines,
    observability,
    traces,
)
from tests.real.healthy.workloads import workloads
from tests.real.simulation import System


def healthy(values: Environment) -> System:
    """Four hours of such a day; what happens, happens in the last.

    Args:
        values: Of the environment that it is a day of.
    """
    system, pods = System(values.scrape_interval), workloads(values)
    for part in (applications, backups, databases, hosts, kubernetes, logs, machines, observability, traces):
        part.add(system, pods, values)
    return system
