"""OTLP/JSON by OTLP's own rules, against the bytes protobuf itself makes of the same message."""

import json
import math

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.errors import PermanentError
from receivers.otlp.json import to_protobuf
from receivers.otlp.status import InvalidFieldError


def read_span(fields: dict) -> Span:
    """The span that a JSON request with these fields of a span holds."""
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}
    parsed = ExportTraceServiceRequest.FromString(to_protobuf(json.dumps(body).encode(), ExportTraceServiceRequest))
    return parsed.resource_spans[0].scope_spans[0].spans[0]


def read_value(value: object) -> AnyValue:
    """The AnyValue that its JSON stands for."""
    return read_span({"attributes": [{"key": "k", "value": value}]}).attributes[0].value


PATH = "$.resourceSpans[0].scopeSpans[0].spans[0]"


def test_ids_are_hex_of_either_case():
    """Not base64, as protobuf's own JSON would have it."""
    read = read_span({"traceId": "5B8EFFF798038103d269b633813fc60c", "spanId": "EEE19b7ec3c1b174", "parentSpanId": ""})
    assert read.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert read.span_id.hex() == "eee19b7ec3c1b174"
    assert read.parent_span_id == b""


def test_ids_of_links_are_hex_too():
    """Wherever an id stands."""
    read = read_span({"links": [{"traceId": "ab" * 16, "spanId": "cd" * 8}]})
    assert (read.links[0].trace_id, read.links[0].span_id) == (b"\xab" * 16, b"\xcd" * 8)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "é✓"}, AnyValue(string_value="é✓")),
        ({"boolValue": False}, AnyValue(bool_value=False)),
        ({"intValue": "9223372036854775807"}, AnyValue(int_value=2**63 - 1)),
        ({"intValue": -5}, AnyValue(int_value=-5)),
        ({"intValue": 1e3}, AnyValue(int_value=1000)),
        ({"doubleValue": 1}, AnyValue(double_value=1.0)),
        ({"doubleValue": "-1.5e3"}, AnyValue(double_value=-1500.0)),
        ({"doubleValue": "Infinity"}, AnyValue(double_value=math.inf)),
        ({"doubleValue": "-Infinity"}, AnyValue(double_value=-math.inf)),
        ({"bytesValue": "aGk_-w=="}, AnyValue(bytes_value=b"hi?\xfb")),
        ({"bytesValue": "aGk/+w"}, AnyValue(bytes_value=b"hi?\xfb")),
        ({"arrayValue": {}}, AnyValue(array_value=ArrayValue())),
        (
            {"arrayValue": {"values": [{"intValue": 1}, {}]}},
            AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])),
        ),
        (
            {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}},
            AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(bool_value=True))])),
        ),
        ({}, AnyValue()),
        ({"stringValue": None}, AnyValue()),
    ],
)
def test_attribute_values_of_every_kind(value, expected):
    """As protobuf builds them."""
    assert read_value(value) == expected


def test_nan_is_written_as_text():
    """JSON has no word for it."""
    assert math.isnan(read_value({"doubleValue": "NaN"}).double_value)


def test_an_empty_value_is_present():
    """`value: {}` is an empty value, not a missing one."""
    assert read_span({"attributes": [{"key": "k", "value": {}}]}).attributes[0].HasField("value")
    assert not read_span({"attributes": [{"key": "k", "value": None}]}).attributes[0].HasField("value")


def test_integers_come_as_text_or_number():
    """64 bits do not fit into a double, so clients write them as text."""
    read = read_span({"startTimeUnixNano": "1544712660000000001", "endTimeUnixNano": 1544712661000000001, "flags": 257})
    assert (read.start_time_unix_nano, read.end_time_unix_nano, read.flags) == (
        1544712660000000001,
        1544712661000000001,
        257,
    )


def test_enums_are_integers_even_unknown_ones():
    """Old servers must not choke on new kinds."""
    assert (read_span({"kind": 2}).kind, read_span({"kind": 77}).kind) == (2, 77)


def test_unknown_keys_and_null_are_ignored_and_snake_case_is_unknown():
    """At every level, whatever they hold."""
    read = read_span({"name": "n", "trace_id": 5, "future": [{"x": [None]}], "status": None, "droppedLinksCount": None})
    assert read == Span(name="n")


