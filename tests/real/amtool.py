"""amtool as the judge of Alertmanager's configurations, and of where an alert goes."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.programs import built


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it, whatever it says."""
    return subprocess.run([built("amtool"), *arguments], check=False, capture_output=True, text=True)


def checked(*documents: Path | str) -> subprocess.CompletedProcess[str]:
    """Let it read documents, given as paths or as text: exit code 0 when it accepts them all.

    Its output says `level=WARN` where a matcher could be read in two ways.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return amtool("check-config", *(str(_file(each, scratch, str(n))) for n, each in enumerate(documents)))


def routed(document: Path | str, **labels: str) -> list[str]:
    """The receivers that hear of an alert, in the order of their routes; raises where it refuses the document."""
    with tempfile.TemporaryDirectory() as scratch:
        path = _file(document, scratch, "alertmanager.yml")
        # Escapes that matchers know, and no others.
        pairs = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()]
        ran = amtool("config", "routes", "test", f"--config.file={path}", *pairs)
    assert ran.returncode == 0, ran.stderr
    assert "level=" not in ran.stdout, ran.stdout
    return ran.stdout.strip().split(",")


def filled(template: str, data: Mapping[str, Any]) -> str:
    """What a notification says.

    Args:
        template: Go template.
        data: As in https://prometheus.io/docs/alerting/latest/notifications/#data
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = _file(json.dumps(data), scratch, "data.json")
        ran = amtool(
            "template",
            "render",
            f"--template.glob={scratch}/*.tmpl",
            f"--template.text={template}",
            f"--template.data={path}",
        )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _file(document: Path | str, scratch: str, name: str) -> Path:
    if isinstance(document, Path):
        return document
    path = Path(scratch, name)
    path.write_text(document)
    return path
