"""Whose series a rule reads: those of some jobs, and of nobody else's exporter that has a metric of the same name.

And which ones it leaves out: those of the pods of some CronJobs.
"""

import re
from collections.abc import Collection

from constructs_lib.errors import ConstructError
from constructs_lib.promql import Matcher, matches

SPECIAL = re.compile(r"[.*+?^$|(){}\[\]\\]")


def among(jobs: Collection[str], *, group: str) -> Matcher:
    """The condition that the label `job` is one of these names, character by character.

    Args:
        jobs: At least one.
        group: The rule group's name, for the message.
    Raises:
        ConstructError: no job.
    """
    if not jobs:
        raise ConstructError(f"the rule group {group} watches no job: name at least one, or leave the group out")
    return matches(_any_of(jobs))


def pods_of(cron_jobs: Collection[str]) -> str:
    """The pattern of the names of their pods: a Job is called by its minute, or by whoever makes it by hand.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#cron-job-limitations
    """
    return f"({_any_of(cron_jobs)})-.+"


def pod_of(cron_job: str) -> str:
    """The name that a pod of it may have."""
    return f"{cron_job}-29403600-k7xq2"


def _any_of(names: Collection[str]) -> str:
    return "|".join(SPECIAL.sub(r"\\\g<0>", name) for name in names)
