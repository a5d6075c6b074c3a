"""Counting again by SQL: what the page says can be recomputed from the spans that are stored."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.clickhouse.insert import Inserts
from fixtures.spans import NOON_NS, FakeSpan, batch
from fixtures.store import Store
from processors.sli.indicator import Indicator
from processors.sli.selector import SpanSelector
from processors.sli.slices import SliceCounter
from processors.sli.sql import recount

NOON = datetime.fromtimestamp(NOON_NS / 1e9, UTC)
WORDS = st.sampled_from(["", "a", "it's \\ 'quoted'", "10", "9", "404", "500", "unavailable", "OK", "2"])
CODES = ["http.response.status_code", "http.status_code", "rpc.grpc.status_code", "rpc.status_code"]
KEYS = [*CODES, "error.type", "plan", "n"]
SPANS = st.lists(
    st.builds(
        FakeSpan,
        service=st.sampled_from(["checkout", "payment", None]),
        name=st.sampled_from(["GET /", "POST /checkout"]),
        kind=st.sampled_from(["SERVER", "CLIENT", "INTERNAL"]),
        status=st.sampled_from(["UNSET", "OK", "ERROR"]),
        at_ms=st.integers(-30_000, 0),
        took_ms=st.integers(0, 1_000),
        attributes=st.dictionaries(st.sampled_from(KEYS), st.one_of(WORDS, st.integers(-1, 1_000)), max_size=4),
    ),
    min_size=1,
    max_size=20,
)
ORDER = st.fixed_dictionaries({}, optional={sign: st.integers(0, 600) for sign in ("gt", "gte", "lt", "lte")}).filter(
    bool
)
ATTRIBUTE = st.one_of(
    st.builds(lambda word: {"eq": word}, WORDS),
    st.builds(lambda words: {"in": words}, st.lists(WORDS, min_size=1, max_size=3)),
    st.builds(lambda words: {"not_in": words}, st.lists(WORDS, min_size=1, max_size=3)),
    st.builds(lambda word: {"prefix": word}, WORDS),
    st.builds(lambda yes: {"exists": yes}, st.booleans()),
    ORDER,
)
CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(["server", "client"]),
    "status": st.builds(lambda words: {"not_in": words}, st.lists(st.sampled_from(["error", "ok"]), min_size=1)),
    "outcome": st.sampled_from(["success", "failure"]),
    "name": st.builds(lambda word: {"prefix": word}, st.sampled_from(["GET", "PO", ""])),
    "duration": ORDER.map(lambda order: {sign: f"{bound}ms" for sign, bound in order.items()}),
    "resource.service.name": st.one_of(
        st.just("checkout"), st.just({"exists": False}), st.just({"not_in": ["payment"]})
    ),
    "span.plan": ATTRIBUTE,
    "span.n": ATTRIBUTE,
}
SELECTORS = (
    st.fixed_dictionaries({}, optional=CONDITIONS)
    .filter(bool)
    .map(lambda where: SpanSelector.model_validate({"where": where}))
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=SPANS, valid=SELECTORS, outcome=SELECTORS, by_good=st.booleans())
def test_sql_over_stored_spans_counts_what_ingest_counted(
    store: Store, spans: list[FakeSpan], valid: SpanSelector, outcome: SpanSelector, by_good: bool
) -> None:
    """Masks over columns and SQL over rows are two readings of one selector: they must never differ."""
    indicator = Indicator(
        name="i", generation="g", valid=valid, good=outcome if by_good else None, bad=None if by_good else outcome
    )
    store.client.command("TRUNCATE TABLE otel_traces")
    stored = batch(spans, chunk_id=str(id(spans)) + repr(spans))
    Inserts(store.client)("otel_traces", stored.tables["otel_traces"], token=stored.chunk_id)
    rows = SliceCounter([indicator]).count(stored).records.to_pylist()
    sql = recount(indicator, NOON - timedelta(minutes=5), NOON + timedelta(minutes=5))
    assert store.reader.query(sql).to_pylist() == [
        {"good": sum(row["Good"] for row in rows), "valid": sum(row["Valid"] for row in rows)}
    ]
