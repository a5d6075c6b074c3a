"""Redaction: by key, by pattern, in every column that holds text, and never by halves."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.otlp_bodies import EVERYTHING, everything
from fixtures.records import LOGS, POINTS, records
from fixtures.spans import FakeSpan, batch, only
from pipeline.batch import Batch
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from receivers.otlp.signals import SIGNALS, TRACES, Signal

KEY = "sixteen characters and more"
TOKEN = r"tok_[0-9a-z]+"
RULES: dict[str, Any] = {
    "hash_key": KEY,
    "attributes": [
        {"keys": ["user.id"], "action": "hash"},
        {"keys": ["user.*", "secret"], "action": "delete"},
        {"keys": ["http.*.cookie", "a+b"], "action": "mask"},
    ],
    "values": [
        {"preset": "email", "action": "hash"},
        {"pattern": TOKEN, "action": "mask"},
        {"pattern": "zz", "action": "delete"},
    ],
}
KEYS = ["user.id", "user.name", "secret", "http.request.cookie", "http.cookie", "a+b", "aab", "plain", "service.name"]
TEXT = st.lists(
    st.sampled_from(["bob@example.com", "tok_1a", "zz", " ", "é", "a", "@", "tok_", "****"]), max_size=4
).map("".join)
PAIRS = st.dictionaries(st.sampled_from(KEYS), TEXT, max_size=5)


def stored(**redact: Any) -> StoredData:
    return StoredData(ProcessorsConfig.model_validate({"redact": redact}), ())


def hashed(text: str) -> str:
    return hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def text_twin(text: str) -> str:
    """The slow twin: one text, by Python's own expressions."""
    text = re.sub(r"[\w.+-][\w.%+-]*(?:@|%40)(?:[\w-]+\.)+[^\W\d_]{2,}", lambda found: hashed(found[0]), text)
    return re.sub("zz", "", re.sub(TOKEN, "****", text))


def pair_twin(key: str, value: str) -> list[tuple[str, str]]:
    """The slow twin: one attribute."""
    if key == "service.name":
        return [(key, value)]
    if key == "user.id":
        return [(key, hashed(value))]
    if key == "secret" or key.startswith("user."):
        return []
    if key == "a+b" or (key.startswith("http.") and key.endswith(".cookie") and key != "http.cookie"):
        return [(key, "****")]
    return [(key, text_twin(value))]


def map_twin(pairs: Mapping[str, str]) -> list[tuple[str, str]]:
    return [kept for key, value in pairs.items() for kept in pair_twin(key, value)]


