"""Answers that are made up: of each query two series, with the labels that its panel names, or some lines."""

import math
from collections.abc import Mapping
from typing import Any

from pictures.answers import Answers, Series
from pictures.drawing import LABEL
from tests.dashboards.filled import panels

COUNT, BEGIN, STEP = 61, 1_764_352_800.0, 15.0


def answers(*boards: Mapping[str, Any]) -> Answers:
    """Something for every panel of these dashboards."""
    found = {
        board["uid"]: {
            panel["title"]: [_series(panel, target) for target in panel["targets"]] for panel in panels(board)
        }
        for board in boards
    }
    fired = Series(labels={"alertname": "ApiErrors"}, values=[None] * 30 + [1.0] * 20 + [None] * 11)
    return Answers(begin=BEGIN, step=STEP, count=COUNT, found=found, marks=[fired])


def _series(panel: Mapping[str, Any], target: Mapping[str, Any]) -> list[Series]:
    if panel["type"] == "logs":
        lines = [(BEGIN + number, f"level=error line {number}") for number in range(40)]
        return [Series(labels={"detected_level": "error"}, lines=lines)]
    labels = LABEL.findall(target["legendFormat"])
    instant = target.get("instant") or target.get("queryType") == "instant"
    limits = [each["value"] for each in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])[1:]]
    high = 1.2 * max(limits, default=0.7)
    return [
        Series(
            labels={label: f"{label}-{number}" for label in labels},
            values=[high * (1 + math.sin(at / 9 + number)) / (2 + number) for at in range(1 if instant else COUNT)],
        )
        for number in range(2 if labels else 1)
    ]
