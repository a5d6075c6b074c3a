"""Between counting and storing: what is stored never bends what is counted."""

import pytest

from fixtures.spans import FakeSpan, request
from fixtures.store import Store
from pipeline.clock import SystemClock
from pipeline.lane import ChunkProcessor
from pipeline.passage import unwatched
from processors.sli.indicator import Indicator
from processors.sli.selector import Selector
from processors.sli.slices import SliceCounter
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from receivers.otlp.limits import DEFAULT
from receivers.otlp.signals import TRACES

WORKS = Indicator(
    name="works",
    generation="1",
    valid=Selector.model_validate({"where": {"span.user.id": {"exists": True}}}),
    good=Selector.model_validate({"where": {"outcome": "success"}}),
)
SPANS = [
    FakeSpan(trace_id=n, status="ERROR" if n % 10 == 0 else "OK", attributes={"user.id": n}) for n in range(1, 101)
]


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        ({}, 100),
        ({"filter": {"traces": [{"where": {"status": "ok"}}]}}, 10),
        ({"sample": {"traces": {"sampling_percentage": 1}}}, 10),
        ({"redact": {"attributes": [{"keys": ["user.id"], "action": "delete"}]}}, 100),
        ({"filter": {"traces": [{"where": {"kind": "server"}}]}}, 0),
    ],
    ids=["nothing", "filter", "sample", "redact", "nothing is stored"],
)
def test_indicators_count_all_that_came_whatever_is_stored(store: Store, config: dict[str, object], rows: int) -> None:
    """Through the very steps of ingest, into the real store."""
    data = StoredData(ProcessorsConfig.model_validate(config), [WORKS])
    chunk = ChunkProcessor(
        TRACES,
        limits=DEFAULT,
        counter=SliceCounter([WORKS]),
        stored=data,
        client=store.client,
        telemetry=unwatched(SystemClock()),
    )
    chunk.store("chunk-1", 1_790_000_001_000_000_000, request(SPANS))
    counted = store.reader.query("SELECT sum(Good) AS good, sum(Valid) AS valid FROM sli_slices").to_pylist()
    assert counted == [{"good": 90, "valid": 100}]
    assert store.reader.query("SELECT count() AS n FROM otel_traces").to_pylist() == [{"n": rows}]