def test_half_a_surrogate_pair_becomes_the_replacement_character():
    """One bad string does not cost the other spans."""
    assert read_span({"name": "a\ud800b"}).name == "a\ufffdb"


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"traceId": "xyz"}, ".traceId", 'expected pairs of hexadecimal digits, got "xyz"'),
        ({"traceId": "a" * 31}, ".traceId", 'expected pairs of hexadecimal digits, got "aaa'),
        ({"spanId": 5}, ".spanId", "expected pairs of hexadecimal digits, got 5"),
        ({"name": 5}, ".name", "expected text, got 5"),
        ({"kind": "SPAN_KIND_SERVER"}, ".kind", 'expected an enum\'s number, got "SPAN_KIND_SERVER"'),
        ({"kind": True}, ".kind", "expected an enum's number, got true"),
        ({"startTimeUnixNano": "soon"}, ".startTimeUnixNano", 'expected a whole number, got "soon"'),
        ({"startTimeUnixNano": 1.5}, ".startTimeUnixNano", "expected a whole number, got 1.5"),
        (
            {"startTimeUnixNano": -1},
            ".startTimeUnixNano",
            "expected a whole number from 0 to 18446744073709551615, got -1",
        ),
        ({"startTimeUnixNano": "1" * 5000}, ".startTimeUnixNano", 'expected a whole number, got "111'),
        ({"flags": 2**32}, ".flags", "expected a whole number from 0 to 4294967295, got 4294967296"),
        ({"kind": 2**31}, ".kind", "expected an enum's number, got 2147483648"),
        ({"attributes": {}}, ".attributes", "expected a list, got an object"),
        ({"attributes": [None]}, ".attributes[0]", "expected an object, got null"),
        ({"status": []}, ".status", "expected an object, got a list"),
        ({"events": [{}, {"name": []}]}, ".events[1].name", "expected text, got a list"),
        (
            {"attributes": [{"value": {"bytesValue": "*"}}]},
            ".attributes[0].value.bytesValue",
            'expected bytes in base64, got "*"',
        ),
        (
            {"attributes": [{"value": {"boolValue": 1}}]},
            ".attributes[0].value.boolValue",
            "expected true or false, got 1",
        ),
        (
            {"attributes": [{"value": {"doubleValue": "nan"}}]},
            ".attributes[0].value.doubleValue",
            'expected a number, "NaN", "Infinity" or "-Infinity", got "nan"',
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(fields, path, message):
    """What was expected, what came, and where."""
    with pytest.raises(InvalidFieldError) as caught:
        read_span(fields)
    assert caught.value.path == PATH + path
    assert str(caught.value).startswith(f"{PATH}{path}: {message}")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nul", b'{"a": NaN}', b'{"a": Infinity}', b"\xff{}", b"[" * 100_000, b'{"a":' * 100_000],
    ids=["empty", "cut off", "no word", "bare NaN", "bare Infinity", "not UTF-8", "deep lists", "deep objects"],
)
def test_what_is_not_json_is_refused(body):
    """As bad data, however it fails."""
    with pytest.raises(PermanentError, match=r"^expected JSON"):
        to_protobuf(body, ExportTraceServiceRequest)


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null"])
def test_the_top_is_an_object(body):
    """The path of the whole is `$`."""
    with pytest.raises(InvalidFieldError, match=r"^\$: expected an object"):
        to_protobuf(body, ExportTraceServiceRequest)


def nested(levels: int) -> dict:
    """A value in so many arrays."""
    value: dict = {"intValue": 1}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return value


def test_nesting_is_bounded_as_in_protobuf():
    """What protobuf itself could not read again is refused here, with its path."""
    assert read_value(nested(40)).array_value.values
    with pytest.raises(InvalidFieldError, match="at most 100 nested messages"):
        read_value(nested(60))


def test_metrics_and_logs_are_read_by_their_descriptors():
    """The same code serves every signal."""
    metrics = {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "m",
                                "histogram": {
                                    "aggregationTemporality": 2,
                                    "dataPoints": [
                                        {
                                            "count": "3",
                                            "bucketCounts": ["1", 2],
                                            "explicitBounds": [1, "Infinity"],
                                            "exemplars": [{"traceId": "AB" * 16, "asInt": "7"}],
                                        }
                                    ],
                                },
                            }
                        ]
                    }
                ]
            }
        ]
    }
    read = ExportMetricsServiceRequest.FromString(
        to_protobuf(json.dumps(metrics).encode(), ExportMetricsServiceRequest)
    )
    point = read.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
    assert (point.count, list(point.bucket_counts), list(point.explicit_bounds)) == (3, [1, 2], [1.0, math.inf])
    assert (point.exemplars[0].trace_id, point.exemplars[0].as_int) == (b"\xab" * 16, 7)

    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityNumber": 10, "spanId": "0f" * 8, "body": {}}]}]}]}
    read_logs = ExportLogsServiceRequest.FromString(to_protobuf(json.dumps(logs).encode(), ExportLogsServiceRequest))
    record = read_logs.resource_logs[0].scope_logs[0].log_records[0]
    assert (record.severity_number, record.span_id, record.HasField("body")) == (10, b"\x0f" * 8, True)


def read_log(fields: dict) -> LogRecord:
    """The log record that a JSON request with these fields holds."""
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [fields]}]}]}
    parsed = ExportLogsServiceRequest.FromString(to_protobuf(json.dumps(body).encode(), ExportLogsServiceRequest))
    return parsed.resource_logs[0].scope_logs[0].log_records[0]


