"""Counting: every valid span once, in the slice in which it ended."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.spans import NOON_NS, FakeSpan, batch
from processors.sli.indicator import Indicator
from processors.sli.selector import Selector
from processors.sli.slices import OVERFLOW, SliceCounter

NOON_S = NOON_NS // 1_000_000_000


def where(**conditions: Any) -> Selector:
    return Selector.model_validate({"where": {key.replace("__", "."): value for key, value in conditions.items()}})


AVAILABILITY = Indicator(name="a", generation="1", valid=where(kind="server"), good=where(outcome="success"))
BY_ROUTE = Indicator(
    name="r", generation="1", valid=where(kind="server"), good=where(outcome="success"), group_by="span.http.route"
)


def counted(
    spans: list[FakeSpan], indicator: Indicator = AVAILABILITY, received_ms: int = 1_000
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        SliceCounter([indicator]).count(batch(spans, received_ms=received_ms)).records.to_pylist()
    )
    return rows


def test_a_span_counts_in_the_slice_in_which_it_ended() -> None:
    """A long span legitimately starts early."""
    spans = [FakeSpan(at_ms=-1, took_ms=60_000), FakeSpan(at_ms=0), FakeSpan(at_ms=9_999), FakeSpan(at_ms=10_000)]
    slices = {row["Slice"] - NOON_S: row["Valid"] for row in counted(spans, received_ms=20_000)}
    assert slices == {-10: 1, 0: 2, 10: 1}


def test_an_end_in_the_future_is_taken_as_the_time_of_receipt() -> None:
    """A wrong clock must not hide a failure in a slice nobody looks at yet."""
    assert [row["Slice"] for row in counted([FakeSpan(at_ms=3_600_000)], received_ms=5_000)] == [NOON_S]


def test_late_spans_are_added_to_their_own_slice_and_said_to_be_late() -> None:
    """More than a minute after the slice ended is late; the sum does not care."""
    rows = counted([FakeSpan(at_ms=0), FakeSpan(at_ms=65_000)], received_ms=70_001)
    assert [(row["Valid"], row["Late"]) for row in rows] == [(1, 1), (1, 0)]


def test_bad_spans_leave_their_trace_ids_as_evidence() -> None:
    """Five at most, of those that were not good."""
    spans = [FakeSpan(), *[FakeSpan(status="ERROR")] * 7]
    (row,) = counted(spans)
    assert (row["Good"], row["Valid"]) == (1, 8)
    assert row["BadTraceIds"] == [f"{number:032x}" for number in range(2, 7)]


def test_spans_are_counted_per_group_and_those_without_one_together() -> None:
    """Absence is the group without a name."""
    spans = [FakeSpan(attributes={"http.route": route}) for route in "aba"] + [FakeSpan()]
    assert {row["Group"]: row["Valid"] for row in counted(spans, BY_ROUTE)} == {"a": 2, "b": 1, "": 1}


def test_groups_beyond_the_limit_share_one() -> None:
    """What a client sends never grows what we remember without bound, and nothing goes uncounted."""
    indicator = Indicator(
        name="r", generation="1", valid=where(kind="server"), bad=where(outcome="failure"),
        group_by="span.http.route", max_groups=2,
    )  # fmt: skip
    spans = [FakeSpan(attributes={"http.route": f"/{number}"}) for number in range(9)]
    groups = {row["Group"]: row["Valid"] for row in counted(spans, indicator)}
    assert len(groups) == 3
    assert groups[OVERFLOW] == 7


@pytest.mark.parametrize(
    ("span", "good"),
    [
        pytest.param(FakeSpan(), True, id="nothing said is success"),
        pytest.param(FakeSpan(attributes={"http.response.status_code": 500}), False, id="500 from a server"),
        pytest.param(FakeSpan(attributes={"http.status_code": 503}), False, id="503 under its old name"),
        pytest.param(FakeSpan(attributes={"http.response.status_code": 404}), True, id="404 is the client's"),
        pytest.param(
            FakeSpan(attributes={"http.response.status_code": 404}, status="ERROR"), True, id="404 marked as an error"
        ),
        pytest.param(
            FakeSpan(attributes={"http.response.status_code": 200}, status="ERROR"), False, id="200 marked as an error"
        ),
        pytest.param(
            FakeSpan(attributes={"http.response.status_code": 200, "error.type": "x"}),
            True,
            id="the code outweighs a type",
        ),
        pytest.param(FakeSpan(attributes={"error.type": "timeout"}), False, id="an error type without a code"),
        pytest.param(FakeSpan(attributes={"rpc.grpc.status_code": 14}), False, id="UNAVAILABLE as a number"),
        pytest.param(FakeSpan(attributes={"rpc.grpc.status_code": 5}), True, id="NOT_FOUND is the client's"),
        pytest.param(FakeSpan(attributes={"rpc.status_code": "INTERNAL"}), False, id="INTERNAL as a word"),
        pytest.param(FakeSpan(attributes={"rpc.response.status_code": "unavailable"}), False, id="Connect's spelling"),
    ],
)
def test_outcomes_follow_the_semantic_conventions(span: FakeSpan, good: bool) -> None:
    """http-spans, rpc-spans and recording-errors, old names and new."""
    (row,) = counted([span])
    assert row["Good"] == good


@pytest.mark.parametrize(
    ("code", "good"), [pytest.param(404, False, id="404 fails the caller"), pytest.param(204, True, id="204 does not")]
)
def test_a_client_span_fails_from_400_on(code: int, good: bool) -> None:
    """For CLIENT spans, 4xx is an error."""
    indicator = Indicator(name="c", generation="1", valid=where(kind="client"), good=where(outcome="success"))
    (row,) = counted([FakeSpan(kind="CLIENT", attributes={"http.response.status_code": code})], indicator)
    assert row["Good"] == good


SPANS = st.lists(
    st.builds(
        FakeSpan,
        status=st.sampled_from(["UNSET", "ERROR"]),
        at_ms=st.integers(-100_000, 1_000),
        attributes=st.fixed_dictionaries({}, optional={"http.route": st.sampled_from("abc")}),
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=50)
@given(SPANS, st.data())
def test_splitting_and_shuffling_change_no_sum(spans: list[FakeSpan], data: st.DataObject) -> None:
    """Sums merge in any order and by any cut: the whole equals the parts."""
    shuffled = data.draw(st.permutations(spans))
    cut = data.draw(st.integers(0, len(spans)))
    parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
    assert totals([counted(spans, BY_ROUTE)]) == totals([counted(part, BY_ROUTE) for part in parts])


def totals(parts: list[list[dict[str, Any]]]) -> Counter[tuple[Any, ...]]:
    sums: Counter[tuple[Any, ...]] = Counter()
    for row in (row for part in parts for row in part):
        for what in ("Good", "Valid", "Late"):
            sums[what, row["Group"], row["Slice"]] += row[what]
    return +sums
