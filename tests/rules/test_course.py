"""The series of proofs, as promtool reads them."""

from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.rules.course import counter

INCREASES = st.one_of(st.just(0.0), st.floats(1e-4, 1e4))


@given(st.lists(st.tuples(INCREASES, st.integers(1, 300)), min_size=2, max_size=5))
def test_a_counter_never_falls(runs: list[tuple[float, int]]) -> None:
    """Promtool adds up: a sum that is rounded above the next part's beginning would look like a restart."""
    values = []
    for part in counter(*runs).split():
        start, step, times = (float(number) for number in part.replace("+", " ").replace("x", " ").split())
        values.append(start)
        for _ in range(int(times)):
            values.append(values[-1] + step)

    assert len(values) == sum(count for _, count in runs)
    assert values == sorted(values)
    assert abs(values[-1] - 1000 - sum(increase * count for increase, count in runs)) <= 1e-5 * values[-1]
