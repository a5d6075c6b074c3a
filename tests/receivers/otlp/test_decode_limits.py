"""What a limit cuts is what a slow twin cuts from protobuf objects, and scan and decode count it alike."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.otlp_bodies import EVERYTHING, NOON_NS, REQUESTS, length_delimited, one_metric, one_record, one_span
from fixtures.otlp_oracle import agree, differences, parsed
from fixtures.otlp_reference import RECEIVED_NS, decoded, reference, reference_of, rows_of
from fixtures.otlp_strategies import bodies, long_text, requests, text, uint64
from receivers.otlp.limits import ANY_TIME, LEAST_DEPTH, LONGEST_PAIR, MAX_DEPTH, Limits
from receivers.otlp.scanner import NOBODYS_TAG, messages
from receivers.otlp.schema import LENGTH
from receivers.otlp.signals import LOGS, METRICS, MOST_REWRITTEN, SIGNALS, TRACES, Signal
from receivers.otlp.status import TooLargeError
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
def test_what_the_scan_calls_untimely_is_what_nobody_sees_afterwards(signal: Signal, data: st.DataObject) -> None:
    """The same number; what is left has the rows of the rest, and nothing more is untimely."""
    request = data.draw(bodies(signal.name).map(lambda body: parsed(signal, body)))
    for item in chain.from_iterable(lists_of(signal, request)):
        for field in signal_times(signal):
            setattr(item, field, data.draw(times))
    timely = data.draw(timely_bounds)
    body = request.SerializeToString()
    whole, scan = signal.scan(body), signal.scan(body, timely=timely)
    for items in lists_of(signal, request):
        kept = [item for item in items if is_timely(signal, item, timely)]
        del items[:]
        items.extend(kept)
    tables, _ = reference_of(signal, request)
    normal = signal.normalise(body, timely)
    assert differences(decoded(signal, normal), tables) == []
    # an item without valid ids counts as rejected, be it timely or not
    assert (scan.items, scan.rejected) == (whole.items, whole.rejected)
    assert (scan.accepted, scan.untimely) == (rows := sum(map(len, tables.values())), whole.accepted - rows)
    again = signal.scan(normal, timely=timely)
    assert (again.accepted, again.rejected, again.untimely, again.canonical) == (rows, scan.rejected, 0, True)


def lists_of(signal: Signal, request: Any) -> Iterator[Any]:
    """The repeated fields that items stand in."""
    for path in signal.items:
        yield from _at(request, path.split("."))


def _at(message: Any, steps: list[str]) -> Iterator[Any]:
    inner = getattr(message, steps[0]) if message.DESCRIPTOR.fields_by_name[steps[0]].is_repeated else None
    if not steps[1:]:
        yield inner
    elif inner is not None:
        for one in inner:
            yield from _at(one, steps[1:])
    elif message.HasField(steps[0]):
        yield from _at(getattr(message, steps[0]), steps[1:])


@every_signal
def test_nothing_of_a_request_moves_when_items_are_left_out(signal: Signal) -> None:
    """The same bytes, but for the tag of each that is: so it costs no more than a scan, whatever a client sends."""
    body = EVERYTHING[signal.name](2)
    timely = (NOON_NS + 10**9, NOON_NS + 2 * 10**9)
    changed = [(old, new) for old, new in zip(body, signal.normalise(body, timely), strict=True) if old != new]
    assert len(changed) == signal.scan(body, timely=timely).untimely > 1
    assert {new for _, new in changed} == {NOBODYS_TAG}
    tags = {field.number << 3 | LENGTH for message in parents_of_items(signal) for field in message.fields}
    assert {old for old, _ in changed} <= tags
    assert NOBODYS_TAG not in tags


def parents_of_items(signal: Signal) -> Iterator[Any]:
    """The messages whose repeated fields are items."""
    for path in signal.items:
        message = signal.request.DESCRIPTOR
        for name in path.split(".")[:-1]:
            message = message.fields_by_name[name].message_type
        yield message


def test_tags_longer_than_they_need_to_be_are_found_too() -> None:
    """Legal on the wire; only their first byte changes, and not that another one follows."""
    record = length_delimited(2, b"\x09" + bytes(7) + b"\x01")
    body = length_delimited(1, length_delimited(2, record + b"\x92\x80\x00" + record[1:]))
    normal = LOGS.normalise(body, (1, 5))
    assert (LOGS.scan(normal).items, LOGS.scan(body).items) == (0, 2)
    assert agree(LOGS, normal)


@every_signal
@settings(property_of, max_examples=30)
@given(data=st.data())
def test_nested_messages_are_counted_as_protobuf_makes_them(signal: Signal, data: st.DataObject) -> None:
    """Every one, wanted or not, on the scan's short way or not."""
    request = data.draw(requests(signal.name))
    assert messages(request.SerializeToString(), signal.program()) == objects_in(request)


def objects_in(message: Any) -> int:
    return sum(1 + objects_in(one) for one in inside(message))


def test_a_request_in_an_unusual_form_is_rewritten_unless_that_costs_too_much() -> None:
    """Protobuf makes objects of some hundred bytes from messages of two: a small request could fill all memory."""
    split = length_delimited(1, b"") * 2
    for count, fits in ((1000, True), (MOST_REWRITTEN + 1, False)):
        body = length_delimited(1, split + length_delimited(2, length_delimited(2, b"") * count))
        assert not TRACES.scan(body).canonical
        if fits:
            assert TRACES.scan(TRACES.normalise(body)).items == count
            continue
        with pytest.raises(TooLargeError, match=f"expected at most {MOST_REWRITTEN} messages"):
            TRACES.normalise(body)


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
    return max((1 + deepest(one) for one in inside(message)), default=0)


def inside(message: Any) -> list[Any]:
    """The messages that are fields of `message`."""
    fields = [(field, value) for field, value in message.ListFields() if field.message_type]
    return [one for field, value in fields for one in (value if field.is_repeated else [value])]


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
