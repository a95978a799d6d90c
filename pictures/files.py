"""Where the answers are, and the pictures that are drawn of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pictures.answers import Answers
from pictures.drawing import dashboard, sheet
from pictures.page import png

ROOT = Path(__file__).parent.parent
PICTURES, ALL = ROOT / "docs" / "pictures", "all"
ANSWERS = PICTURES / "answers.json"
GRAFANA, PREFIX = ROOT / "dist" / "prod" / "k8s" / "grafana.k8s.yaml", "grafana-dashboard-"


def boards() -> list[Mapping[str, Any]]:
    """The dashboards of prod, as Grafana reads them."""
    documents = yaml.safe_load_all(GRAFANA.read_text())
    maps = [each for each in documents if each["kind"] == "ConfigMap" and each["metadata"]["name"].startswith(PREFIX)]
    return [json.loads(text) for each in maps for text in each["data"].values()]


def draw() -> None:
    """One picture of each, and one of all."""
    answers = Answers.from_json(ANSWERS.read_text())
    drawn = {board["uid"]: (board["title"], dashboard(board, answers)) for board in boards()}
    for name, (_, picture) in drawn.items():
        (PICTURES / f"{name}.png").write_bytes(png(picture))
    (PICTURES / f"{ALL}.png").write_bytes(png(sheet(dict(drawn.values()))))
