"""Values as Grafana writes them.

Source: https://github.com/grafana/grafana/tree/main/packages/grafana-data/src/valueFormats
"""

import math
from collections.abc import Callable, Sequence

from constructs_lib.dashboards.panels import (
    A_SECOND,
    AGE,
    BYTES_A_SECOND,
    COUNT,
    DOLLARS,
    REQUESTS_A_SECOND,
    SECONDS,
    SHARE,
)

THOUSANDS, BINARY = ("", "K", "M", "B", "T"), ("", "Ki", "Mi", "Gi", "Ti")
# From the shortest on: its name, the seconds of one.
TIMES = (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("min", 60), ("hour", 3600), ("day", 86400))
DURATIONS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
# Between two lines of a scale.
OF_TIME = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


def formatted(value: float, unit: str) -> str:
    """A value with its unit; one of an unknown unit is an error."""
    return UNITS[unit](value)


def spacing(top: float, unit: str, most: int) -> float:
    """How far apart the lines of a scale from 0 on are: round numbers of the unit.

    Args:
        top: Where the scale ends.
        most: Lines that there is room for.
    """
    if unit in {SECONDS, AGE} and top > OF_TIME[0]:
        return next((each for each in OF_TIME if top / each <= most), top)
    if unit == BYTES_A_SECOND and top > 1:
        return float(2 ** math.ceil(math.log2(top / most)))
    magnitude = 10 ** math.floor(math.log10(top / most))
    return float(next(each * magnitude for each in (1, 2, 5, 10) if top / (each * magnitude) <= most))


def _fixed(value: float) -> str:
    """With three significant digits, and whole numbers as they are."""
    value = float(f"{value:.9g}")  # without what is left over of multiplying by 100
    if value == round(value):
        return f"{value:.0f}"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(digits, 0)}f}"


def _scaled(base: int, names: Sequence[str], unit: str = "") -> Callable[[float], str]:
    def write(value: float) -> str:
        power = sum(abs(value) >= base**each for each in range(1, len(names)))
        return f"{_fixed(value / base**power)}{names[power]}{unit}"

    return write


def _time(value: float) -> str:
    name, seconds = next((each for each in reversed(TIMES) if abs(value) >= each[1]), ("s", 1))
    return f"{_fixed(value / seconds)} {name}"


def _duration(value: float) -> str:
    """With the two longest units that it has."""
    left, told = round(value), []
    for name, seconds in DURATIONS:
        count, left = divmod(left, seconds)
        if count:
            told.append(f"{count} {name}{'s' * (count > 1)}")
    return ", ".join(told[:2]) or "0 seconds"


UNITS: dict[str, Callable[[float], str]] = {
    COUNT: _scaled(1000, ("", " K", " Mil", " Bil", " Tri")),
    SHARE: lambda value: f"{_fixed(100 * value)}%",
    SECONDS: _time,
    AGE: _duration,
    A_SECOND: _scaled(1000, THOUSANDS, " c/s"),
    REQUESTS_A_SECOND: _scaled(1000, THOUSANDS, " req/s"),
    BYTES_A_SECOND: _scaled(1024, [f" {prefix}" for prefix in BINARY], "B/s"),
    DOLLARS: lambda value: f"${_scaled(1000, THOUSANDS)(value)}",
}
