"""What thresholds of rules may be."""

from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.units import prometheus_duration


def check_shares(**shares: float) -> None:
    """Refuse a part of a whole that is none of it, or all of it and more.

    Args:
        shares: By the threshold's name, between 0 and 1.
    Raises:
        ConstructError: the name and the value.
    """
    for name, share in shares.items():
        if not 0 < share < 1:
            raise ConstructError(f"{name} is {share:g}, but it is a part of a whole: use more than 0 and less than 1")


def check_durations(**durations: timedelta) -> None:
    """Refuse a duration that lets a single sample decide.

    Args:
        durations: By the threshold's name, 1 minute or more.
    Raises:
        ConstructError: the name and the value.
    """
    for name, duration in durations.items():
        if duration < timedelta(minutes=1):
            shown = prometheus_duration(duration) if duration > timedelta(0) else duration
            raise ConstructError(f"{name} is {shown}, too short to tell trouble from chance: use 1m or more")


def check_counts(**counts: int) -> None:
    """Refuse a number of events that never or always is exceeded.

    Args:
        counts: By the threshold's name, 1 or more.
    Raises:
        ConstructError: the name and the value.
    """
    for name, count in counts.items():
        if count < 1:
            raise ConstructError(f"{name} is {count}, which is exceeded at once: use 1 or more")
