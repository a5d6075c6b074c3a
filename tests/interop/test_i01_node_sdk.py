"""The Node SDK, in every protocol and compression that its exporters have."""

import os
import subprocess
from pathlib import Path

import pytest

from fixtures.arrivals import Arrivals
from fixtures.programs import House
from fixtures.relay import relay
from fixtures.toolchains import tool

SHOP = Path(__file__).parent / "node" / "shop.js"
RUN_S = 40
POINT = "ServiceName, ScopeName, ScopeVersion, MetricName, MetricDescription, MetricUnit, Attributes"


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_i01_node_sends_every_signal_and_sql_finds_all_of_it(
    andon: House, node_sdk: Path, run: str, protocol: str, compression: str
) -> None:
    """Nothing but OTEL_* variables says where to; names, values and counts arrive as the script made them."""
    shop = Arrivals(andon, run)
    with relay(andon.address("grpc" if protocol == "grpc" else "http")) as between:
        sell(shop.environment(protocol, between.address, compression), node_sdk)
    assert (run.encode() in between.heard) is (compression == "none")
    check_spans(shop)
    check_logs(shop)
    check_metrics(shop)


def sell(environment: dict[str, str], node_sdk: Path) -> None:
    """Run the script to its end."""
    where = {"NODE_PATH": str(node_sdk / "node_modules")}
    command = [tool("node"), str(SHOP)]
    done = subprocess.run(
        command, env=os.environ | environment | where, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def check_spans(shop: Arrivals) -> None:
    columns = (
        "SpanName, SpanKind, ServiceName, ScopeName, ScopeVersion, StatusCode, StatusMessage, SpanAttributes, "
        "Events.Name, arrayMap(a -> a['currency'], Events.Attributes), Links.SpanId, ParentSpanId, SpanId, TraceId"
    )
    server, client = shop.rows("otel_traces", columns, count=2)
    attributes = [("items", "2"), ("total", "12.5"), ("gift", "true")]
    common = ("shop", "shop", "1.2.3")
    assert server[:-2] == ("POST /checkout", "Server", *common, "Unset", "", attributes, ["paid"], ["EUR"], [], "")
    assert client[:-2] == ("charge", "Client", *common, "Error", "declined", [], [], [], [server[-2]], server[-2])
    assert client[-1] == server[-1]


def check_logs(shop: Arrivals) -> None:
    columns = "SeverityNumber, SeverityText, Body, LogAttributes, ServiceName, ScopeName, TraceId, SpanId, TraceFlags"
    paid, declined = shop.rows("otel_logs", columns, count=2)
    ((trace, span),) = shop.rows("otel_traces", "TraceId, SpanId", count=1, where="SpanKind = 'Server'")
    assert paid == (9, "INFO", "paid", [("order", "42")], "shop", "shop", trace, span, 1)
    assert declined == (17, "ERROR", '{"reason":"declined","tries":3}', [], "shop", "shop", "", "", 0)


def check_metrics(shop: Arrivals) -> None:
    orders = shop.rows("otel_metrics_sum", f"{POINT}, Value, AggregationTemporality, IsMonotonic", count=2)
    known = ("shop", "shop", "1.2.3", "orders", "Orders taken", "{order}")
    assert orders == [(*known, [("currency", "CHF")], 1, 2, True), (*known, [("currency", "EUR")], 7, 2, True)]
    columns = f"{POINT}, Count, Sum, Min, Max, BucketCounts, ExplicitBounds, AggregationTemporality"
    (latency,) = shop.rows("otel_metrics_histogram", columns, count=1)
    assert latency == ("shop", "shop", "1.2.3", "latency", "", "ms", [], 4, 605, 5, 500, [1, 2, 1], [10, 100], 2)
    (temperature,) = shop.rows("otel_metrics_gauge", f"{POINT}, Value", count=1)
    assert temperature == ("shop", "shop", "1.2.3", "temperature", "", "Cel", [], 21.5)
