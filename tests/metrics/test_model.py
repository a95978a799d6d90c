"""What programs expose, as data: the names and labels of their series."""

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.model import Kind, Metric, Program

FAN = Program(
    name="fan",
    version="1",
    job="fans",
    metrics=(
        Metric("fan_speed", Kind.GAUGE, ("side",)),
        Metric("fan_seconds", Kind.HISTOGRAM),
        Metric("fan_noise", Kind.SUMMARY),
    ),
    source="https://fan.example.com",
)


@pytest.mark.parametrize(
    ("series", "labels"),
    [
        ("fan_speed", {"side"}),
        ("fan_seconds_bucket", {"le"}),
        ("fan_seconds_sum", set()),
        ("fan_seconds_count", set()),
        ("fan_noise", {"quantile"}),
        ("fan_noise_sum", set()),
    ],
)
def test_a_metric_has_the_series_of_its_type(series: str, labels: set[str]) -> None:
    """A histogram has three, a summary too, and each other type one."""
    assert FAN.labels_of(series) == labels


@pytest.mark.parametrize("series", ["fan_seconds", "fan_speed_total", "speed"])
def test_what_a_program_does_not_expose_has_no_labels(series: str) -> None:
    """A histogram has no series of its own name."""
    assert FAN.labels_of(series) is None
    with pytest.raises(ConstructError, match=f"fan has no metric '{series}': use one of its metrics, or declare it"):
        FAN.series(series)


def test_a_series_has_all_of_its_labels() -> None:
    """Those of the program whether given or not, those of the target when given, and the job in any case."""
    assert FAN.series("fan_speed") == 'fan_speed{job="fans",side="some-side"}'
    assert FAN.series("fan_speed", side="left", pod="fan-0") == 'fan_speed{job="fans",side="left",pod="fan-0"}'
    assert FAN.series("fan_seconds_bucket", job="other", le="1.0") == 'fan_seconds_bucket{job="other",le="1.0"}'


def test_labels_that_a_series_does_not_have_are_refused() -> None:
    """A proof with them would prove something else."""
    with pytest.raises(ConstructError, match="fan_speed of fan has no label 'blade': use side"):
        FAN.series("fan_speed", blade="1")
