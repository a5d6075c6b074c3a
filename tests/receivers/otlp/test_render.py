"""Attribute values are spelled as the specification has it (common: AnyValue representation for non-OTLP protocols)."""

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from fixtures.otlp_bodies import one_metric, one_record, one_span
from fixtures.otlp_reference import any_value, decoded
from fixtures.otlp_strategies import any_values
from receivers.otlp import render, text
from receivers.otlp.arrays import as_array
from receivers.otlp.signals import LOGS, METRICS, TRACES
from receivers.otlp.tolerant import tolerant

NAN, INFINITY = float("nan"), float("inf")


def spelled(*values: dict[str, Any]) -> list[str]:
    """The values as the map column of a decoded span has them."""
    pairs = [{"key": b"k", "value": value} for value in values]
    ((row,),) = decoded(TRACES, one_span(attributes=pairs)).values()
    return [value for _, value in row["SpanAttributes"]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({}, "", id="empty"),
        pytest.param({"string_value": b"as it is \"'\n"}, "as it is \"'\n", id="string"),
        pytest.param({"string_value": b""}, "", id="empty string"),
        pytest.param({"string_value": b"a\xffb\xe2\x82"}, "a\ufffdb\ufffd", id="string that is not UTF-8"),
        pytest.param({"bool_value": True}, "true", id="true"),
        pytest.param({"bool_value": False}, "false", id="false"),
        pytest.param({"int_value": 0}, "0", id="zero"),
        pytest.param({"int_value": 2**63 - 1}, "9223372036854775807", id="largest int"),
        pytest.param({"int_value": -(2**63)}, "-9223372036854775808", id="smallest int"),
        pytest.param({"double_value": 1.0}, "1", id="whole double"),
        pytest.param({"double_value": 0.1}, "0.1", id="double"),
        pytest.param({"double_value": NAN}, "NaN", id="not a number"),
        pytest.param({"double_value": INFINITY}, "Infinity", id="infinity"),
        pytest.param({"double_value": -INFINITY}, "-Infinity", id="minus infinity"),
        pytest.param({"double_value": 1e21}, "1e+21", id="large double"),
        pytest.param({"bytes_value": b"\x00\xff"}, "AP8=", id="bytes"),
        pytest.param({"bytes_value": b""}, "", id="no bytes"),
        pytest.param({"array_value": {}}, "[]", id="empty array"),
        pytest.param({"kvlist_value": {}}, "{}", id="empty map"),
        pytest.param({"string_value_strindex": 7}, "", id="index into a table that only profiles have"),
        pytest.param(
            {"array_value": {"values": [{"int_value": 1}, {"string_value": b'"'}, {"bool_value": True}, {}]}},
            '[1,"\\"",true,null]',
            id="mixed array",
        ),
        pytest.param(
            {"array_value": {"values": [{"double_value": NAN}, {"double_value": -INFINITY}, {"bytes_value": b"b"}]}},
            '["NaN","-Infinity","Yg=="]',
            id="numbers and bytes that JSON has not",
        ),
        pytest.param(
            {"kvlist_value": {"values": [{"key": b"b", "value": {"int_value": 1}}, {"key": b"a\xff"}]}},
            '{"b":1,"a\ufffd":null}',
            id="map in the order it came",
        ),
        pytest.param(
            {"array_value": {"values": [{"kvlist_value": {"values": [{"key": b"k", "value": {"array_value": {}}}]}}]}},
            '[{"k":[]}]',
            id="nested",
        ),
    ],
)
def test_c06_each_kind_has_its_spelling_wherever_it_stands(value: dict[str, Any], expected: str) -> None:
    """The table of the specification, line by line: in spans, in bodies and attributes of logs, in data points."""
    pairs = [{"key": b"k", "value": value}]
    assert spelled(value) == [expected]
    ((record,),) = decoded(LOGS, one_record(body=value, attributes=pairs)).values()
    assert (record["Body"], record["LogAttributes"]) == (expected, [("k", expected)])
    point = {"attributes": pairs, "exemplars": [{"filtered_attributes": pairs}]}
    ((row,),) = decoded(METRICS, one_metric(gauge={"data_points": [point]})).values()
    assert row["Attributes"] == [("k", expected)]
    assert row["Exemplars.FilteredAttributes"] == [[("k", expected)]]


@settings(max_examples=100, deadline=None)
@given(st.lists(any_values(), max_size=8))
def test_any_values_are_spelled_as_the_reference_spells_them(values: list[dict[str, Any]]) -> None:
    """Side by side in one list, so that quick kinds, slow kinds and repeated values mix."""
    twin = tolerant(AnyValue)
    assert spelled(*values, *values) == [any_value(twin(**value)) for value in values] * 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.0, "-0"),
        (100.0, "100"),
        (1e15, "1000000000000000"),
        (1.5e16, "15000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (1e-06, "0.000001"),
        (1.5e-05, "0.000015"),
        (1e-07, "1e-7"),
        (5e-324, "5e-324"),
        (-1.25e-10, "-1.25e-10"),
    ],
)
def test_doubles_are_spelled_as_javascript_does(value: float, expected: str) -> None:
    """ECMA-262, Number::toString: plain from 1e-6 to below 1e21, with exponent outside."""
    assert render.number(value) == expected


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", bits.to_bytes(8, "little"))[0]) | st.floats())
def test_doubles_read_back_as_themselves(value: float) -> None:
    """The shortest digits that do."""
    back = float(render.number(value))
    assert back == value or (math.isnan(back) and math.isnan(value))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=40) | st.text(max_size=12).map(str.encode))
@example(b"\xf0\x9f\x9a")
@example(b"\xed\xa0\x80")
@example(b"\xc0\xaf\xf4\x90\x80\x80")
@example(b"12345678\xff")
def test_text_is_repaired_as_python_replaces(content: bytes) -> None:
    """Each maximal ill-formed part becomes one U+FFFD, wherever in a buffer the string stands."""
    wanted = content.decode("utf-8", "replace").encode()
    for tail in (0, 20):
        source = as_array(b"ab" + content + b"x" * tail)
        to = np.zeros(3 + text.GROWTH * len(content) + tail, np.uint8)
        end, repaired = text.write_text(to, 3, source, 2, len(content), roomy=True)
        assert to[3:end].tobytes() == wanted
        assert bool(repaired) == (wanted != content)
