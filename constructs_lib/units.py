"""Sizes, shares of a processor and durations, and how Kubernetes and Prometheus spell them.

The spellings stand nowhere else: everything inside is `Bytes`, `Cpu` and `timedelta`.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from constructs_lib.errors import ConstructError

BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
# Prometheus writes powers of 1024 without the i: https://prometheus.io/docs/prometheus/latest/configuration/configuration/
PROMETHEUS_SUFFIXES = ("B", "KB", "MB", "GB", "TB", "PB")
DURATION_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
MILLISECOND = timedelta(milliseconds=1)
CENTURY = timedelta(days=36_525)  # Prometheus counts nanoseconds in 63 bits: not three centuries


@dataclass(frozen=True, slots=True, order=True)
class Bytes:
    """An amount of memory or storage.

    Args:
        count: The number of bytes, not negative.
    Raises:
        ConstructError: a negative number.
    """

    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ConstructError(f"a size is {self.count} bytes: use 0 or more")

    @classmethod
    def mib(cls, count: float) -> Self:
        """Mebibytes: 1024 * 1024 bytes each."""
        return cls(round(count * 1024**2))

    @classmethod
    def gib(cls, count: float) -> Self:
        """Gibibytes: 1024 * 1024 * 1024 bytes each."""
        return cls(round(count * 1024**3))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Kubernetes' spelling with a binary suffix, such as `100Gi`."""
        match = re.fullmatch(r"(\d+)(Ki|Mi|Gi|Ti|Pi|)", text)
        if match is None:
            raise ConstructError(f"{text!r} is not a size: use a whole number with Ki, Mi, Gi or Ti, such as '100Gi'")
        return cls(int(match[1]) * 1024 ** BINARY_SUFFIXES.index(match[2]))

    def scaled(self, factor: float) -> Self:
        """This size times a factor, rounded down to whole mebibytes where it has any."""
        scaled = int(self.count * factor)
        return type(self)(scaled - scaled % 1024**2 if scaled >= 1024**2 else scaled)

    def _spelled(self, suffixes: tuple[str, ...]) -> str:
        count, power = self.count, 0
        while count and count % 1024 == 0 and power + 1 < len(suffixes):
            count, power = count // 1024, power + 1
        return f"{count}{suffixes[power]}"

    def kubernetes(self) -> str:
        """Such as `100Gi`: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""
        return self._spelled(BINARY_SUFFIXES)

    def prometheus(self) -> str:
        """Such as `80GB`, by which Prometheus means 80 times 1024 to the third."""
        return self._spelled(PROMETHEUS_SUFFIXES)

    def __str__(self) -> str:
        return self.kubernetes()


@dataclass(frozen=True, slots=True, order=True)
class Cpu:
    """A share of processor time.

    Args:
        millis: Thousandths of one core, more than 0.
    Raises:
        ConstructError: nothing or less.
    """

    millis: int

    def __post_init__(self) -> None:
        if self.millis < 1:
            raise ConstructError(f"a CPU share is {self.millis} thousandths of a core: use 1 or more")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Kubernetes' spelling, such as `500m` or `2`."""
        match = re.fullmatch(r"([0-9]{1,9})(m?)", text)
        if match is None:
            raise ConstructError(f"{text!r} is not a CPU share: use whole cores, or thousandths such as '500m'")
        return cls(int(match[1]) * (1 if match[2] else 1000))

    def kubernetes(self) -> str:
        """Such as `500m`, and `2` for whole cores."""
        return f"{self.millis}m" if self.millis % 1000 else str(self.millis // 1000)

    def __str__(self) -> str:
        return self.kubernetes()


def prometheus_duration(value: timedelta) -> str:
    """Such as `1h30m`; Prometheus knows no fraction of a millisecond, nothing negative, and no three centuries."""
    if not timedelta(0) <= value <= CENTURY or value % MILLISECOND:
        raise ConstructError(f"a duration is {value}: use whole milliseconds, from 0 to a century")
    spelled = ""
    for unit, length in DURATION_UNITS.items():
        count, value = divmod(value, length)
        spelled += f"{count}{unit}" if count else ""
    if value:
        spelled += f"{value // MILLISECOND}ms"
    return spelled or "0s"


def go_duration(value: timedelta) -> str:
    """Such as `720h` or `1h30m`, which every field of Loki reads: not all of them know days.

    Source: https://pkg.go.dev/time#ParseDuration
    """
    days, rest = divmod(value, timedelta(days=1))
    spelled = prometheus_duration(value)
    if not days:
        return spelled
    hours, rest = divmod(rest, timedelta(hours=1))
    return f"{days * 24 + hours}h" + (prometheus_duration(rest) if rest else "")


def parse_duration(text: str) -> timedelta:
    """Read Prometheus' spelling of a duration, such as `30d` or `1h30m`."""
    if not re.fullmatch(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?", text) or not text:
        raise ConstructError(
            f"{text!r} is not a duration: use days, hours, minutes and seconds, such as '30d' or '1m30s'"
        )
    parts = re.findall(r"(\d+)([dhms])", text)
    try:
        return sum((int(count) * DURATION_UNITS[unit] for count, unit in parts), timedelta())
    except OverflowError as error:
        raise ConstructError(f"{text!r} is longer than any duration: use less than a century, such as '30d'") from error


def whole_seconds(value: timedelta) -> int:
    """For Kubernetes' fields that count seconds."""
    if value <= timedelta(0) or value % timedelta(seconds=1):
        raise ConstructError(f"a duration is {value}: use whole seconds, 1 or more")
    return value // timedelta(seconds=1)
