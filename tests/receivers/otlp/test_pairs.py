"""Attributes on the short way of the scan and beside it: where one byte of length or number ends, nothing changes."""

import pytest

from fixtures.spans import FakeSpan, batch, request
from receivers.otlp.signals import TRACES
from receivers.otlp.wire import MalformedError

EDGES = [0, 1, 2, 63, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 200, 255, 256, 300, 1024]
NUMBERS = [0, 1, 127, 128, 129, 255, 256, 16_383, 16_384, 2**31, 2**63 - 1, -1, -(2**63)]


def stored(attributes: dict[str, str | int | float | bool]) -> dict[str, str]:
    """The attributes of one span as they come out."""
    (record,) = batch([FakeSpan(attributes=attributes)]).tables["otel_traces"]
    return dict(record.column("SpanAttributes").to_pylist()[0])


@pytest.mark.parametrize("size", EDGES)
def test_texts_of_every_length_come_out_whole(size: int) -> None:
    """As value and as key, alone and with the other at its edge."""
    text = "x" * size
    assert stored({"k": text}) == {"k": text}
    assert stored({text: "v"}) == {text: "v"}
    assert stored({text: "y" * (130 - min(size, 130))}) == {text: "y" * (130 - min(size, 130))}


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_every_length_come_out_exact(number: int) -> None:
    """One byte, two, and more; negative ones take ten."""
    assert stored({"n": number, "m": "after"}) == {"n": str(number), "m": "after"}


def test_kinds_side_by_side_keep_their_order() -> None:
    """Short and long ways alternate within one span."""
    attributes: dict[str, str | int | float | bool] = {"a": "", "b": True, "c": 1.5, "d": 7, "e": "z" * 500, "": 0}
    assert stored(attributes) == {"a": "", "b": "true", "c": "1.5", "d": "7", "e": "z" * 500, "": "0"}


def test_an_attribute_cut_anywhere_is_malformed_or_unseen() -> None:
    """No cut is read past: the scan refuses it, or what is left is whole."""
    body = request([FakeSpan(attributes={"key": "value", "n": 300})])
    whole = TRACES.scan(body)
    assert whole.canonical
    for cut in range(1, len(body)):
        with pytest.raises(MalformedError):
            TRACES.scan(body[:cut])
