"""What the examples say of themselves is true."""

import os
import subprocess
import sys

from tests.cluster.programs import built
from tests.real.teams import EXAMPLE


def test_example_proves_its_alerts_and_its_dashboard() -> None:
    """By its own tests, with the promtool that the platform runs."""
    environment = {**os.environ, "PROMTOOL": str(built("promtool"))}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=EXAMPLE,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )

    assert (ran.returncode, "2 passed" in ran.stdout) == (0, True), ran.stdout
