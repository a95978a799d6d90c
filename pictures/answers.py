"""What the queries of dashboards found, as a file from which pictures can be drawn again."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

DIGITS = 5  # of a value: more than a picture can show


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series with its values, or a stream with its lines.

    Args:
        values: One for each moment that was asked for; None where there is none.
        lines: Seconds since 1970, and the text of each.
    """

    labels: Mapping[str, str]
    values: Sequence[float | None] = ()
    lines: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All that was found.

    Args:
        begin: The first moment, in seconds since 1970.
        step: Seconds from one moment to the next.
        count: Of the moments.
        found: By dashboard and panel, what each of its queries found.
        marks: The alerts that fired, which every dashboard marks.
    """

    begin: float
    step: float
    count: int
    found: Mapping[str, Mapping[str, Sequence[Sequence[Series]]]]
    marks: Sequence[Series] = ()

    @property
    def end(self) -> float:
        """The last moment."""
        return self.begin + self.step * (self.count - 1)

    def of(self, dashboard: str, panel: str) -> Sequence[Sequence[Series]]:
        """What each query of a panel found; nothing where it was not asked."""
        return self.found.get(dashboard, {}).get(panel, ())

    def to_json(self) -> str:
        """The file."""
        return f"{json.dumps(asdict(self), separators=(',', ':'), sort_keys=True, ensure_ascii=False)}\n"

    @classmethod
    def from_json(cls, text: str) -> "Answers":
        """Read it back."""
        said = json.loads(text)
        found = {
            board: {
                panel: [[Series(**series) for series in query] for query in queries]
                for panel, queries in panels.items()
            }
            for board, panels in said["found"].items()
        }
        return cls(**{**said, "found": found, "marks": [Series(**series) for series in said["marks"]]})


def rounded(value: str | float) -> float | None:
    """A value as it is kept; None for what is no number that can be drawn."""
    number = float(value)
    return float(f"{number:.{DIGITS}g}") if math.isfinite(number) else None
