"""What dashboards ask: SQL in the forms of Grafana's OpenTelemetry dashboards and of HyperDX, their macros expanded.

Asked as the reader, of rows that came over OTLP: three requests through `frontend` to `checkout`, the third of which
failed, what they logged, and metrics of every kind.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from fixtures.programs import House, eventually
from fixtures.shop_telemetry import CHECKOUT, FRONTEND, MS, REQUESTS, TRACES, S, logs, metrics, traces
from fixtures.telemetry_samples import export

STORED = {
    "otel_traces": 3 * REQUESTS,
    "otel_logs": REQUESTS,
    "otel_metrics_gauge": 1,
    "otel_metrics_sum": 3,
    "otel_metrics_histogram": 2,
    "otel_metrics_exp_histogram": 1,
    "otel_metrics_summary": 1,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with Grafana's macros, and what it is to find."""

    sql: str
    rows: Sequence[tuple[Any, ...]]


@pytest.fixture(scope="module")
def start_s(andon: House) -> int:
    """A whole minute, at which the first request came; all of it is stored."""
    start_s = int(time.time()) // 60 * 60 - 600
    with grpc.insecure_channel(andon.address("grpc")) as channel:
        export(channel, "traces", traces(start_s * S))
        export(channel, "logs", logs(start_s * S))
        export(channel, "metrics", metrics(start_s * S))
    for table, count in STORED.items():
        sql = f"SELECT count() AS n FROM {table} WHERE startsWith(ServiceName, 'i07-')"
        eventually(lambda sql=sql: andon.query(sql)[0]["n"], lambda found, count=count: found == count)
    return start_s


def ask(andon: House, start_s: int, sql: str) -> list[tuple[Any, ...]]:
    """The rows of `sql`, its macros expanded as Grafana does for ten minutes from `start_s`."""
    bounds = f">= toDateTime({start_s}) AND {{0}} <= toDateTime({start_s + 600})"
    for column in ("Timestamp", "child.Timestamp", "parent.Timestamp", "TimestampTime", "TimeUnix"):
        sql = sql.replace(f"$__timeFilter({column})", f"{column} {bounds.format(column)}")
    macros = {"$__interval_s": "60", "$services": f"ServiceName IN ('{FRONTEND}','{CHECKOUT}')"}
    macros |= {"$database": andon.assembly.config.clickhouse.database, "$trace": TRACES[2].hex()}
    for macro, text in macros.items():
        sql = sql.replace(macro, text)
    return [tuple(row.values()) for row in andon.query(sql)]


