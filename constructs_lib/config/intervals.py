"""When routes notify, and when they do not: office hours, maintenance.

Source: https://prometheus.io/docs/alerting/latest/configuration/#time_interval
"""

import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import Any

from constructs_lib.errors import ConstructError
from constructs_lib.names import dns_label


class Weekday(StrEnum):
    """The days in Alertmanager's order: its weeks begin on Sunday."""

    SUNDAY = "sunday"
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"


WEEK = tuple(Weekday)
WORKING_DAYS = WEEK[1:6]


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of a day, from the minute `start` up to the minute `end`, which is not in it.

    Args:
        start: A whole minute, without a time zone.
        end: Likewise, and later; midnight means the end of the day.
    Raises:
        ConstructError: seconds, a time zone, or an end that is not after the start.
    """

    start: time
    end: time

    def __post_init__(self) -> None:
        for each in (self.start, self.end):
            if each.second or each.microsecond:
                raise ConstructError(f"{each} is no whole minute: leave the seconds out")
            if each.tzinfo is not None:
                raise ConstructError(f"{each} has a time zone: give it as the interval's location")
        if self.start >= self.end != time.min:
            raise ConstructError(
                f"hours from {self.start:%H:%M} to {self.end:%H:%M} would never be: "
                "give those before and after midnight apart"
            )

    def to_dict(self) -> dict[str, str]:
        end = "24:00" if self.end == time.min else f"{self.end:%H:%M}"
        return {"start_time": f"{self.start:%H:%M}", "end_time": end}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """The minutes that are within all that it says: of what it does not say, every one is.

    Args:
        name: By which routes name it.
        weekdays: Any number of days; `WORKING_DAYS` are Monday to Friday.
        times: Parts of the day.
        days_of_month: 1 to 31, or -1 for the last day, -2 for the one before, and so on.
        months: 1 to 12.
        years: Such as 2027.
        location: The time zone of all of it, as in `Europe/Berlin`; what is written in it follows its summer time.
    Raises:
        ConstructError: a name that is none, no limit at all, or a day, month, year or time zone that does not exist.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#time_interval
    """

    name: str
    weekdays: tuple[Weekday, ...] = ()
    times: tuple[Hours, ...] = ()
    days_of_month: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    years: tuple[int, ...] = ()
    location: str = "UTC"

    def __post_init__(self) -> None:
        dns_label(self.name, of="a time interval's name")
        if not (self.weekdays or self.times or self.days_of_month or self.months or self.years):
            raise ConstructError(f"the time interval {self.name} says nothing, which means always: limit it")
        for day in self.days_of_month:
            if not 1 <= abs(day) <= 31:
                raise ConstructError(
                    f"the time interval {self.name} names the day {day} of a month: use 1 to 31, or -1 to -31"
                )
        for month in self.months:
            if not 1 <= month <= 12:
                raise ConstructError(f"the time interval {self.name} names the month {month}: use 1 to 12")
        for year in self.years:
            if not 1970 <= year <= 9999:
                raise ConstructError(f"the time interval {self.name} names the year {year}: use 1970 to 9999")
        # `localtime` would be that of the node; the database of the machine that renders may be missing as a whole.
        zones = zoneinfo.available_timezones() - {"localtime", "Factory"}
        if self.location != "UTC" and self.location not in zones:
            raise ConstructError(
                f"the time interval {self.name} is in {self.location!r}, which is none of the {len(zones)} time zones "
                "that are known here: use a name such as 'Europe/Berlin', or install the package tzdata"
            )

    def to_dict(self) -> dict[str, Any]:
        fields = {
            "weekdays": _ranges((WEEK.index(day) for day in self.weekdays), [str(day) for day in WEEK]),
            "times": [hours.to_dict() for hours in sorted(self.times, key=lambda hours: (hours.start, hours.end))],
            "days_of_month": _ranges(self.days_of_month),
            "months": _ranges(self.months),
            "years": _ranges(self.years),
        }
        limits = {name: value for name, value in fields.items() if value}
        return {"name": self.name, "time_intervals": [{**limits, "location": self.location}]}


def _ranges(numbers: Iterable[int], names: list[str] | None = None) -> list[str]:
    """What follows upon each other, as Alertmanager's `first:last`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    spelled = [[names[number] if names else str(number) for number in (run[0], run[-1])] for run in runs]
    return [first if first == last else f"{first}:{last}" for first, last in spelled]
