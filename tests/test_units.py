"""Sizes, shares of a processor, durations."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes, Cpu, go_duration, parse_duration, prometheus_duration, whole_seconds

SIZES = st.one_of(
    st.integers(0, 2**62), st.builds(lambda n, power: n * 1024**power, st.integers(0, 4096), st.integers(0, 5))
)
CENTURY = 100 * 365 * 24 * 3600


@given(SIZES)
def test_kubernetes_spelling_of_a_size_reads_back_as_the_same_size(count: int) -> None:
    """Whatever number of bytes is spelled for Kubernetes, it is read back unchanged."""
    assert Bytes.parse(Bytes(count).kubernetes()) == Bytes(count)


@given(SIZES)
def test_prometheus_spelling_of_a_size_means_the_same_size(count: int) -> None:
    """Prometheus' suffixes are powers of 1024, and no size is rounded."""
    spelled = Bytes(count).prometheus()
    number = spelled.rstrip("KMGTPB")
    power = ("B", "KB", "MB", "GB", "TB", "PB").index(spelled.removeprefix(number))
    assert int(number) * 1024**power == count


@pytest.mark.parametrize(
    ("size", "kubernetes", "prometheus"),
    [
        (Bytes(0), "0", "0B"),
        (Bytes(1000), "1000", "1000B"),
        (Bytes.mib(1.5), "1536Ki", "1536KB"),
        (Bytes.gib(100), "100Gi", "100GB"),
        (Bytes.gib(1024), "1Ti", "1TB"),
    ],
)
def test_sizes_are_spelled_in_the_largest_whole_unit(size: Bytes, kubernetes: str, prometheus: str) -> None:
    """A size is spelled with the largest binary suffix that divides it, by each program's own letters."""
    assert (size.kubernetes(), size.prometheus(), str(size)) == (kubernetes, prometheus, kubernetes)


@pytest.mark.parametrize("text", ["", "Gi", "-1Gi", "1.5Gi", "1G", "1GB", "100 Gi", "1Gi\n"])
def test_other_spellings_of_a_size_are_refused(text: str) -> None:
    """A size that is not a whole number with a binary suffix is refused, with an example of what is allowed."""
    with pytest.raises(ConstructError, match=r"is not a size: use a whole number .* such as '100Gi'"):
        Bytes.parse(text)


def test_a_negative_size_is_refused() -> None:
    """No size is below nothing."""
    with pytest.raises(ConstructError, match="a size is -1 bytes: use 0 or more"):
        Bytes(-1)


@given(SIZES, st.floats(0.1, 1))
def test_a_scaled_size_never_exceeds_the_exact_one(count: int, factor: float) -> None:
    """A share of a size is rounded down, to whole mebibytes where it has any."""
    scaled = Bytes(count).scaled(factor).count
    assert scaled <= count * factor * (1 + 1e-9)
    assert scaled % 1024**2 == 0 or scaled < 1024**2
    assert count * factor - scaled < 1024**2 + count * 1e-9


@pytest.mark.parametrize(
    ("cpu", "spelled"), [(Cpu(1), "1m"), (Cpu(500), "500m"), (Cpu(2000), "2"), (Cpu(1500), "1500m")]
)
def test_processor_shares_are_spelled_in_cores_where_they_are_whole(cpu: Cpu, spelled: str) -> None:
    """Thousandths of a core, or whole cores."""
    assert (cpu.kubernetes(), str(cpu)) == (spelled, spelled)


@given(st.integers(1, 10**6))
def test_a_share_of_a_processor_reads_back_as_the_same_share(millis: int) -> None:
    """Thousandths or whole cores, as they were spelled."""
    assert Cpu.parse(Cpu(millis).kubernetes()) == Cpu(millis)


@pytest.mark.parametrize("text", ["", "m", "0.5", "-1", "500 m", "1k", "1\n", "1" * 10])
def test_other_spellings_of_a_share_are_refused(text: str) -> None:
    """What is no share is refused, with an example of what is allowed."""
    with pytest.raises(ConstructError, match=r"is not a CPU share: use whole cores, or thousandths such as '500m'"):
        Cpu.parse(text)


