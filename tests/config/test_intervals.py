"""Time intervals: how they are written, and those that could never be."""

from datetime import UTC, time
from typing import Any

import pytest

from constructs_lib.config.intervals import WORKING_DAYS, Hours, TimeInterval, Weekday
from constructs_lib.errors import ConstructError

OFFICE = Hours(time(9), time(17, 30))


def limits(**fields: Any) -> dict[str, Any]:
    """What is written of an interval, apart from its name."""
    document = TimeInterval(name="some", **fields).to_dict()
    assert document["name"] == "some"
    (interval,) = document["time_intervals"]
    assert isinstance(interval, dict)
    return interval


def test_office_hours() -> None:
    """Days and hours that follow upon each other are ranges, in the time zone of the office."""
    assert limits(weekdays=WORKING_DAYS, times=(OFFICE,), location="Europe/Berlin") == {
        "weekdays": ["monday:friday"],
        "times": [{"start_time": "09:00", "end_time": "17:30"}],
        "location": "Europe/Berlin",
    }


def test_a_week_begins_on_sunday() -> None:
    """Alertmanager knows no range across Saturday's end."""
    weekend = (Weekday.SATURDAY, Weekday.SUNDAY, Weekday.MONDAY)
    assert limits(weekdays=weekend)["weekdays"] == ["sunday:monday", "saturday"]


def test_an_end_at_midnight_is_the_end_of_the_day() -> None:
    """The whole day, and its evening; in the order of the clock."""
    assert limits(times=(Hours(time(22), time(0)), Hours(time(0), time(0))))["times"] == [
        {"start_time": "00:00", "end_time": "24:00"},
        {"start_time": "22:00", "end_time": "24:00"},
    ]


def test_dates() -> None:
    """Numbers are text there; the last days of a month are counted from its end, and never join its first ones."""
    assert limits(days_of_month=(1, 3, 2, -1, -2, 15), months=(12, 1, 12), years=(2027, 2028)) == {
        "days_of_month": ["-2:-1", "1:3", "15"],
        "months": ["1", "12"],
        "years": ["2027:2028"],
        "location": "UTC",
    }


def test_hours_that_would_never_be_are_refused() -> None:
    """A night has an evening and a morning, of two days."""
    with pytest.raises(ConstructError, match="hours from 22:00 to 06:00 would never be: give those before and after"):
        Hours(time(22), time(6))
    with pytest.raises(ConstructError, match="hours from 09:00 to 09:00 would never be"):
        Hours(time(9), time(9))


def test_hours_finer_than_minutes_are_refused() -> None:
    """Alertmanager reads hours and minutes."""
    with pytest.raises(ConstructError, match="09:00:01 is no whole minute: leave the seconds out"):
        Hours(time(9, 0, 1), time(10))
    with pytest.raises(ConstructError, match=r"10:00:00\.000001 is no whole minute"):
        Hours(time(9), time(10, 0, 0, 1))


def test_hours_with_a_time_zone_of_their_own_are_refused() -> None:
    """The interval has one for all of it."""
    with pytest.raises(ConstructError, match="has a time zone: give it as the interval's location"):
        Hours(time(9, tzinfo=UTC), time(10))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "the time interval some says nothing, which means always: limit it"),
        ({"location": "Europe/Berlin"}, "says nothing, which means always"),
        ({"days_of_month": (0,)}, "names the day 0 of a month: use 1 to 31, or -1 to -31"),
        ({"days_of_month": (-32,)}, "names the day -32 of a month"),
        ({"months": (13,)}, "names the month 13: use 1 to 12"),
        ({"months": (0,)}, "names the month 0: use 1 to 12"),
        ({"years": (27,)}, "names the year 27: use 1970 to 9999"),
        ({"months": (1,), "location": "Berlin"}, "is in 'Berlin', which is none of the [0-9]+ time zones"),
        ({"months": (1,), "location": "localtime"}, "use a name such as 'Europe/Berlin'"),
        ({"months": (1,), "name": "Office hours"}, "'Office hours' cannot be a time interval's name"),
    ],
)
def test_what_would_never_or_always_be_is_refused(fields: dict[str, Any], message: str) -> None:
    """One sentence names the value, the limit, and the way out."""
    with pytest.raises(ConstructError, match=message):
        TimeInterval(**{"name": "some", **fields})
