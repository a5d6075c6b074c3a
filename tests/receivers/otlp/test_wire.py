"""The scan accepts and refuses what protobuf's own parser does, and says where."""

import random
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from fixtures.otlp_bodies import EVERYTHING, Request, damaged, length_delimited, ordinary
from fixtures.otlp_oracle import agree, parsed, scanned
from receivers.otlp import scanner, wire
from receivers.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from receivers.otlp.wire import MalformedError

SPAN = b"\x0a\x10" + bytes(range(16)) + b"\x12\x08" + bytes(range(8))
LONG = "a varint of more than 10 bytes, or 5 in a tag or length"
every_signal = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)


def message(*fields: tuple[int, bytes]) -> bytes:
    """Length-delimited fields."""
    return b"".join(length_delimited(*field) for field in fields)


def in_span(content: bytes) -> bytes:
    return message((1, message((2, message((2, SPAN + content))))))


def nested_value(levels: int) -> bytes:
    """A span with one attribute: `levels` arrays, one in the other, around an empty string."""
    value = message((1, b""))
    for _ in range(levels):
        value = message((5, message((1, value))))
    return in_span(message((9, message((2, value)))))


def protobuf_accepts(body: bytes, signal: Signal = TRACES) -> bool:
    return parsed(signal, body) is not None


def scan_accepts(body: bytes, signal: Signal = TRACES) -> bool:
    return scanned(signal, body) is not None


@every_signal
def test_damaged_bodies_are_accepted_exactly_where_protobuf_accepts_them(signal: Signal) -> None:
    """Flipped, cut, doubled and spliced bytes: the verdict is that of protobuf's own parser."""
    chance = random.Random(20261122)
    seeds = [EVERYTHING[signal.name](), nested_value(20), in_span(b"\x0b\x10\x01\x0c")]
    seeds += [ordinary(seed, 2) for seed in range(3)]  # to another signal its spans are unknown fields, or wrong ones
    bodies = [damaged(chance.choice(seeds), chance) for _ in range(600)]
    verdicts = [protobuf_accepts(body, signal) for body in bodies]
    assert [scan_accepts(body, signal) for body in bodies] == verdicts
    assert 60 < sum(verdicts) < 540


@pytest.mark.parametrize(
    ("body", "reason", "offset"),
    [
        pytest.param(b"\x0a", "a field that ends after its message", 0, id="length missing"),
        pytest.param(b"\x0a\x05ab", "a field that ends after its message", 0, id="length past the end"),
        pytest.param(b"\x0a\x02\x12\x05", "a field that ends after its message", 2, id="inner field past its message"),
        pytest.param(b"\x08" + b"\xff" * 10, LONG, 0, id="varint without an end"),
        pytest.param(b"\x8a\x80\x80\x80\x80\x00\x00", LONG, 0, id="tag of six bytes"),
        pytest.param(b"\x0a\x80\x80\x80\x80\x80\x00", LONG, 0, id="length of six bytes"),
        pytest.param(b"\x00\x00", "a field number of 0 or above 2^29", 0, id="field number zero"),
        pytest.param(b"\x0a\x00\x0f", "wire type 6 or 7", 2, id="wire type seven"),
        pytest.param(b"\x0c", "the end of a group that did not begin", 0, id="group end alone"),
        pytest.param(b"\x0b\x14", "the end of a group that did not begin", 1, id="group ended by another"),
        pytest.param(b"\x0b", "a field that ends after its message", 1, id="group without an end"),
        pytest.param(b"\x0b" * 101, "more nested messages than are allowed", 100, id="groups too deep"),
    ],
)
def test_what_is_malformed_is_refused_with_reason_and_place(body: bytes, reason: str, offset: int) -> None:
    """The error names what was wrong and the byte where it stands; protobuf refuses it too."""
    assert not protobuf_accepts(body)
    with pytest.raises(MalformedError) as caught:
        TRACES.scan(body)
    assert str(caught.value) == f"expected a protobuf message, got {reason} at byte {offset}"
    assert caught.value.offset == offset