def test_no_share_of_a_processor_is_refused() -> None:
    """Kubernetes takes 0 for "whatever is left", which nobody means."""
    with pytest.raises(ConstructError, match="a CPU share is 0 thousandths of a core: use 1 or more"):
        Cpu(0)


@given(st.integers(0, CENTURY))
def test_a_duration_in_seconds_reads_back_as_the_same_duration(seconds: int) -> None:
    """Whatever number of seconds is spelled for Prometheus, it is read back unchanged."""
    duration = timedelta(seconds=seconds)
    assert parse_duration(prometheus_duration(duration)) == duration


@pytest.mark.parametrize(
    ("duration", "spelled"),
    [
        (timedelta(0), "0s"),
        (timedelta(milliseconds=1), "1ms"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(days=15), "15d"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5), "1d2h3m4s5ms"),
    ],
)
def test_durations_are_spelled_as_prometheus_reads_them(duration: timedelta, spelled: str) -> None:
    """Units come in descending order, each once."""
    assert prometheus_duration(duration) == spelled


@pytest.mark.parametrize("duration", [timedelta(seconds=-1), timedelta(microseconds=1)])
def test_durations_that_prometheus_cannot_say_are_refused(duration: timedelta) -> None:
    """Nothing negative, and no fraction of a millisecond."""
    with pytest.raises(ConstructError, match=r"a duration is .*: use whole milliseconds, from 0 to a century"):
        prometheus_duration(duration)


@pytest.mark.parametrize("text", ["", "15", "1h1d", "1d1d", "-1d", "1.5h", "1w", "15d ", "d"])
def test_other_spellings_of_a_duration_are_refused(text: str) -> None:
    """What is no duration is refused, with an example of what is allowed."""
    with pytest.raises(ConstructError, match=r"is not a duration: use days, hours, .* such as '30d' or '1m30s'"):
        parse_duration(text)


def test_an_endless_duration_is_refused() -> None:
    """A number of days that no computer can count is refused like any other wrong value."""
    with pytest.raises(ConstructError, match=r"'9{12}d' is longer than any duration: use less than a century"):
        parse_duration("999999999999d")


def test_whole_seconds_are_counted() -> None:
    """Kubernetes' fields count seconds."""
    assert whole_seconds(timedelta(minutes=10)) == 600


@pytest.mark.parametrize("duration", [timedelta(0), timedelta(seconds=-1), timedelta(milliseconds=1500)])
def test_durations_that_kubernetes_cannot_say_are_refused(duration: timedelta) -> None:
    """Nothing below a second, and no fraction of one."""
    with pytest.raises(ConstructError, match=r"a duration is .*: use whole seconds, 1 or more"):
        whole_seconds(duration)


def test_a_century_is_a_duration() -> None:
    """The longest one that is accepted; a millisecond more is not."""
    century = timedelta(days=36_525)
    assert prometheus_duration(century) == "36525d"
    with pytest.raises(ConstructError, match="from 0 to a century"):
        prometheus_duration(century + timedelta(milliseconds=1))


def test_durations_beyond_what_prometheus_counts_are_refused() -> None:
    """It counts nanoseconds in 63 bits, and refuses more than 106751 days as out of range."""
    with pytest.raises(ConstructError, match=r"a duration is .*200000 days"):
        prometheus_duration(timedelta(days=200_000))


@given(st.integers(0, CENTURY))
def test_a_duration_for_go_has_no_days_and_reads_back_as_the_same(seconds: int) -> None:
    """Go's own parser knows hours, minutes and seconds; Prometheus' spelling of them is the same."""
    spelled = go_duration(timedelta(seconds=seconds))
    assert "d" not in spelled
    assert parse_duration(spelled) == timedelta(seconds=seconds)


def test_durations_for_go_are_spelled_in_hours() -> None:
    """Nothing is left out, and nothing is 0 but nothing."""
    spelled = [go_duration(timedelta(**each)) for each in ({"days": 30}, {"days": 1, "minutes": 5}, {"seconds": 0})]
    assert spelled == ["720h", "24h5m", "0s"]
