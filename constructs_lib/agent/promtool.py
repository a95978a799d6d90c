"""promtool, of the very Prometheus that reads the files: it binds expressions, and judges files first."""

import json
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from constructs_lib.errors import ConstructError

PATIENCE = timedelta(seconds=20)


class NoVerdictError(Exception):
    """The program was killed, or came to no end: that says nothing of what it was asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promtool:
    """The program.

    Args:
        path: Where it is.
        scratch: A directory for a file now and then.
        version: What it says of itself.
    Source: https://prometheus.io/docs/prometheus/latest/command-line/promtool/
    """

    path: Path
    scratch: Path
    version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", self._run("--version").splitlines()[0])

    def bind(self, expr: str, label: str, value: str) -> str:
        """An expression in which every selector demands the value of a label, whatever it demanded of it before.

        Raises:
            ConstructError: an expression that Prometheus does not read.
            NoVerdictError: no answer.
        """
        return self._run("--experimental", "promql", "label-matchers", "set", "--", expr, label, value).strip()

    def check_rules(self, *paths: Path) -> None:
        """Refuse rule files of which Prometheus would refuse one.

        Raises:
            ConstructError: what it says.
            NoVerdictError: no answer.
        """
        self._run("check", "rules", "--lint=none", *map(str, paths))

    def check_jobs(self, *paths: Path) -> None:
        """Refuse files of scrape jobs of which Prometheus would refuse one.

        Raises:
            ConstructError: what it says.
            NoVerdictError: no answer.
        """
        with tempfile.NamedTemporaryFile("w", dir=self.scratch, suffix=".yml") as whole:
            json.dump({"scrape_config_files": [str(path.absolute()) for path in paths]}, whole)
            whole.flush()
            self._run("check", "config", "--lint=none", whole.name)

    def _run(self, *arguments: str) -> str:
        try:
            ran = subprocess.run(
                [str(self.path), *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE.total_seconds(),
            )
        except (subprocess.TimeoutExpired, OSError) as error:
            raise NoVerdictError(str(error)) from error
        if ran.returncode < 0:
            raise NoVerdictError(f"promtool ended by signal {-ran.returncode}")
        if ran.returncode != 0:
            raise ConstructError(" ".join((ran.stderr or ran.stdout).split()))
        return ran.stdout