@settings(deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"LogAttributes": PAIRS, "ResourceAttributes": PAIRS, "ScopeAttributes": PAIRS, "Body": TEXT}
        ),
        max_size=8,
    ),
    data=st.data(),
)
def test_redacted_log_records_are_those_of_the_slow_twin(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Every attribute of every map and every body, of any slice of a batch."""
    begin = data.draw(st.integers(0, len(rows)))
    (redacted,) = [stored(**RULES).process("otel_logs", records(LOGS, rows).slice(begin))]
    redacted.validate(full=True)
    assert redacted.schema == LOGS
    for row, twin in zip(redacted.to_pylist(), rows[begin:], strict=True):
        assert row["Body"] == text_twin(twin["Body"])
        for name in ("LogAttributes", "ResourceAttributes", "ScopeAttributes"):
            assert row[name] == map_twin(twin[name])


@settings(deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"Attributes": PAIRS, "Exemplars.FilteredAttributes": st.lists(PAIRS, max_size=3)}),
        max_size=6,
    )
)
def test_attributes_of_exemplars_are_attributes_too(rows: list[dict[str, Any]]) -> None:
    """A map inside of a list is found by its type."""
    batch_of_points = records(POINTS, rows)
    redacted = stored(**RULES).process("otel_metrics_sum", batch_of_points).to_pylist()
    assert [row["Attributes"] for row in redacted] == [map_twin(row["Attributes"]) for row in rows]
    lists = [row["Exemplars.FilteredAttributes"] for row in redacted]
    assert lists == [[map_twin(pairs) for pairs in row["Exemplars.FilteredAttributes"]] for row in rows]


def test_every_text_of_a_span_is_looked_at() -> None:
    """Names, messages, attributes; events and links with theirs."""
    data = stored(values=[{"preset": "email"}], attributes=[{"keys": ["key.1"], "action": "delete"}])
    span = FakeSpan(
        name="GET /bob@example.com", status="ERROR", message="no bob@example.com", attributes={"q": "bob@example.com"}
    )
    (row,) = only(data.batch(batch([span]))).to_pylist()
    assert (row["SpanName"], row["StatusMessage"], row["SpanAttributes"]) == ("GET /****", "no ****", [("q", "****")])
    before = next(iter(TRACES.decode(everything(2), 0))).records
    after = data.process("otel_traces", before)
    after.validate(full=True)
    for name in ("SpanAttributes", "ResourceAttributes"):
        assert after[name].to_pylist() == [[p for p in pairs if p[0] != "key.1"] for pairs in before[name].to_pylist()]
    for name in ("Events.Attributes", "Links.Attributes"):
        expected = [[[p for p in pairs if p[0] != "key.1"] for pairs in one] for one in before[name].to_pylist()]
        assert after[name].to_pylist() == expected
    others = [name for name in before.schema.names if not name.endswith("Attributes")]
    assert after.select(others).equals(before.select(others))


def test_names_of_events_are_names() -> None:
    """They are dictionaries inside of lists."""
    before = next(iter(TRACES.decode(everything(2), 0))).records
    after = stored(values=[{"pattern": "excep(tion)?"}]).process("otel_traces", before)
    assert after["Events.Name"].to_pylist() == [["****", ""]] * 2


def test_equal_values_have_equal_hashes_wherever_they_stand() -> None:
    """So joins still work, across columns, tables and batches; under another key they are others."""
    rules = {
        "hash_key": KEY,
        "attributes": [{"keys": ["user.id"], "action": "hash"}],
        "values": [{"preset": "email", "action": "hash"}],
    }
    log = {"LogAttributes": {"user.id": "bob@example.com"}, "Body": "to bob@example.com"}
    (row,) = stored(**rules).process("otel_logs", records(LOGS, [log])).to_pylist()
    (span,) = (
        stored(**rules)
        .batch(batch([FakeSpan(attributes={"user.id": "bob@example.com"})]))
        .tables["otel_traces"][0]
        .to_pylist()
    )
    assert row["Body"] == f"to {hashed('bob@example.com')}"
    assert row["LogAttributes"] == span["SpanAttributes"] == [("user.id", hashed("bob@example.com"))]
    other = stored(**rules | {"hash_key": KEY[::-1]}).process("otel_logs", records(LOGS, [log])).to_pylist()
    assert other[0]["LogAttributes"] != row["LogAttributes"]


@pytest.mark.parametrize("field", ["attributes", "body", "name", "status_message"])
def test_patterns_look_only_into_the_fields_that_are_named(field: str) -> None:
    """Each of them alone."""
    data = stored(values=[{"pattern": "x+"}], fields=[field])
    span = (
        data.batch(batch([FakeSpan(name="x", message="x", attributes={"a": "x"})]))
        .tables["otel_traces"][0]
        .to_pylist()[0]
    )
    log = data.process("otel_logs", records(LOGS, [{"Body": "x", "EventName": "x"}])).to_pylist()[0]
    assert (log["EventName"] == "x") == (span["SpanName"] == "x")
    found = {
        "attributes": span["SpanAttributes"] != [("a", "x")],
        "body": log["Body"] != "x",
        "name": span["SpanName"] != "x",
        "status_message": span["StatusMessage"] != "x",
    }
    assert [name for name, changed in found.items() if changed] == [field]


def test_a_key_that_is_named_goes_whatever_fields_are() -> None:
    """`fields` is about patterns."""
    data = stored(attributes=[{"keys": ["a"], "action": "delete"}], fields=["body"])
    assert only(data.batch(batch([FakeSpan(attributes={"a": "x"})])))["SpanAttributes"].to_pylist() == [[]]


def test_what_changed_is_counted_by_rule() -> None:
    """Values, however often they repeat; what a pattern only looked at is not counted."""
    data = stored(**RULES | {"values": [{"preset": "credit_card"}, {"pattern": TOKEN}]})
    rows = [
        {"LogAttributes": {"user.id": "1", "user.name": "n", "a+b": "tok_1"}, "Body": "tok_1 tok_2"},
        {"LogAttributes": {"user.id": "1", "plain": "tok_1"}, "Body": "1234567890123"},
        {"LogAttributes": {"plain": "tok_1"}, "Body": "4111111111111111"},
    ]
    data.process("otel_logs", records(LOGS, rows))
    counted = {
        rule: count for (table, rule), count in data.stats().redacted_total.items() if table == "otel_logs" and count
    }
    assert counted == {"attributes[0]": 2, "attributes[1]": 1, "attributes[2]": 1, "values[1]": 3, "credit_card": 1}


def test_two_names_that_become_one_are_one_in_the_dictionary() -> None:
    """A dictionary with a word twice would be two words to whoever reads it."""
    spans = [FakeSpan(name="GET /tok_1"), FakeSpan(name="GET /tok_2")]
    names = only(stored(values=[{"pattern": TOKEN}]).batch(batch(spans)))["SpanName"]
    assert names.dictionary.to_pylist() == ["GET /****"]
    assert names.type == pa.dictionary(pa.int32(), pa.string())


def test_a_column_in_which_nothing_matches_is_the_same_column() -> None:
    """Nothing is copied for nothing."""
    before = only(batch([FakeSpan(attributes={"a": "x"})]))
    after = stored(**RULES).process("otel_traces", before)
    for name in ("SpanAttributes", "ResourceAttributes", "StatusMessage"):
        assert [b and b.address for b in after[name].buffers()] == [b and b.address for b in before[name].buffers()]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_no_column_of_any_table_keeps_what_must_go(signal: Signal) -> None:
    """Whatever receivers make of a signal: a deleted key is nowhere, and neither is a masked text."""
    data = stored(attributes=[{"keys": ["key.1"], "action": "delete"}], values=[{"pattern": "caf. "}])
    came = Batch(chunk_id="c", received_ns=1, tables=signal.tables(EVERYTHING[signal.name](3), 1))
    assert [word in said(came) for word in ("'key.1'", "café ")] == [True, True]
    kept = data.batch(came)
    assert [word in said(kept) for word in ("'key.1'", "café ")] == [False, False]
    for table, parts in kept.tables.items():
        for part, before in zip(parts, came.tables[table], strict=True):
            part.validate(full=True)
            assert part.schema == before.schema


def said(batch: Batch) -> str:
    """All that is in a batch, as one text."""
    return "".join(str(part.to_pylist()) for parts in batch.tables.values() for part in parts)
