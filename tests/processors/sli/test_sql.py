"""Counting again by SQL: what the page says can be recomputed from the spans that are stored."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.clickhouse.insert import Inserts
from fixtures.otlp_bodies import as_bytes, request_of
from fixtures.spans import NOON_NS, FakeSpan, batch
from fixtures.store import Store
from pipeline.batch import Batch
from processors.sli.indicator import Indicator
from processors.sli.selector import SEVERITIES, Selector
from processors.sli.slices import SliceCounter
from processors.sli.sql import recount
from receivers.otlp.signals import LOGS, METRICS, Signal

NOON = datetime.fromtimestamp(NOON_NS / 1e9, UTC)
WORDS = st.sampled_from(
    ["", "a", "it's \\ 'quoted'", "10", "9", "404", "500", "unavailable", "OK", "2", "jsonrpc", "1e2"]
)
STATES = st.sampled_from(["", "ot=th:8", "ot=p:63", "ot=p:63;th:8", "x=y,ot=p:2", "ot=p:64"])
CODES = ["http.response.status_code", "http.status_code", "rpc.grpc.status_code", "rpc.status_code"]
RPC = ["rpc.response.status_code", "rpc.jsonrpc.error_code", "rpc.connect_rpc.error_code", "rpc.system"]
KEYS = [*CODES, *RPC, "error.type", "plan", "n"]
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
        trace_state=STATES,
    ),
    min_size=1,
    max_size=20,
)
ORDER = st.fixed_dictionaries({}, optional={sign: st.integers(0, 600) for sign in ("gt", "gte", "lt", "lte")}).filter(
    bool
)
PATTERN = st.sampled_from(["", "^a", "a$", "[0-9]+", "(?i)OK|x", ".quoted.", "a.b", "^(?:404|9)$", "\\\\"])
ATTRIBUTE = st.one_of(
    st.builds(lambda word: {"eq": word}, WORDS),
    st.builds(lambda words: {"in": words}, st.lists(WORDS, min_size=1, max_size=3)),
    st.builds(lambda words: {"not_in": words}, st.lists(WORDS, min_size=1, max_size=3)),
    st.builds(lambda word: {"prefix": word}, WORDS),
    st.builds(lambda pattern: {"regex": pattern}, PATTERN),
    st.builds(lambda pattern, word: {"regex": pattern, "not_in": [word]}, PATTERN, WORDS),
    st.builds(lambda yes: {"exists": yes}, st.booleans()),
    ORDER,
)
CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(["server", "client"]),
    "status": st.builds(lambda words: {"not_in": words}, st.lists(st.sampled_from(["error", "ok"]), min_size=1)),
    "outcome": st.one_of(st.sampled_from(["success", "failure"]), st.just({"not_in": ["failure"]})),
    "name": st.builds(lambda word: {"prefix": word}, st.sampled_from(["GET", "PO", ""])),
    "duration": ORDER.map(lambda order: {sign: f"{bound}ms" for sign, bound in order.items()}),
    "scope.name": ATTRIBUTE,
    "resource.service.name": st.one_of(
        st.just("checkout"), st.just({"exists": False}), st.just({"not_in": ["payment"]})
    ),
    "span.plan": ATTRIBUTE,
    "span.n": ATTRIBUTE,
}
TEXT = st.one_of(WORDS, st.sampled_from(["a\nb", "axb", "käse APP-ERR-SEV1-946"]))
BODY = st.one_of(TEXT, PATTERN.map(lambda pattern: {"regex": pattern}), st.just({"regex": "APP-ERR-SEV[0-9]-"}))
LOG_CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "severity": st.one_of(
        st.sampled_from(SEVERITIES), st.lists(st.sampled_from(SEVERITIES), min_size=1).map(lambda some: {"in": some})
    ),
    "body": st.one_of(BODY, WORDS.map(lambda word: {"prefix": word}), WORDS.map(lambda word: {"not_in": [word, "a"]})),
    "event_name": ATTRIBUTE,
    "scope.version": ATTRIBUTE,
    "log.plan": ATTRIBUTE,
    "resource.service.name": ATTRIBUTE,
}
POINT_CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "name": ATTRIBUTE,
    "unit": ATTRIBUTE,
    "value": ORDER,
    "point.plan": ATTRIBUTE,
    "resource.service.name": ATTRIBUTE,
}


def wheres(conditions: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Any `where` over such conditions, nested three deep at most."""
    flat = st.fixed_dictionaries({}, optional=conditions).filter(bool)

    def nest(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        many = st.lists(inner, min_size=1, max_size=3)
        return st.builds(
            lambda here, nested: here | nested,
            st.one_of(flat, st.just({})),
            st.fixed_dictionaries({}, optional={"and": many, "or": many, "not": inner}).filter(bool),
        )

    return st.one_of(flat, nest(flat), nest(nest(flat)))


def indicators(signal: str, conditions: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Indicator]:
    """Any indicator of a signal."""
    selectors = wheres(conditions).map(lambda where: Selector.model_validate({"signal": signal, "where": where}))
    return st.builds(
        lambda valid, part, by_good: Indicator(
            name="i", generation="g", valid=valid, good=part if by_good else None, bad=None if by_good else part
        ),
        selectors,
        selectors,
        st.booleans(),
    )


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=SPANS, indicator=indicators("traces", CONDITIONS))
def test_sql_over_stored_spans_counts_what_ingest_counted(
    store: Store, spans: list[FakeSpan], indicator: Indicator
) -> None:
    """Masks over columns and SQL over rows are two readings of one selector: they must never differ."""
    same_counts(store, batch(spans, chunk_id=str(id(spans)) + repr(spans)), indicator)


ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), WORDS, max_size=3).map(
    lambda some: [{"key": key, "value": {"string_value": value}} for key, value in some.items()]
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"body": TEXT.map(lambda text: {"string_value": text}), "attributes": ATTRIBUTES},
        optional={
            "time_unix_nano": st.integers(NOON_NS - 10**10, NOON_NS),
            "observed_time_unix_nano": st.integers(NOON_NS - 10**10, NOON_NS),
            "severity_number": st.integers(0, 24),
            "event_name": WORDS,
        },
    ),
    min_size=1,
    max_size=12,
)
POINTS = st.lists(
    st.fixed_dictionaries(
        {"time_unix_nano": st.integers(NOON_NS - 10**10, NOON_NS), "attributes": ATTRIBUTES},
        optional={
            "as_double": st.one_of(st.integers(0, 600).map(float), st.just(float("nan"))),
            "flags": st.sampled_from([0, 1]),
        },
    ),
    min_size=1,
    max_size=12,
)
SERVICES = st.sampled_from(["", "checkout", "a"])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS, service=SERVICES, version=WORDS, indicator=indicators("logs", LOG_CONDITIONS))
def test_sql_over_stored_log_records_counts_what_ingest_counted(
    store: Store, records: list[Any], service: str, version: str, indicator: Indicator
) -> None:
    """Bodies with line breaks, absent scopes and all ranges of severity."""
    body = request_of("logs", as_bytes(records), named(service), scope={"version": version.encode()})
    same_counts(store, came(LOGS, body), indicator)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=POINTS, service=SERVICES, name=WORDS, unit=WORDS, indicator=indicators("metrics", POINT_CONDITIONS))
