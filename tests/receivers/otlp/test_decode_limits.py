"""What a limit cuts is what a slow twin cuts from protobuf objects, and scan and decode count it alike."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.otlp_bodies import REQUESTS, one_metric, one_record, one_span
from fixtures.otlp_oracle import differences, parsed
from fixtures.otlp_reference import RECEIVED_NS, decoded, reference, reference_of, rows_of
from fixtures.otlp_strategies import bodies, long_text, text, uint64
from receivers.otlp.limits import ANY_TIME, LEAST_DEPTH, LONGEST_PAIR, MAX_DEPTH, Limits
from receivers.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from receivers.otlp.wire import MalformedError

every_signal = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
property_of = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LOOSE = Limits(attributes=1 << 16, key_bytes=1 << 20, text_bytes=1 << 20)

# What is stored of each message, in the words of the .proto files: texts, and lists of attributes.
TEXTS: Mapping[str, tuple[str, ...]] = {
    "Span": ("trace_id", "span_id", "parent_span_id", "trace_state", "name"),
    "Status": ("message",),
    "Event": ("name",),
    "Link": ("trace_id", "span_id", "trace_state"),
    "InstrumentationScope": ("name", "version"),
    "ResourceLogs": ("schema_url",),
    "ScopeLogs": ("schema_url",),
    "LogRecord": ("severity_text", "trace_id", "span_id", "event_name"),
    "ResourceMetrics": ("schema_url",),
    "ScopeMetrics": ("schema_url",),
    "Metric": ("name", "description", "unit"),
    "Exemplar": ("span_id", "trace_id"),
}
LISTS = ("attributes", "filtered_attributes")
NOT_STORED = {"metadata", "entity_refs"}


class Scissors:
    """Cuts a message of the tolerant twin in place, and counts."""

    def __init__(self, limits: Limits, *, scope_attributes: bool) -> None:
        self.limits, self.scope_attributes = limits, scope_attributes
        self.attributes = self.texts = 0

    def cut(self, message: Any) -> None:
        name = message.DESCRIPTOR.name
        for field in TEXTS.get(name, ()):
            self._text(message, field, self.limits.text_bytes)
        for field, value in message.ListFields():
            if field.name in LISTS and (name != "InstrumentationScope" or self.scope_attributes):
                self._pairs(value)
            elif field.name == "body":
                self._value(value)
            elif field.message_type and field.name not in {*NOT_STORED, *LISTS}:
                for inner in value if field.is_repeated else [value]:
                    self.cut(inner)

    def _pairs(self, pairs: Any) -> None:
        self.attributes += max(len(pairs) - self.limits.attributes, 0)
        del pairs[self.limits.attributes :]
        for pair in pairs:
            self._text(pair, "key", self.limits.key_bytes)
            self._value(pair.value)

    def _value(self, value: Any) -> None:
        kind = value.WhichOneof("value")
        if kind in {"string_value", "bytes_value"}:
            self._text(value, kind, self.limits.text_bytes)
        elif kind in {"array_value", "kvlist_value"} and getattr(value, kind).ByteSize() > self.limits.text_bytes:
            value.ClearField(kind)
            self.texts += 1

    def _text(self, message: Any, field: str, limit: int) -> None:
        content = getattr(message, field)
        if len(content) > limit:
            setattr(message, field, before_a_character(content, limit))
            self.texts += 1


def before_a_character(content: bytes, limit: int) -> bytes:
    """At most `limit` bytes; if a character of four bytes or less would be cut in two, without its beginning."""
    starts = (end for end in range(limit, limit - 3, -1) if content[end] & 0xC0 != 0x80)
    return content[: next(starts, limit - 3)]


@every_signal
@settings(property_of, max_examples=60)
@given(data=st.data())
def test_what_is_cut_is_what_the_twin_cuts(signal: Signal, data: st.DataObject) -> None:
    """The first attributes stay, texts end before a character, an array or map that is too long is gone."""
    limits = Limits(
        attributes=data.draw(st.integers(1, 3)),
        key_bytes=data.draw(st.integers(LONGEST_PAIR, 300)),
        text_bytes=data.draw(st.integers(LONGEST_PAIR, 300)),
    )
    body = data.draw(bodies(signal.name, text | long_text))
    request = parsed(signal, body)
    scissors = Scissors(limits, scope_attributes=signal is not TRACES)
    scissors.cut(request)
    tables, rejected = reference_of(signal, request)
    scan, batches = signal.scan(body, limits), list(signal.decode(body, RECEIVED_NS, limits))
    found = {one.table: [] for one in batches if one.records.num_rows}
    for one in batches:
        found.get(one.table, []).extend(rows_of([one.records]))
    assert differences(found, tables) == []
    assert (scan.cut_attributes, scan.cut_texts) == (scissors.attributes, scissors.texts)
    assert scan.rejected == sum(one.rejected for one in batches) == rejected
    assert scan.accepted == sum(map(len, tables.values()))


@given(st.text(min_size=60, max_size=130), st.integers(0, 7))
def test_a_text_is_cut_to_its_longest_beginning_of_whole_characters(content: str, more: int) -> None:
    """Of text that is UTF-8 nothing has to be repaired after the cut."""
    encoded = (content * 10).encode()
    limits = Limits(text_bytes=LONGEST_PAIR + more)
    (one,) = LOGS.decode(one_record(body={"string_value": encoded}), 0, limits)
    (body,) = one.records.column("Body").to_pylist()
    assert body == encoded[: limits.text_bytes].decode(errors="ignore")
    assert one.repaired == 0


@pytest.mark.parametrize("size", [LONGEST_PAIR, LONGEST_PAIR + 1])
def test_limits_cut_above_and_not_at_them(size: int) -> None:
    """Texts, keys, arrays, maps and bytes: as many bytes as allowed are kept whole."""
    limits = Limits(key_bytes=LONGEST_PAIR, text_bytes=LONGEST_PAIR)
    whole = size == LONGEST_PAIR
    array = {"array_value": {"values": [{"string_value": b"x" * (size - 6)}]}}
    values = [{"string_value": b"s" * size}, {"bytes_value": b"b" * size}, array]
    pairs = [{"key": b"k" * size, "value": value} for value in values]
    body = one_span(attributes=pairs)
    scan = TRACES.scan(body, limits)
    assert (scan.cut_texts, scan.cut_attributes) == (0 if whole else 3 + 3, 0)
    (row,) = next(TRACES.decode(body, 0, limits)).records.column("SpanAttributes").to_pylist()
    assert {len(key) for key, _ in row} == {LONGEST_PAIR}
    assert row[0][1] == "s" * LONGEST_PAIR
    assert len(row[1][1]) == (LONGEST_PAIR + 2) // 3 * 4
    assert row[2][1] == ('["' + "x" * (size - 6) + '"]' if whole else "")


times = st.integers(0, 200) | uint64
timely_bounds = st.tuples(st.integers(0, 100), st.integers(50, 250) | st.just(ANY_TIME[1]))


@every_signal
@settings(property_of, max_examples=60)
@given(data=st.data())
def test_what_the_scan_calls_untimely_is_what_normalising_leaves_out(signal: Signal, data: st.DataObject) -> None:
    """The same number; what is left has the rows of the rest, and nothing more is untimely."""
    request = data.draw(bodies(signal.name).map(lambda body: parsed(signal, body)))
    for item in items_of(signal, request):
        for field in signal_times(signal):
            setattr(item, field, data.draw(times))
    timely = data.draw(timely_bounds)
    body = request.SerializeToString()
    scan, normal = signal.scan(body, timely=timely), signal.normalise(body, timely)
    again = signal.scan(normal, timely=timely)
    # an item without valid ids counts as rejected, be it timely or not
    kept = [item for item in items_of(signal, request) if is_timely(signal, item, timely)]
    assert len(list(items_of(signal, parsed(signal, normal)))) == len(kept)
    assert (again.untimely, again.accepted) == (0, scan.accepted)
    assert scan.items == signal.scan(body).items
    assert sum(map(len, decoded(signal, normal).values())) == scan.accepted
    assert scan.untimely == signal.scan(body).accepted - scan.accepted


def items_of(signal: Signal, request: Any) -> Iterator[Any]:
    for path in signal.items:
        yield from _at(request, path.split("."))


def _at(message: Any, steps: list[str]) -> Iterator[Any]:
    for inner in getattr(message, steps[0]):
        if not steps[1:]:
            yield inner
        elif steps[1] in {"gauge", "sum", "histogram", "exponential_histogram", "summary"}:
            yield from _at(getattr(inner, steps[1]), steps[2:])
        else:
            yield from _at(inner, steps[1:])


def signal_times(signal: Signal) -> tuple[str, ...]:
    return {
        "traces": ("start_time_unix_nano", "end_time_unix_nano"),
        "logs": ("time_unix_nano", "observed_time_unix_nano"),
        "metrics": ("time_unix_nano",),
    }[signal.name]


def is_timely(signal: Signal, item: Any, timely: tuple[int, int]) -> bool:
    """A span must begin after the earliest and end before the latest; a log without any time is from now."""
    first, *rest = (getattr(item, field) for field in signal_times(signal))
    earliest, latest = timely
    if timely == ANY_TIME:
        return True
    if signal is LOGS:
        time = first or rest[0]
        return not time or earliest <= time <= latest
    return earliest <= first <= latest and all(time <= latest for time in rest)


@every_signal
@pytest.mark.parametrize("depth", [LEAST_DEPTH, LEAST_DEPTH + 1, 20, 21, MAX_DEPTH])
def test_nesting_stops_at_the_limit(signal: Signal, depth: int) -> None:
    """As many messages as allowed, one in the other; one more is malformed to scan and decode alike."""
    for levels in range(depth // 2 + 1):
        body = nested(signal, levels)
        request = parsed(signal, body)  # None at 101, where protobuf's own limit is
        if request is not None and deepest(request) <= depth:
            assert signal.scan(body, Limits(depth=depth)).accepted == 1
            assert sum(one.records.num_rows for one in signal.decode(body, 0, Limits(depth=depth))) == 1
            continue
        with pytest.raises(MalformedError, match="more nested messages"):
            signal.scan(body, Limits(depth=depth))
        with pytest.raises(MalformedError, match="more nested messages"):
            list(signal.decode(body, 0, Limits(depth=depth)))
        return
    pytest.fail("nothing was too deep")


def nested(signal: Signal, levels: int) -> bytes:
    """An item with an attribute of so many arrays, one in the other, around a text."""
    value: dict[str, Any] = {"string_value": b"x"}
    for _ in range(levels):
        value = {"array_value": {"values": [value]}}
    pairs = [{"key": b"k", "value": value}]
    if signal is METRICS:
        exemplars = [{"filtered_attributes": pairs}]
        return one_metric(gauge={"data_points": [{"exemplars": exemplars}]})
    return one_span(attributes=pairs) if signal is TRACES else one_record(attributes=pairs)


def deepest(message: Any) -> int:
    """How many messages are in `message`, one in the other."""
    inner = [
        one
        for field, value in message.ListFields()
        if field.message_type
        for one in (value if field.is_repeated else [value])
    ]
    return max((1 + deepest(one) for one in inner), default=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attributes": 0},
        {"attributes": (1 << 16) + 1},
        {"key_bytes": LONGEST_PAIR - 1},
        {"text_bytes": LONGEST_PAIR - 1},
        {"depth": LEAST_DEPTH - 1},
        {"depth": MAX_DEPTH + 1},
    ],
    ids=str,
)
def test_limits_that_the_kernel_cannot_keep_are_refused(wrong: dict[str, int]) -> None:
    """Rather than kept in part."""
    with pytest.raises(ValueError, match="expected texts of at least"):
        Limits(**wrong)


@every_signal
def test_no_limit_is_passed_by_ordinary_requests(signal: Signal) -> None:
    """By default nothing of a usual size is cut."""
    body = REQUESTS[signal.name].FromString(nested(signal, 10)).SerializeToString()
    assert (signal.scan(body).cut_attributes, signal.scan(body).cut_texts) == (0, 0)
    assert reference(signal, body)[0] == decoded(signal, body)
