"""Asking a sampled store: the query's weights are those that were written."""

from datetime import timedelta
from pathlib import Path

import pytest

import processors.stored
from fixtures.spans import NOON_NS, FakeSpan, batch
from fixtures.store import Store, insert
from pipeline.clock import to_datetime
from processors.sli.indicator import Indicator
from processors.sli.selector import Selector
from processors.sli.sql import recount
from processors.sli.tracestate import EVERYTHING, TraceState
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from processors.stored.sql import ADJUSTED_COUNT, THRESHOLD, estimate

NOON = to_datetime(NOON_NS)
WINDOW = (NOON - timedelta(minutes=1), NOON + timedelta(minutes=1))
SERVED = Selector.model_validate({"where": {"kind": "server"}})
WORKS = Indicator(
    name="works", generation="1", valid=SERVED, good=Selector.model_validate({"where": {"outcome": "success"}})
)
TRACES = 64


def test_a_sampled_store_still_answers_how_many_there_were(store: Store) -> None:
    """A quarter is stored; the estimate over evenly spread traces is the count itself, and so are the bad ones."""
    spans = [
        FakeSpan(trace_id=(1 << 64) + step * (EVERYTHING // TRACES) + 1, status="ERROR" if step % 8 == 0 else "OK")
        for step in range(TRACES)
    ]
    config = ProcessorsConfig.model_validate({"sample": {"traces": {"sampling_percentage": 25}}})
    came = batch(spans)
    insert(store, StoredData(config, [WORKS]).batch(came))
    (seen,) = store.reader.query(recount(WORKS, *WINDOW)).to_pylist()
    (estimated,) = store.reader.query(estimate(WORKS, *WINDOW)).to_pylist()
    assert seen == {"good": 14, "valid": 22}
    assert estimated == {"good": 56.0, "valid": 64.0}


@pytest.mark.parametrize(
    "text",
    [
        "", "ot=th:0", "ot=th:8", "ot=th:e666", "ot=th:fffffffffffff", "ot=th:E666;rv:0123456789abcd",
        "congo=t61,ot=rv:0123456789abcd;th:c,x=1", "robot=th:8", "x@ot=th:8", "ot=p:8;r:62", "a=ot=th:8",
        "ot=p:63", "ot=p:64", "ot=p:2;th:c", "ot=p:2;th:x", "ot=xth:8", "ot=x:th:8", "ot=rv:1;th:8",
    ],
)  # fmt: skip
def test_sql_reads_a_tracestate_as_sampling_does(store: Store, text: str) -> None:
    """Two readers of one text."""
    insert(store, batch([FakeSpan(trace_state=text)]))
    (row,) = store.reader.query(f"SELECT {ADJUSTED_COUNT} AS weight FROM otel_traces").to_pylist()
    assert row["weight"] == pytest.approx(float(1 if (weight := TraceState.parse(text).weight) is None else weight))


def test_the_readme_shows_the_query_that_is_tested() -> None:
    """People copy it."""
    assert THRESHOLD in Path(processors.stored.__file__).with_name("README.md").read_text()
