"""Whose series a rule reads: those of some jobs, and of nobody else's exporter that has a metric of the same name."""

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
    return matches("|".join(SPECIAL.sub(r"\\\g<0>", job) for job in jobs))