def test_sql_over_stored_gauges_counts_what_ingest_counted(
    store: Store, points: list[Any], service: str, name: str, unit: str, indicator: Indicator
) -> None:
    """Each point is an event, unless it says that it has no value."""
    metric = {"name": name, "unit": unit, "gauge": {"data_points": points}}
    same_counts(store, came(METRICS, request_of("metrics", [as_bytes(metric)], named(service))), indicator)


def named(service: str) -> list[Any]:
    return [as_bytes({"key": "service.name", "value": {"string_value": service}})]


def came(signal: Signal, body: bytes) -> Batch:
    """One request as ingest hands it on, received a second after noon."""
    received_ns = NOON_NS + 10**9
    return Batch(chunk_id=uuid.uuid4().hex, received_ns=received_ns, tables=signal.tables(body, received_ns))


def same_counts(store: Store, batch: Batch, indicator: Indicator) -> None:
    """Both ways of counting give the same."""
    (table,) = batch.tables
    store.client.command(f"TRUNCATE TABLE {table}")
    Inserts(store.client)(table, batch.tables[table], token=batch.chunk_id)
    rows = SliceCounter([indicator]).count(batch).records.to_pylist()
    sql = recount(indicator, NOON - timedelta(minutes=5), NOON + timedelta(minutes=5))
    assert store.reader.query(sql).to_pylist() == [
        {"good": sum(row["Good"] for row in rows), "valid": sum(row["Valid"] for row in rows)}
    ]