ROUTE = [[("key", "http.route"), ("value", "/")]]
GRAFANA = {
    "the databases to choose from": Asked(
        """SELECT database FROM system.tables WHERE name IN ('otel_logs', 'otel_traces') AND database = '$database'
        GROUP BY database HAVING count(DISTINCT name) = 2 ORDER BY database""",
        [("andon",)],
    ),
    "the services to choose from": Asked(
        """SELECT DISTINCT ServiceName FROM $database.otel_traces WHERE $__timeFilter(Timestamp) AND $services
        ORDER BY ServiceName""",
        [(CHECKOUT,), (FRONTEND,)],
    ),
    "rate, errors and durations of a service": Asked(
        f"""SELECT toUnixTimestamp(toStartOfInterval(Timestamp, INTERVAL $__interval_s second)) % 60 AS time,
            count() / $__interval_s AS rps,
            countIf(StatusCode IN ('Error', 'STATUS_CODE_ERROR')) / count() AS error_rate,
            quantile(0.5)(Duration) AS p50, quantile(0.99)(Duration) <= max(Duration) AS p99
        FROM $database.otel_traces
        WHERE $__timeFilter(Timestamp) AND ServiceName = '{CHECKOUT}' AND SpanKind = 'Server' AND 1=1
        GROUP BY time ORDER BY time""",
        [(0, 0.05, 1 / 3, 50 * MS, 1)],
    ),
    "the nodes of the service map": Asked(
        """SELECT ServiceName AS id, concat(toString(count()), ' spans') AS mainstat,
            concat(toString(round(avg(Duration) / 1000000, 1)), ' ms avg') AS secondarystat,
            round(countIf(StatusCode IN ('Error', 'STATUS_CODE_ERROR')) / count(), 3) AS arc__errors
        FROM $database.otel_traces WHERE $__timeFilter(Timestamp) AND $services
        GROUP BY ServiceName ORDER BY count() DESC LIMIT 30""",
        [(FRONTEND, "6 spans", "85 ms avg", 0.0), (CHECKOUT, "3 spans", "50 ms avg", 0.333)],
    ),
    "the edges of the service map": Asked(
        """SELECT parent.ServiceName AS source, child.ServiceName AS target,
            concat(toString(count()), ' calls') AS mainstat
        FROM $database.otel_traces AS child INNER JOIN $database.otel_traces AS parent
            ON child.ParentSpanId = parent.SpanId AND child.TraceId = parent.TraceId
        WHERE $__timeFilter(child.Timestamp) AND $__timeFilter(parent.Timestamp)
            AND parent.ServiceName != child.ServiceName AND startsWith(parent.ServiceName, 'i07-')
        GROUP BY source, target ORDER BY count() DESC LIMIT 50""",
        [(FRONTEND, CHECKOUT, "3 calls")],
    ),
    "a search for traces": Asked(
        """SELECT TraceId, toUnixTimestamp(min(Timestamp)) % 60 AS Time, max(Duration) AS Duration, count() AS Spans,
            anyIf(StatusCode, StatusCode IN ('Error', 'STATUS_CODE_ERROR')) AS Status
        FROM $database.otel_traces
        WHERE $__timeFilter(Timestamp) AND $services AND positionCaseInsensitive(SpanName, 'PAY') > 0
        GROUP BY TraceId HAVING 1=1 ORDER BY Time DESC LIMIT 200""",
        [
            (TRACES[2].hex(), 2, 70 * MS, 2, "Error"),
            (TRACES[1].hex(), 1, 70 * MS, 2, ""),
            (TRACES[0].hex(), 0, 70 * MS, 2, ""),
        ],
    ),
    "one trace by its id": Asked(
        """WITH '$trace' AS trace_id,
            (SELECT min(Start) FROM "$database"."otel_traces_trace_id_ts" WHERE TraceId = trace_id) AS trace_start,
            (SELECT max(End) + 1 FROM "$database"."otel_traces_trace_id_ts" WHERE TraceId = trace_id) AS trace_end
        SELECT "SpanId" AS spanID, "ParentSpanId" AS parentSpanID, "ServiceName" AS serviceName,
            "SpanName" AS operationName, multiply("Duration", 0.000001) AS duration,
            round(multiply(toUnixTimestamp64Nano("Timestamp"), 0.000001)) % 1000 AS startTime,
            arrayMap(key -> map('key', key, 'value', "SpanAttributes"[key]), mapKeys("SpanAttributes")) AS tags,
            if("StatusCode" IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode,
            arrayMap((name, at, attributes) -> tuple(name, toUnixTimestamp64Milli(at) % 1000,
                arrayMap(key -> attributes[key], mapKeys(attributes))),
                "Events".Name, "Events".Timestamp, "Events".Attributes) AS logs,
            arrayMap((trace, span) -> span, "Links".TraceId, "Links".SpanId) AS references,
            "SpanKind" AS kind, "StatusMessage" AS statusMessage
        FROM "$database"."otel_traces"
        WHERE "TraceId" = trace_id AND "Timestamp" >= trace_start AND "Timestamp" <= trace_end
        ORDER BY "Timestamp" LIMIT 1000""",
        [
            (f"{0x21:016x}", "", FRONTEND, "GET /", 100, 0, ROUTE, 0, [], [], "Server", ""),
            (f"{0x22:016x}", f"{0x21:016x}", FRONTEND, "POST /pay", 70, 10, [], 0, [], [], "Client", ""),
            (
                *(f"{0x23:016x}", f"{0x22:016x}", CHECKOUT, "POST /pay", 50, 20, [], 2),
                *([{"1": "exception", "2": 30, "3": ["declined"]}], [f"{0x11:016x}"], "Server", "declined"),
            ),
        ],
    ),
    "deployments, by service.version": Asked(
        f"""SELECT ServiceName, version, prev_version FROM (
            SELECT toStartOfInterval(Timestamp, INTERVAL 1 second) AS time, ServiceName,
                topK(1)(ResourceAttributes['service.version'])[1] AS version,
                lagInFrame(topK(1)(ResourceAttributes['service.version'])[1])
                    OVER (PARTITION BY ServiceName ORDER BY time) AS prev_version
            FROM $database.otel_traces WHERE $__timeFilter(Timestamp) AND ServiceName = '{CHECKOUT}'
                AND ResourceAttributes['service.version'] != ''
            GROUP BY ServiceName, time ORDER BY ServiceName, time)
        WHERE prev_version != '' AND prev_version != version ORDER BY time""",
        [(CHECKOUT, "v2", "v1")],
    ),
    "how much is logged, by level": Asked(
        """SELECT toUnixTimestamp(toStartOfInterval(Timestamp, INTERVAL $__interval_s second)) % 60 AS time,
            SeverityText AS metric, count() AS count
        FROM $database.otel_logs WHERE $__timeFilter(Timestamp) AND $services AND SeverityText IN ('INFO', 'ERROR')
        GROUP BY time, metric ORDER BY time, metric""",
        [(0, "ERROR", 1), (0, "INFO", 2)],
    ),
    "the commonest errors": Asked(
        r"""SELECT SeverityText AS Level, ServiceName AS Service,
            replaceRegexpAll(Body, '(orderId|traceId)=[a-zA-Z0-9-]+', '\1=…') AS Message, count() AS Count
        FROM $database.otel_logs WHERE $__timeFilter(Timestamp) AND $services AND SeverityText IN ('ERROR', 'FATAL')
        GROUP BY Level, Service, Message ORDER BY Count DESC LIMIT 20""",
        [("ERROR", CHECKOUT, "order orderId=…", 1)],
    ),
    "the newest log lines": Asked(
        """SELECT toUnixTimestamp(Timestamp) % 60 AS timestamp, Body AS body, SeverityText AS level, ServiceName,
            TraceId, ResourceAttributes['service.version'] AS version, mapKeys(LogAttributes) AS labels
        FROM $database.otel_logs WHERE $__timeFilter(Timestamp) AND $services ORDER BY Timestamp DESC LIMIT 1""",
        [(2, "order orderId=2", "ERROR", CHECKOUT, TRACES[2].hex(), "v2", ["order"])],
    ),
    "log lines by the time column of older collectors": Asked(
        """SELECT toUnixTimestamp(TimestampTime) % 60 AS "timestamp", Body AS "body", SeverityText AS "level"
        FROM "$database"."otel_logs"
        WHERE ( TimestampTime >= toDateTime(0) ) AND ( $__timeFilter(TimestampTime) ) AND $services
            AND ( level = 'ERROR' ) ORDER BY TimestampTime DESC, timestamp DESC LIMIT 1000""",
        [(2, "order orderId=2", "ERROR")],
    ),
}
PER_SERIES = "PARTITION BY cityHash64(mapConcat(ScopeAttributes, ResourceAttributes, Attributes)) ORDER BY TimeUnix"
HYPERDX = {
    "log attributes in the order of the time column": Asked(
        """SELECT ResourceAttributes['service.version'], LogAttributes['order'] FROM otel_logs
        WHERE $services ORDER BY TimestampTime, Timestamp""",
        [("v1", "0"), ("v1", "1"), ("v2", "2")],
    ),
    "a quantile of a gauge": Asked(
        """SELECT quantile(0.95)(toFloat64OrNull(toString(Value))) AS value,
            toUnixTimestamp(toStartOfInterval(toDateTime(TimeUnix), INTERVAL 1 minute)) % 60 AS bucket
        FROM otel_metrics_gauge WHERE $__timeFilter(TimeUnix) AND MetricName = 'i07.utilization'
        GROUP BY bucket ORDER BY bucket""",
        [(0.5, 0)],
    ),
    "the increase of a counter that began anew": Asked(
        f"""WITH source AS (
            SELECT *, lagInFrame(Value, 1, Value) OVER ({PER_SERIES}) AS PrevValue,
                if(AggregationTemporality = 1, Value, if(Value < PrevValue, Value, Value - PrevValue)) AS Rate
            FROM otel_metrics_sum WHERE MetricName = 'i07.orders')
        SELECT sum(Rate) AS increase, any(IsMonotonic) AS monotonic FROM source WHERE $__timeFilter(TimeUnix)""",
        [(10, True)],
    ),
    "the median of a histogram": Asked(
        f"""WITH rates AS (
            SELECT ExplicitBounds, if(AggregationTemporality = 1, BucketCounts, arrayMap((prev, curr) ->
                if(curr < prev, curr, toUInt64(toInt64(curr) - toInt64(prev))),
                lagInFrame(BucketCounts, 1, BucketCounts) OVER ({PER_SERIES}), BucketCounts)) AS BucketRates
            FROM otel_metrics_histogram WHERE MetricName = 'i07.latency' AND $__timeFilter(TimeUnix)),
        ranked AS (
            SELECT any(ExplicitBounds) AS bounds, sumForEach(BucketRates) AS counts, arrayCumSum(counts) AS sums,
                0.5 * arraySum(counts) AS rank, arrayFirstIndex(x -> x >= rank, sums) AS low FROM rates)
        SELECT bounds[low - 1] + (bounds[low] - bounds[low - 1]) * (rank - sums[low - 1]) / counts[low] AS p50
        FROM ranked""",
        [(55,)],
    ),
    "exponential histograms under ClickStack's name": Asked(
        """SELECT Count, Sum, Scale, arrayMap((count, i) -> (pow(2, (PositiveOffset + i) * pow(2, -Scale)), count),
            PositiveBucketCounts, arrayEnumerate(PositiveBucketCounts)) AS upper_bounds
        FROM otel_metrics_exponential_histogram WHERE MetricName = 'i07.sizes' AND $__timeFilter(TimeUnix)""",
        [(3, 7.5, 0, [{"1": 2.0, "2": 1}, {"1": 4.0, "2": 2}])],
    ),
    "the quantiles of a summary": Asked(
        """SELECT arrayZip(ValueAtQuantiles.Quantile, ValueAtQuantiles.Value) AS quantiles FROM otel_metrics_summary
        WHERE MetricName = 'i07.pauses' AND $__timeFilter(TimeUnix)""",
        [([{"1": 0.5, "2": 10.0}, {"1": 0.99, "2": 90.0}],)],
    ),
}


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("asked", GRAFANA.values(), ids=GRAFANA)
def test_i07_what_grafana_asks_is_answered(andon: House, start_s: int, asked: Asked) -> None:
    """The dashboards for traces, services and logs."""
    assert ask(andon, start_s, asked.sql) == asked.rows


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("asked", HYPERDX.values(), ids=HYPERDX)
def test_i07_what_hyperdx_asks_is_answered(andon: House, start_s: int, asked: Asked) -> None:
    """Its charts of metrics, and its way to logs."""
    assert ask(andon, start_s, asked.sql) == asked.rows
