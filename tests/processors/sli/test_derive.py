"""Points of sums and histograms: the same slices whatever the order, the cut and the temporality."""

from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.sli.derive import CONFLICT, GAP, MAX_SPAN_NS, OVERLAP, RESET, SPREAD, TOO_LONG, Derived, Point, derive

S = 10**9
DELTA, CUMULATIVE = 1, 2
T0 = 1_790_000_000


def point(
    start: float | None, time: float, value: int, *, side: str = "valid", series: int = 1, temporality: int = CUMULATIVE
) -> Point:
    """A point from `start` to `time`, in seconds after T0."""
    start_ns = 0 if start is None else int((T0 + start) * S)
    return Point(side, series, start_ns, int((T0 + time) * S), temporality, value)


def valid(derived: Derived) -> dict[int, int]:
    """Valid events by second after T0 of their slice."""
    return {moment * 10 - T0: tally.valid for moment, tally in derived.slices.items()}


def delta(start: float, time: float, value: int, **more: Any) -> Point:
    return point(start, time, value, temporality=DELTA, **more)


@pytest.mark.parametrize(
    ("points", "slices", "flags"),
    [
        pytest.param([point(0, 10, 5)], {0: 5}, {}, id="a first point counts since its start"),
        pytest.param([point(None, 10, 5), point(None, 20, 7)], {10: 2}, {}, id="without a start it counts nothing"),
        pytest.param([point(10, 10, 5), point(10, 20, 7)], {10: 2}, {}, id="nor where the start is its own time"),
        pytest.param(
            [point(0, 10, 5), point(0, 20, 3)], {0: 5, 10: 3}, {RESET: 1}, id="less with the same start is a reset"
        ),
        pytest.param(
            [point(0, 10, 5), point(14, 20, 9)], {0: 5, 10: 9}, {RESET: 1}, id="a later start is one, even if more"
        ),
        pytest.param(
            [point(5, 10, 5), point(0, 20, 9)], {0: 5}, {CONFLICT: 1}, id="an earlier start is another writer"
        ),
        pytest.param(
            [point(0, 10, 5), point(0, 40, 11)], {0: 5, 10: 2, 20: 2, 30: 2}, {SPREAD: 1}, id="a pause is spread"
        ),
        pytest.param([delta(0, 10, 5), delta(10, 20, 2)], {0: 5, 10: 2}, {}, id="deltas add up"),
        pytest.param([delta(0, 10, 5), delta(20, 30, 2)], {0: 5, 20: 2}, {GAP: 1}, id="a gap is flagged"),
        pytest.param([delta(0, 10, 4), delta(0, 20, 10)], {0: 4, 10: 5}, {OVERLAP: 1}, id="an overlap is counted once"),
        pytest.param(
            [delta(0, 10, 4), delta(5, 10, 4)], {0: 4}, {OVERLAP: 1}, id="what is covered is not counted again"
        ),
        pytest.param([point(0, 4_000, 9)], {}, {TOO_LONG: 1}, id="more than an hour says nothing of any slice"),
        pytest.param([point(3, 17, 7)], {0: 3, 10: 4}, {SPREAD: 1}, id="parts are whole numbers"),
    ],
)
def test_what_points_say_of_slices(points: list[Point], slices: dict[int, int], flags: dict[str, int]) -> None:
    """The rules, each by itself."""
    derived = derive(points)
    assert valid(derived) == slices
    assert derived.flags == flags


def test_a_histogram_whose_good_fell_did_not_reset() -> None:
    """Coarser buckets make it fall; only the count tells of a reset."""
    points = [
        point(0, 10, 10), point(0, 10, 9, side="good"),
        point(0, 20, 20), point(0, 20, 8, side="good"),
    ]  # fmt: skip
    assert [tuple(tally) for tally in derive(points).slices.values()] == [(9, 10), (0, 10)]


def test_good_and_bad_of_other_metrics_are_held_against_the_valid() -> None:
    """Good is added to nothing, bad is taken from all; neither makes more good than valid."""
    requests = point(0, 10, 10)
    assert [*derive([requests, point(0, 10, 7, side="good", series=2)]).slices.values()] == [(7, 10)]
    all_good = point(0, 10, 10, side="good")
    assert [*derive([requests, all_good, point(0, 10, 3, side="bad", series=2)]).slices.values()] == [(7, 10)]
    assert [*derive([requests, all_good]).slices.values()] == [(10, 10)]
    assert [*derive([requests, point(0, 10, 70, side="good", series=2)]).slices.values()] == [(10, 10)]


STEPS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12
)  # seconds since the point before, good and other events


def encoded(steps: list[tuple[int, int, int]], temporality: int) -> list[Point]:
    """The same events, as either temporality says them."""
    times = [0, *accumulate(seconds for seconds, _, _ in steps)]
    goods, rests = [*accumulate(good for _, good, _ in steps)], [*accumulate(rest for _, _, rest in steps)]
    points = []
    for number, (begin, end) in enumerate(pairwise(times)):
        good, rest = (goods[number], rests[number]) if temporality == CUMULATIVE else steps[number][1:]
        start = 0 if temporality == CUMULATIVE else begin
        for side, count in (("valid", good + rest), ("good", good)):
            points.append(point(start, end, count, side=side, temporality=temporality))
    return points


@settings(deadline=None)
@given(steps=STEPS, data=st.data())
def test_oracle_22_order_duplicates_and_temporality_change_nothing(
    steps: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """And every event is in one slice."""
    cumulative, deltas = encoded(steps, CUMULATIVE), encoded(steps, DELTA)
    shuffled = data.draw(st.permutations(cumulative + data.draw(st.lists(st.sampled_from(cumulative)))))
    derived = derive(cumulative)
    assert derive(shuffled).slices == derived.slices == derive(deltas).slices
    assert sum(tally.valid for tally in derived.slices.values()) == sum(good + rest for _, good, rest in steps)
    assert sum(tally.good for tally in derived.slices.values()) == sum(good for _, good, _ in steps)
    assert all(tally.good <= tally.valid for tally in derived.slices.values())


@settings(deadline=None)
@given(steps=STEPS, cut=st.integers(0, 700))
def test_slices_depend_on_nothing_but_the_points_around_them(steps: list[tuple[int, int, int]], cut: int) -> None:
    """So whoever derives a stretch of time needs its points, and the nearest one on either side."""
    points = encoded(steps, CUMULATIVE)
    edge_ns = (T0 + cut // 10 * 10) * S
    before = [one for one in points if one.time_ns <= edge_ns]
    last = max((one.time_ns for one in before), default=0)
    nearby = [one for one in points if one.time_ns > edge_ns or one.time_ns == last]
    whole = {moment: tally for moment, tally in derive(points).slices.items() if moment * 10 * S >= edge_ns}
    assert {moment: tally for moment, tally in derive(nearby).slices.items() if moment * 10 * S >= edge_ns} == whole


def test_a_span_of_an_hour_still_counts() -> None:
    """The longest that does."""
    assert sum(valid(derive([point(0, MAX_SPAN_NS // S, 720)])).values()) == 720
