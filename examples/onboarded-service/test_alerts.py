"""The team's alerts fire when they must, and only then."""

import os
from datetime import timedelta

from alerts import RULES

from constructs_lib.rules.proving import prove


def test_alerts_are_proven() -> None:
    """By promtool, of the release of Prometheus that the platform runs."""
    prove(RULES, interval=timedelta(seconds=15), promtool=os.environ.get("PROMTOOL", "promtool"))
