"""Windows read through hours and minutes are the slices summed, wherever their edges lie."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.store import Store
from processors.slo.budget import Counts
from processors.slo.promise import IndicatorKey
from processors.slo.sums import LEVELS, parts, read_sums
from processors.slo.windows import SLICE, Bounds

START = datetime(2026, 10, 31, 21, 58, tzinfo=UTC)
SLICES = 6 * 60 * 5
edges = st.integers(0, SLICES).map(lambda number: START + number * SLICE)
windows = st.tuples(edges, edges).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: Bounds(*pair))
STEPS = {level.table: level.step for level in LEVELS}


@given(windows)
def test_the_parts_of_a_window_are_the_window(window: Bounds) -> None:
    """Without gap or overlap, each a whole number of rows of its table."""
    found = sorted((stretch, table) for table, stretch in parts(window))
    assert found[0][0].start == window.start
    assert found[-1][0].end == window.end
    assert all(before[0].end == after[0].start for before, after in pairwise(found))
    for stretch, table in found:
        assert stretch.start.timestamp() % STEPS[table].total_seconds() == 0
        assert stretch.end.timestamp() % STEPS[table].total_seconds() == 0


def test_every_window_is_counted_exactly(store: Store) -> None:
    """Two indicators, two groups, sampled and not, an hour's and a day's edge inside."""
    keys = [IndicatorKey("a", "1"), IndicatorKey("b", "2")]
    counted: dict[tuple[str, datetime], tuple[int, int, int]] = {}
    rows = []
    for number in range(0, SLICES, 7):
        for key in keys:
            at = START + number * SLICE
            good, valid = number % 11, number % 11 + number % 3
            extra = 500_000 * valid if key.name == "b" and number % 2 else 0
            counted[key.name, at] = good, valid, extra
            row = {
                "Indicator": key.name,
                "Generation": key.generation,
                "Slice": int(at.timestamp()),
                "ValidExtra": extra,
            }
            rows += [
                row | {"Group": "x", "Good": good, "Valid": good},
                row | {"Group": "y", "Valid": valid - good, "Good": 0, "ValidExtra": 0},
            ]
    store.client.write("sli_slices", rows, token="all")

    @settings(max_examples=25, deadline=None)
    @given(st.lists(windows, min_size=1, max_size=5))
    def holds(asked: list[Bounds]) -> None:
        sums = read_sums(store.client.query, keys, asked)
        for key in keys:
            for window in asked:
                inside = [
                    counts
                    for (name, at), counts in counted.items()
                    if name == key.name and window.start <= at < window.end
                ]
                extra = sum(one[2] for one in inside)
                valid = sum(one[1] for one in inside)
                got = sums[key].counted(window).counts if key in sums else Counts()
                assert got.good == sum(one[0] for one in inside)
                assert got.valid * 1_000_000 == valid * 1_000_000 + extra

    holds()


def test_the_newest_slice_is_told_to_the_second(store: Store) -> None:
    """Hours know it as well as slices do."""
    key = IndicatorKey("a", "1")
    at = datetime(2026, 10, 1, 10, 20, 30, tzinfo=UTC)
    row = {"Indicator": "a", "Generation": "1", "Group": "", "Slice": int(at.timestamp()), "Good": 1, "Valid": 1}
    store.client.write("sli_slices", [row], token="one")
    window = Bounds(datetime(2026, 9, 20, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC))
    assert read_sums(store.client.query, [key], [window])[key].newest_end == at + timedelta(seconds=10)
