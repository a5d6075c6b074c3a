"""Sampling of what is stored: bad requests always, the rest by trace, with weights that add up."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.spans import FakeSpan, batch, only
from processors.sli.columns import SpanColumns
from processors.sli.indicator import Indicator
from processors.sli.mask import good_and_valid
from processors.sli.selector import Selector
from processors.sli.tracestate import EVERYTHING, TraceState, adjusted_count, threshold_of
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData

STEPS = 64  # traces that stand for all: one in the middle of each part of the randomness there is


def selector(where: dict[str, Any]) -> Selector:
    return Selector.model_validate({"where": where})


SERVED = selector({"kind": "server"})
INDICATORS = (
    Indicator(name="works", generation="1", valid=SERVED, good=selector({"outcome": "success"})),
    Indicator(name="fast", generation="1", valid=SERVED, good=selector({"duration": {"lte": "300ms"}})),
    Indicator(name="plain", generation="1", valid=selector({"span.n": {"exists": True}}), bad=selector({"span.n": 3})),
)
SPAN = st.builds(
    FakeSpan,
    kind=st.sampled_from(["SERVER", "CLIENT"]),
    status=st.sampled_from(["UNSET", "UNSET", "OK", "ERROR"]),
    took_ms=st.sampled_from([1, 300, 301, 900]),
    attributes=st.fixed_dictionaries(
        {}, optional={"http.response.status_code": st.sampled_from([200, 404, 500]), "n": st.integers(1, 3)}
    ),
    trace_id=st.integers(1, 2**128 - 1),
)
SPANS = st.lists(SPAN, min_size=1, max_size=30)
PERCENTAGES = st.sampled_from([100 * Fraction(part, STEPS) for part in range(1, STEPS + 1)]).map(float)


def stored(percentage: float, indicators: Sequence[Indicator] = INDICATORS) -> StoredData:
    config = ProcessorsConfig.model_validate({"sample": {"traces": {"sampling_percentage": percentage}}})
    return StoredData(config, indicators)


def kept(spans: Sequence[FakeSpan], percentage: float) -> pa.RecordBatch:
    return only(stored(percentage).batch(batch(spans)))


def ids(record: pa.RecordBatch) -> Counter[tuple[str, str]]:
    """Which spans, told apart by trace and place in the request."""
    return Counter(zip(record["TraceId"].to_pylist(), record["SpanId"].to_pylist(), strict=True))


def weights(record: pa.RecordBatch) -> list[Fraction]:
    thresholds = [TraceState.parse(text).threshold for text in record["TraceState"].to_pylist()]
    assert None not in thresholds
    return [adjusted_count(threshold or 0) for threshold in thresholds]


def counts(record: pa.RecordBatch, weight: list[Fraction]) -> dict[str, tuple[Fraction, Fraction]]:
    """(good, bad) of each indicator, where a span counts as often as its weight says."""
    columns, sums = SpanColumns(record), {}
    for indicator in INDICATORS:
        good, valid = good_and_valid(indicator, columns)
        pairs = list(zip(weight, good, valid, strict=True))
        sums[indicator.name] = (
            sum((one for one, is_good, _ in pairs if is_good), Fraction(0)),
            sum((one for one, is_good, is_valid in pairs if is_valid and not is_good), Fraction(0)),
        )
    return sums


@settings(deadline=None)
@given(spans=st.lists(SPAN, min_size=1, max_size=5), percentage=PERCENTAGES)
def test_weights_estimate_without_bias_and_bad_spans_are_all_there(spans: list[FakeSpan], percentage: float) -> None:
    """Over traces spread evenly over all randomness, estimates are not near the truth but the truth itself."""
    every = [
        FakeSpan(**{**vars(span), "trace_id": (1 << 64) + EVERYTHING // STEPS * step + EVERYTHING // (2 * STEPS)})
        for step in range(STEPS)
        for span in spans
    ]
    all_of_it = only(batch(every))
    truth = counts(all_of_it, [Fraction(1)] * len(every))
    sample = kept(every, percentage)
    assert counts(sample, weights(sample)) == truth
    assert {name: bad for name, (_, bad) in counts(sample, [Fraction(1)] * sample.num_rows).items()} == {
        name: bad for name, (_, bad) in truth.items()
    }


@settings(deadline=None)
@given(spans=SPANS, percentage=PERCENTAGES, data=st.data())
def test_no_split_of_batches_changes_what_is_kept(
    spans: list[FakeSpan], percentage: float, data: st.DataObject
) -> None:
    """Nor does a worker: the trace decides."""
    whole = only(batch(spans))
    cut = data.draw(st.integers(0, len(spans)))
    one, other = stored(percentage), stored(percentage)
    parts = [one.process("otel_traces", whole.slice(0, cut)), other.process("otel_traces", whole.slice(cut))]
    together = [row for part in parts for row in part.to_pylist()]
    assert together == stored(percentage).process("otel_traces", whole).to_pylist()


@settings(deadline=None)
@given(spans=SPANS, percentages=st.tuples(PERCENTAGES, PERCENTAGES))
def test_a_larger_share_holds_all_of_a_smaller_one(spans: list[FakeSpan], percentages: tuple[float, float]) -> None:
    """So that samplers with different shares still see the same traces."""
    small, large = (ids(kept(spans, percentage)) for percentage in sorted(percentages))
    assert small <= large


@settings(deadline=None)
@given(spans=SPANS, percentage=PERCENTAGES)
def test_ordinary_spans_of_a_trace_are_kept_together(spans: list[FakeSpan], percentage: float) -> None:
    """Of three services that report apart, either all are stored or none."""
    ordinary = [FakeSpan(service=name, trace_id=span.trace_id) for span in spans for name in ("a", "b", "c")]
    rows = Counter(kept(ordinary, percentage)["TraceId"].to_pylist())
    times = Counter(span.trace_id for span in ordinary)
    assert all(count == times[int(trace_id, 16)] for trace_id, count in rows.items())


HALF, QUARTER = 0x80_0000_0000_0000, 0xC0_0000_0000_0000


@pytest.mark.parametrize(
    ("span", "percentage", "written"),
    [
        (FakeSpan(trace_id=HALF), 50, "ot=th:8"),
        (FakeSpan(trace_id=HALF - 1), 50, None),
        (FakeSpan(trace_id=1, status="ERROR"), 50, "ot=th:0"),
        (FakeSpan(trace_id=1, took_ms=301), 50, "ot=th:0"),
        (FakeSpan(trace_id=1, took_ms=300), 50, None),
        (FakeSpan(trace_id=1), 100, "ot=th:0"),
        (FakeSpan(trace_id=QUARTER, trace_state="ot=th:c"), 50, "ot=th:c"),
        (FakeSpan(trace_id=QUARTER, trace_state="ot=th:8"), 25, "ot=th:c"),
        (FakeSpan(trace_id=HALF, trace_state="ot=th:8"), 25, None),
        (FakeSpan(trace_id=HALF, trace_state="ot=th:8", status="ERROR"), 25, "ot=th:8"),
        (FakeSpan(trace_id=HALF, trace_state="ot=th:c"), 50, "ot=th:8"),
        (FakeSpan(trace_id=1, trace_state="ot=th:c", status="ERROR"), 50, "ot=th:0"),
        (FakeSpan(trace_id=1, trace_state="ot=rv:80000000000000"), 50, "ot=th:8;rv:80000000000000"),
        (FakeSpan(trace_id=HALF, trace_state="ot=rv:7fffffffffffff"), 50, None),
        (FakeSpan(trace_id=HALF, trace_state="a=1,b=2"), 50, "ot=th:8,a=1,b=2"),
    ],
    ids=[
        "passes", "does not pass", "an error", "slower than its indicator's threshold", "not slower", "everything",
        "upstream kept fewer", "upstream kept more", "upstream kept more, ours drops",
        "an error that upstream sampled stands for as many", "upstream not believed", "an error, upstream not believed",
        "explicit randomness passes", "explicit randomness does not pass", "other vendors stay",
    ],
)  # fmt: skip
def test_what_is_kept_and_what_it_says(span: FakeSpan, percentage: float, written: str | None) -> None:
    """One span at a time."""
    assert kept([span], percentage)["TraceState"].to_pylist() == ([] if written is None else [written])


def test_every_span_is_counted_by_what_became_of_it() -> None:
    """The first reason that holds."""
    spans = [
        FakeSpan(trace_id=1, status="ERROR"),
        FakeSpan(trace_id=1, took_ms=400),
        FakeSpan(trace_id=HALF),
        FakeSpan(trace_id=1),
        FakeSpan(trace_id=1, trace_state="ot=th:8"),
    ]
    data = stored(50)
    data.batch(batch(spans))
    assert data.stats().sampled_total == {"failed": 1, "bad": 1, "sampled": 1, "dropped": 2}
    assert data.stats().inconsistent_total == 1


def test_spans_without_a_trace_are_kept() -> None:
    """There is nothing to be consistent with."""
    record = only(batch([FakeSpan(trace_id=1)]))
    place = record.schema.get_field_index("TraceId")
    anonymous = record.set_column(place, "TraceId", pa.array([""]))
    assert stored(1).process("otel_traces", anonymous)["TraceState"].to_pylist() == ["ot=th:0"]


def test_an_empty_batch_stays_empty() -> None:
    """A chunk may hold no spans."""
    assert stored(1).process("otel_traces", only(batch([FakeSpan()])).slice(0, 0)).num_rows == 0


def test_thresholds_of_the_steps_are_exact() -> None:
    """What the first test above rests on."""
    for part in range(1, STEPS + 1):
        assert adjusted_count(threshold_of(float(100 * Fraction(part, STEPS)))) == Fraction(STEPS, part)