def read_metric(fields: dict) -> Metric:
    """The metric that a JSON request with these fields holds."""
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [fields]}]}]}
    parsed = ExportMetricsServiceRequest.FromString(to_protobuf(json.dumps(body).encode(), ExportMetricsServiceRequest))
    return parsed.resource_metrics[0].scope_metrics[0].metrics[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"timeUnixNano": "1", "observedTimeUnixNano": 2}, LogRecord(time_unix_nano=1, observed_time_unix_nano=2)),
        ({"traceId": "aB" * 16, "spanId": "Cd" * 8}, LogRecord(trace_id=b"\xab" * 16, span_id=b"\xcd" * 8)),
        ({"body": {"bytesValue": "aGk="}}, LogRecord(body=AnyValue(bytes_value=b"hi"))),
        ({"severityNumber": 17, "severityText": "ERROR"}, LogRecord(severity_number=17, severity_text="ERROR")),
        ({"severity_number": 17, "time_unix_nano": "1", "body": None, "x": {"y": [1]}}, LogRecord()),
        ({"flags": 1, "eventName": "e"}, LogRecord(flags=1, event_name="e")),
    ],
    ids=["times", "ids", "bytes", "severity", "what counts as absent", "the rest"],
)
def test_log_records_are_read_by_the_same_rules(fields, expected):
    """As protobuf builds them."""
    assert read_log(fields) == expected


POINT = {"timeUnixNano": "5", "exemplars": [{"spanId": "0F" * 8, "asDouble": "NaN", "timeUnixNano": 3}]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"gauge": {"dataPoints": [{"asInt": "-7"}]}}, Metric(gauge={"data_points": [{"as_int": -7}]})),
        ({"gauge": {"dataPoints": [{"asDouble": 1}]}}, Metric(gauge={"data_points": [{"as_double": 1.0}]})),
        (
            {"sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [{"as_int": "7", "flags": 1}]}},
            Metric(sum={"aggregation_temporality": 2, "is_monotonic": True, "data_points": [{"flags": 1}]}),
        ),
        (
            {
                "exponentialHistogram": {
                    "dataPoints": [{"scale": -3, "positive": {"offset": -2, "bucketCounts": ["4"]}}]
                }
            },
            Metric(
                exponential_histogram={"data_points": [{"scale": -3, "positive": {"offset": -2, "bucket_counts": [4]}}]}
            ),
        ),
        (
            {"summary": {"dataPoints": [{"quantileValues": [{"quantile": 0.5, "value": "-Infinity"}]}]}},
            Metric(summary={"data_points": [{"quantile_values": [{"quantile": 0.5, "value": -math.inf}]}]}),
        ),
        (
            {"histogram": {"dataPoints": [{"sum": None, "min": 0, "count": 2}]}},
            Metric(histogram={"data_points": [{"min": 0.0, "count": 2}]}),
        ),
    ],
    ids=["int point", "double point", "sum", "exponential histogram", "summary", "optional fields"],
)
def test_metrics_of_every_type_are_read_by_the_same_rules(fields, expected):
    """As protobuf builds them, also whether an optional field is there."""
    assert read_metric(fields) == expected


def test_the_ids_of_exemplars_are_hex_and_their_values_may_be_no_number():
    """An exemplar leads to its span."""
    (exemplar,) = read_metric({"gauge": {"dataPoints": [POINT]}}).gauge.data_points[0].exemplars
    assert (exemplar.span_id, exemplar.time_unix_nano) == (b"\x0f" * 8, 3)
    assert math.isnan(exemplar.as_double)


@pytest.mark.parametrize(
    ("read", "fields", "message"),
    [
        (read_log, {"severityNumber": "SEVERITY_NUMBER_INFO"}, "severityNumber: expected an enum's number"),
        (read_log, {"body": {"bytesValue": "*"}}, "body.bytesValue: expected bytes in base64"),
        (read_log, {"spanId": "AAAAAAAAAAA="}, "spanId: expected pairs of hexadecimal digits"),
        (
            read_metric,
            {"sum": {"aggregationTemporality": "2"}},
            "sum.aggregationTemporality: expected an enum",
        ),
        (read_metric, {"gauge": {"dataPoints": [{"asInt": "x"}]}}, r"dataPoints\[0\].asInt: expected a whole number"),
        (
            read_metric,
            {"gauge": {"dataPoints": [{"exemplars": [{"traceId": 1}]}]}},
            r"exemplars\[0\].traceId: ",
        ),
    ],
)
def test_wrong_values_in_logs_and_metrics_are_refused_with_their_path(read, fields, message):
    """As in spans."""
    with pytest.raises(InvalidFieldError, match=message):
        read(fields)


@pytest.mark.parametrize("read", [read_log, lambda fields: read_metric({"gauge": {"dataPoints": [fields]}})])
def test_nesting_in_logs_and_metrics_is_bounded_too(read):
    """As in spans."""
    read({"attributes": [{"key": "k", "value": nested(40)}]})
    with pytest.raises(InvalidFieldError, match="at most 100 nested messages"):
        read({"attributes": [{"key": "k", "value": nested(60)}]})