@pytest.mark.parametrize(("levels", "accepted"), [(47, True), (48, False), (20_000, False)])
def test_nesting_stops_where_protobufs_does(levels: int, accepted: bool) -> None:
    """100 messages deep is fine, deeper is an error and neither recursion nor a crash."""
    body = nested_value(levels) if levels < 100 else in_span(b"\x4a\xff\xff\x03" * levels)
    assert scan_accepts(body) == protobuf_accepts(body) == accepted


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(message((1, message((1, b""), (1, b"")))), id="resource split in two"),
        pytest.param(message((1, message((2, b""), (1, b"")))), id="resource after its scopes"),
        pytest.param(message((1, message((2, message((2, SPAN), (1, b"")))))), id="scope after its spans"),
        pytest.param(in_span(message((15, b""), (15, b""))), id="status split in two"),
        pytest.param(in_span(message((9, message((2, b""), (2, b""))))), id="attribute value split in two"),
        pytest.param(in_span(message((9, message((2, b"\x0a\x01a\x18\x05"))))), id="oneof set twice"),
        pytest.param(in_span(b"\xa3\x06\x08\x01\xa4\x06"), id="a group"),
        pytest.param(in_span(b"\xa3\x06\x0b\x03\x04\x00\x01\x0c\xa4\x06"), id="groups in a group, field 0 among them"),
    ],
)
def test_unusual_forms_are_told_and_normalised(body: bytes) -> None:
    """They mean the same after protobuf has rewritten them, and then they are canonical."""
    assert not TRACES.scan(body).canonical
    normal = TRACES.normalise(body)
    assert TRACES.scan(normal).canonical
    assert Request.FromString(normal).resource_spans
    with pytest.raises(MalformedError, match="normalised first"):
        list(scanner.windows(body, TRACES.program()))


@pytest.mark.parametrize(
    ("signal", "item"),
    [
        pytest.param(METRICS, message((5, b""), (7, b"")), id="two kinds in one metric"),
        pytest.param(METRICS, message((5, message((1, b""))), (5, message((1, b"")))), id="a gauge split in two"),
        pytest.param(METRICS, message((9, message((1, message((6, bytes(8)), (6, bytes(8))))))), id="packed twice"),
        pytest.param(METRICS, message((9, message((1, b"\x31" + bytes(8))))), id="a bucket count not packed"),
        pytest.param(METRICS, message((10, message((1, message((8, b"\x10\x01")))))), id="a varint not packed"),
        pytest.param(METRICS, message((10, message((1, message((8, b""), (8, b"")))))), id="buckets split in two"),
        pytest.param(METRICS, message((5, message((1, b"\x21" + bytes(8) + b"\x31" + bytes(8))))), id="two numbers"),
        pytest.param(LOGS, message((5, b""), (5, b"")), id="a body split in two"),
        pytest.param(LOGS, message((5, b"\x0a\x01a\x10\x01")), id="a body of two kinds"),
    ],
)
def test_unusual_forms_of_the_other_signals_are_told_and_normalised(signal: Signal, item: bytes) -> None:
    """The same of what only metrics and logs have; the rows are then those of the reference."""
    body = message((1, message((2, message((2, item))))))
    assert not signal.scan(body).canonical
    assert agree(signal, body)


def test_unknown_fields_of_every_wire_type_are_skipped() -> None:
    """A newer sender's fields, a known field with another wire type and frame headers change nothing."""
    unknown = b"\xf8\x07\x01" + b"\xf9\x07" + bytes(8) + b"\xfa\x07\x03abc" + b"\xfd\x07" + bytes(4) + b"\x28\x01"
    plain, padded = in_span(b""), unknown + in_span(unknown) + message((1000, b"frame header")) + in_span(b"")
    assert TRACES.scan(padded).items == 2 * TRACES.scan(plain).items
    assert TRACES.scan(padded).canonical


@pytest.mark.parametrize(
    "member", [b"\x0a\x01a", b"\x10\x01", b"\x18\x05", b"\x21" + bytes(8), b"\x2a\x00", b"\x32\x00"]
)
def test_one_member_of_a_oneof_is_canonical(member: bytes) -> None:
    """Each kind of value alone needs no normalising."""
    assert TRACES.scan(in_span(message((9, message((2, member)))))).canonical


