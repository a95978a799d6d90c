"""What Grafana puts in the place of variables in its settings and in provisioning files.

Source: https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/#variable-expansion
"""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = re.compile(r"\$(|__\w+){([^}]+)}")
BARE = re.compile(r"\$(\w+)")
ESCAPED = "$$"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Grafana runs.

    Args:
        root: What is `/` to it.
        environment: Its variables.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)

    def at(self, path: str) -> Path:
        """A path as it is here."""
        return self.root / path.lstrip("/")

    def expanded(self, text: str, faults: list[str], where: str) -> str:
        """A setting with the values of its variables; each that has none is a fault."""

        def value(match: re.Match[str]) -> str:
            provider, argument = match[1].removeprefix("__") or "env", match[2]
            if provider == "file":
                return self._file(argument, faults, where)
            if provider == "env":
                return self._variable(argument, faults, where)
            faults.append(f"{where}: there is no provider {provider!r} of values, which {match[0]} asks for")
            return ""

        return VARIABLE.sub(value, text)

    def interpolated(self, content: Any, faults: list[str], where: str) -> Any:
        """What a provisioning file means, with all values expanded; `$$` is a dollar."""
        if isinstance(content, dict):
            return {key: self.interpolated(each, faults, f"{where}.{key}") for key, each in content.items()}
        if isinstance(content, list):
            return [self.interpolated(each, faults, f"{where}[{at}]") for at, each in enumerate(content)]
        if not isinstance(content, str):
            return content
        parts = [self.expanded(part, faults, where) for part in content.split(ESCAPED)]
        return "$".join(BARE.sub(lambda match: self._variable(match[1], faults, where), part) for part in parts)

    def _file(self, path: str, faults: list[str], where: str) -> str:
        try:
            text = self.at(path).read_text().strip()
        except OSError as error:
            faults.append(f"{where}: the file {path} cannot be read: {error.strerror}")
            return ""
        if not text:
            faults.append(f"{where}: the file {path} is empty")
        return text

    def _variable(self, name: str, faults: list[str], where: str) -> str:
        value = self.environment.get(name, "")
        if name == "HOSTNAME" and not value:
            return socket.gethostname()
        if not value:
            faults.append(f"{where}: the variable {name} is not set; a dollar that is meant is written as {ESCAPED}")
        return value
