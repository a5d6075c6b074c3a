"""What ingest says of itself, as a scraper and a probe hear it from the real process."""

import json
import urllib.error
import urllib.request
from typing import Any

import grpc
import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from fixtures.metrics import http_receiver
from fixtures.programs import House, eventually
from fixtures.spans import FakeSpan, fresh

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SPANS = 7


def send(house: House, *, spans: int = SPANS) -> bool:
    """Whether one request was acknowledged; if not, it was asked to come again."""
    with grpc.insecure_channel(house.address("grpc")) as channel:
        call = channel.unary_unary(EXPORT, bytes, bytes).future(fresh([FakeSpan()] * spans), timeout=10)
        assert call.code() in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
        return call.code() is grpc.StatusCode.OK


def ask(house: House, path: str) -> tuple[int, bytes]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://{house.address('health')}{path}", timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def ready(house: House) -> tuple[int, dict[str, Any]]:
    """The status of `/readyz`, and what it says."""
    status, body = ask(house, "/readyz")
    return status, json.loads(body)


def measured(house: House, signal: str = "") -> dict[str, float]:
    """The sum over all attributes, or those of one signal, by Prometheus' name of a sample."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(ask(house, "/metrics")[1].decode()):
        for sample in family.samples:
            if signal in ("", sample.labels.get("signal")):
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def test_ingest_counts_what_it_took_and_stored_and_is_ready_while_clickhouse_is_away(house: House) -> None:
    """Receivers go on without ClickHouse, so being ready does not depend on it; that it is away is told."""
    engine = house.start("clickhouse")
    engine.wait_for_line("clickhouse http")
    house.run("migrate")
    with house.running("ingest", ready="ingest     ") as ingest:
        assert send(house)
        sums = eventually(lambda: measured(house), lambda sums: sums.get("andon_items_stored_total") == SPANS)
        assert sums["andon_items_accepted_total"] == SPANS
        assert sums["andon_ingest_delay_seconds_count"] == 1
        assert 0 < sums["andon_ingest_delay_seconds_sum"] < 10
        assert sums["db_client_operation_duration_seconds_count"] >= 1
        assert sums["andon_requests_received_total"] == 1
        assert sums["andon_clickhouse_up"] == 1
        status, state = ready(house)
        assert (status, state["reasons"], state["clickhouse"]) == (200, {}, {"status": "up"})

        engine.kill()
        assert send(house)
        status, state = eventually(lambda: ready(house), lambda answer: answer[1]["clickhouse"]["status"] == "away")
        assert status == 200
        assert state["status"] == "ready"
        assert "ClickHouse is away" in state["clickhouse"]["error"]
        assert ask(house, "/healthz")[0] == 200
        sums = measured(house)
        assert sums["andon_items_accepted_total"] == 2 * SPANS
        assert sums["andon_items_stored_total"] == SPANS
        assert sums["andon_clickhouse_up"] == 0
        assert sums["andon_spool_usage_bytes"] > 0
        ingest.kill()


def test_a_spool_that_is_full_makes_ingest_unready_with_the_reason(house: House) -> None:
    """Nobody stores; what is acknowledged stays, and no more is taken."""
    document = yaml.safe_load(house.config.read_text())
    document["spool"] |= {"max_size": "8KiB", "max_hold": "0s"}
    house.config.write_text(yaml.safe_dump(document))
    with house.running("ingest", ready="ingest     ") as ingest:
        assert ready(house)[0] == 200
        sent = 0
        while sent < 200 and send(house, spans=1):
            sent += 1
        status, state = ready(house)
        assert (status, list(state["reasons"])) == (503, ["spool"])
        assert "the spool is full" in state["reasons"]["spool"]
        sums = measured(house)
        assert (sums["andon_items_accepted_total"], sums["andon_items_shed_total"]) == (sent, 1)
        ingest.kill()


EXPORTS = (
    "SELECT ResourceAttributes['service.instance.id'] AS instance, TimeUnix, count() AS points FROM otel_metrics_sum "
    "WHERE ServiceName = 'andon' GROUP BY instance, TimeUnix ORDER BY instance, TimeUnix"
)


def test_telemetry_into_itself_ends(house: House) -> None:
    """Every chunk of others leaves one trace here; a chunk of our own leaves none, so after a while nothing comes.

    Metrics come every second; how many points there are does not depend on what they count.
    """
    document = yaml.safe_load(house.config.read_text())
    document["telemetry"] |= {"otlp": {"endpoint": "self", "interval": "1s"}, "traces": {"sampling_percentage": 100}}
    house.config.write_text(yaml.safe_dump(document))
    engine = house.start("clickhouse")
    engine.wait_for_line("clickhouse http")
    house.run("migrate")
    own = (
        "SELECT SpanName AS name, count() AS n FROM otel_traces WHERE ServiceName = 'andon' GROUP BY name ORDER BY name"
    )
    with house.running("ingest", ready="ingest     ") as ingest:
        assert send(house)
        rows = eventually(lambda: house.query(own))
        stored = measured(house, "traces")["andon_items_stored_total"]
        assert {row["n"] for row in rows} == {1}
        assert {"store traces", "receive", "decode", "count", "insert otel_traces"} <= {row["name"] for row in rows}
        assert stored == SPANS + len(rows)
        eventually(lambda: house.query(EXPORTS), lambda rows: len(rows) > 4)
        assert ingest.stop() == 0
        assert "do not reach" not in ingest.output
    exports = [row["points"] for row in house.query(EXPORTS)]
    assert exports[-1] == exports[-2]
    assert house.query(own) == rows
    assert engine.stop() == 0


def test_the_evaluator_pushes_how_it_gets_on(house: House) -> None:
    """To a collector, where it is given no port of its own."""
    with http_receiver() as (endpoint, got):
        document = yaml.safe_load(house.config.read_text())
        document["telemetry"] |= {"otlp": {"endpoint": endpoint, "interval": "1s"}}
        house.config.write_text(yaml.safe_dump(document))
        with house.running("clickhouse", ready="clickhouse http"):
            house.run("migrate")
            with house.running("evaluate", ready="evaluate   "):
                eventually(lambda: promises(got.get(timeout=10)[1]), lambda seen: seen == [1])


def test_the_evaluator_answers_probes_and_scrapes_where_it_is_told_to(house: House) -> None:
    """Ready once it has looked at every promise, and not while the store keeps it from looking; alive all the while."""
    document = yaml.safe_load(house.config.read_text())
    document["telemetry"]["health"]["evaluate"] = house.address("health")  # ingest does not run here
    house.config.write_text(yaml.safe_dump(document))
    with house.running("evaluate", ready="evaluate   "):
        status, state = ready(house)
        assert (status, state["reasons"]) == (503, {"looks": "no look at the promises has come to its end yet"})
        assert ask(house, "/healthz")[0] == 200
        with house.running("clickhouse", ready="clickhouse http"):
            house.run("migrate")
            assert eventually(lambda: ready(house), lambda answer: answer[0] == 200)[1]["status"] == "ready"
            assert measured(house)["andon_evaluate_promises"] == 1
            assert measured(house)["andon_evaluate_age_seconds"] < 30


def promises(request: ExportMetricsServiceRequest) -> list[int]:
    """How many promises the evaluator says it looked at."""
    scopes = [scope for resource in request.resource_metrics for scope in resource.scope_metrics]
    metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == "andon.evaluate.promises"]
    return [point.as_int for metric in metrics for point in metric.sum.data_points]