def test_items_with_more_rows_than_the_limit_are_rejected_alone() -> None:
    """One span with too many events is left out; its neighbours stay."""
    big = in_span(b"\x5a\x00" * (wire.ITEM_ROWS + 1))
    scan = TRACES.scan(in_span(b"") + big + in_span(b"\x5a\x00" * wire.ITEM_ROWS))
    assert (scan.items, scan.rejected) == (3, 1)
    assert scan.rows["resource_spans.scope_spans.spans.events"] == wire.ITEM_ROWS


def test_windows_hold_every_row_once_whatever_their_size() -> None:
    """Small windows together hold the rows of one large window, with resource and scope carried into each."""
    body = ordinary(1, 37) + ordinary(2, 1) + message((1, b"")) * 30 + ordinary(3, 12)
    (whole,) = scanner.windows(body, TRACES.program())
    resources = "resource_spans.resource.attributes"
    for capacity in (10, 11, 29, 100):
        spans, attributes = [], []
        for window in scanner.windows(body, TRACES.program(), capacity):
            assert all(len(rows) <= capacity for rows in window.rows.values())
            spans.append(window.rows["resource_spans.scope_spans.spans"][:, 3:].copy())
            attributes.append(window.rows["resource_spans.scope_spans.spans.attributes"].copy())
            assert len(window.rows[resources]) == 8 * (len(window.rows["resource_spans.scope_spans"]))
        assert np.array_equal(np.concatenate(spans), whole.rows["resource_spans.scope_spans.spans"][:, 3:])
        assert np.array_equal(np.concatenate(attributes), whole.rows["resource_spans.scope_spans.spans.attributes"])


def test_a_window_too_small_for_one_item_is_refused_rather_than_tried_for_ever() -> None:
    """Ten attributes do not go into nine rows."""
    with pytest.raises(ValueError, match="room for at least one item"):
        list(scanner.windows(ordinary(1, 1), TRACES.program(), 9))


@every_signal
def test_the_kernel_and_its_python_twin_do_the_same(signal: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreted, the kernels give the same verdicts, counts and rows, and read the same ahead."""
    chance = random.Random(7)
    seeds = [EVERYTHING[signal.name](), behind_the_items(signal)] + [ordinary(1, 2)] * (signal is TRACES)
    bodies = [*seeds, *(damaged(chance.choice(seeds), chance) for _ in range(50))]
    compiled = [outcome(signal, body) for body in bodies]
    kernels = {name: kernel.py_func for name, kernel in vars(wire).items() if hasattr(kernel, "py_func")}
    assert {"scan", "read_ahead"} <= kernels.keys()
    for name, twin in kernels.items():
        monkeypatch.setattr(wire, name, twin)
    assert [outcome(signal, body) for body in bodies] == compiled


def behind_the_items(signal: Signal) -> bytes:
    """Four items, and behind them all scalars and texts that may stand there."""
    items = {
        "traces": message(*[(2, SPAN)] * 4),
        "logs": message(*[(2, b"\x18\x01")] * 4),
        "metrics": message((2, message((7, message(*[(1, b"")] * 4) + b"\x10\x02\x18\x01"), (1, b"name")))),
    }[signal.name]
    return message((1, message((2, items + message((3, b"scope's"))), (3, b"resource's"))))


def outcome(signal: Signal, body: bytes) -> object:
    try:
        counts = scanner.count(body, signal.program())
        rows = [
            {name: rows.tolist() for name, rows in w.rows.items()}
            for capacity in (30, 2)
            for w in until_full(signal, body, capacity)
        ]
    except MalformedError as error:
        return str(error)
    return counts, rows


def until_full(signal: Signal, body: bytes, capacity: int) -> Iterator[scanner.Window]:
    """Windows up to the first item that has no room in one."""
    with suppress(ValueError):
        yield from scanner.windows(body, signal.program(), capacity)
