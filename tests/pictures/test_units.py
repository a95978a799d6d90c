"""Values are written as Grafana writes them."""

import pytest

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
from pictures.units import formatted, spacing


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, COUNT, "0"),
        (7, COUNT, "7"),
        (999, COUNT, "999"),
        (1000, COUNT, "1 K"),
        (1234, COUNT, "1.23 K"),
        (12_345_678, COUNT, "12.3 Mil"),
        (0.5, COUNT, "0.500"),
        (-1500, COUNT, "-1.50 K"),
        (0, SHARE, "0%"),
        (0.07, SHARE, "7%"),
        (0.15, SHARE, "15%"),
        (0.12345, SHARE, "12.3%"),
        (0.00012, SHARE, "0.0120%"),
        (1, SHARE, "100%"),
        (0, SECONDS, "0 s"),
        (0.0000005, SECONDS, "500 ns"),
        (0.00025, SECONDS, "250 µs"),
        (0.25, SECONDS, "250 ms"),
        (2.5, SECONDS, "2.50 s"),
        (90, SECONDS, "1.50 min"),
        (5400, SECONDS, "1.50 hour"),
        (0, AGE, "0 seconds"),
        (61, AGE, "1 minute, 1 second"),
        (7200, AGE, "2 hours"),
        (90_061, AGE, "1 day, 1 hour"),
        (12.34, A_SECOND, "12.3 c/s"),
        (1500, REQUESTS_A_SECOND, "1.50K req/s"),
        (512, BYTES_A_SECOND, "512 B/s"),
        (1536, BYTES_A_SECOND, "1.50 KiB/s"),
        (3 * 1024**2, BYTES_A_SECOND, "3 MiB/s"),
        (3.2, DOLLARS, "$3.20"),
        (12_300, DOLLARS, "$12.3K"),
    ],
)
def test_a_value_has_its_unit(value: float, unit: str, text: str) -> None:
    """Of its own size, with three significant digits."""
    assert formatted(value, unit) == text


@pytest.mark.parametrize(
    ("top", "unit", "most", "apart"),
    [
        (1, SHARE, 5, 0.2),
        (1.1, SHARE, 5, 0.5),
        (0.033, SHARE, 5, 0.01),
        (77_000, COUNT, 5, 20_000),
        (0.8, SECONDS, 5, 0.2),
        (50, SECONDS, 5, 10),
        (400, SECONDS, 5, 120),
        (4000, AGE, 5, 900),
        (900_000, AGE, 5, 900_000),
        (5000, BYTES_A_SECOND, 5, 1024),
    ],
)
def test_lines_of_a_scale_are_at_round_numbers(top: float, unit: str, most: int, apart: float) -> None:
    """Of the unit: minutes, powers of two; and no more of them than there is room for."""
    assert spacing(top, unit, most) == pytest.approx(apart)
