"""Requests that are meant to hurt: memory stays bounded, counts are right, and other clients' data lands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.otlp_bodies import NOON_NS, length_delimited, one_span, request_of
from fixtures.otlp_oracle import differences
from fixtures.otlp_reference import decoded, reference
from fixtures.otlp_stored import in_order, store_chunk, stored
from fixtures.store import Store
from receivers.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 200
MIB = 1 << 20
DAY_NS = 86_400 * 10**9
MILLION = 1_000_000
MIDNIGHT = datetime(1970, 1, 1, tzinfo=UTC)
IDS = {"trace_id": b"t" * 16, "span_id": b"s" * 8}
every_signal = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)


def within(scope: bytes) -> bytes:
    """A request of one resource, for what stands in its only scope."""
    return length_delimited(1, length_delimited(2, scope))


def empty_spans() -> bytes:
    return within(length_delimited(2, b"") * MILLION)


def wide_span() -> bytes:
    ids = length_delimited(1, IDS["trace_id"]) + length_delimited(2, IDS["span_id"])
    pairs = (length_delimited(9, length_delimited(1, b"%d" % number)) for number in range(100_000))
    return within(length_delimited(2, ids + b"".join(pairs)))


def long_text() -> bytes:
    return within(length_delimited(2, length_delimited(5, length_delimited(1, b"x" * (10 * MIB)))))


def many_services() -> bytes:
    digits = b"0000000"
    name = {"key": b"service.name", "value": {"string_value": digits}}
    before, after = request_of("traces", [IDS], [name]).split(digits)
    return b"".join(b"%b%07d%b" % (before, number, after) for number in range(MILLION))


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("signal", "make", "counts"),
    [
        pytest.param(TRACES, empty_spans, {"items": MILLION, "rejected": MILLION}, id="a million empty spans"),
        pytest.param(TRACES, wide_span, {"rows": 1, "cut_attributes": 100_000 - 1024}, id="100 000 attributes"),
        pytest.param(LOGS, long_text, {"rows": 1, "cut_texts": 1}, id="a text of 10 MiB"),
        pytest.param(TRACES, many_services, {"rows": MILLION, "names": MILLION}, id="a million services"),
    ],
)
def test_h03_what_costs_little_to_send_costs_little_to_decode(
    signal: Signal, make: Callable[[], bytes], counts: dict[str, int], tmp_path: Path
) -> None:
    """Memory is bounded by the window, whatever there is a million of, and every count is right."""
    chunk = tmp_path / "chunk"
    chunk.write_bytes(make())
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/tests"}
    script = Path(__file__).with_name("appetite.py")
    run = subprocess.run(
        [sys.executable, script, signal.name, chunk],
        env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout)
    assert counts.items() <= told.items()
    assert told["items"] == told["rows"] + told["rejected"]
    assert told["grown"] < chunk.stat().st_size + 300 * MIB


def test_h04_text_that_is_not_utf_8_costs_nobody_a_record(store: Store) -> None:
    """One of a thousand log records: all are stored, that one with U+FFFD, and it is counted."""
    records: list[dict[str, Any]] = [{"body": {"string_value": b"fine %03d" % number}} for number in range(1000)]
    records[500]["body"]["string_value"] = b"broken \xff\xc3 text"
    body = request_of("logs", records)
    assert LOGS.scan(body).accepted == 1000
    assert sum(one.repaired for one in LOGS.decode(body, NOON_NS)) == 1
    store_chunk(store, LOGS, body, NOON_NS)
    found = sorted(row["Body"] for row in stored(store, "otel_logs"))
    assert found == ["broken \ufffd\ufffd text", *(f"fine {number:03d}" for number in range(1000) if number != 500)]


ODD_TIMES = [0, 1, DAY_NS, 2**63 - 1, 2**63, 2**64 - 1, NOON_NS + DAY_NS + 1]
SCATTERED = [NOON_NS - day * DAY_NS for day in range(400)]
TIMELY = (NOON_NS - 30 * DAY_NS, NOON_NS + DAY_NS)
TIME_COLUMNS = {"otel_traces": "Timestamp", "otel_logs": "Timestamp"}
KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def scattered(signal: Signal, service: bytes, times: list[int]) -> bytes:
    """An item of each kind of the signal for each time."""
    name = [{"key": b"service.name", "value": {"string_value": service}}]
    if signal is TRACES:
        items: list[Any] = [IDS | {"start_time_unix_nano": time, "end_time_unix_nano": time} for time in times]
    elif signal is LOGS:
        items = [{"time_unix_nano": time} for time in times]
    else:
        points = [{"time_unix_nano": time} for time in times]
        items = [{"name": kind.encode(), kind: {"data_points": points}} for kind in KINDS]
    return request_of(signal.name, items, name)


def timely_times(signal: Signal, times: list[int]) -> list[int]:
    """Those that the signal keeps: a log without a time is from now."""
    return [time for time in times if TIMELY[0] <= time <= TIMELY[1] or (signal is LOGS and time == 0)]


def partitions(store: Store, table: str) -> set[str]:
    """The days that the table has parts for."""
    sql = f"""SELECT DISTINCT partition FROM system.parts
              WHERE database = '{store.client.database}' AND table = '{table}' AND active AND rows > 0"""
    return set(store.client.query(sql)["partition"].to_pylist())


@every_signal
def test_h05_times_of_any_kind_never_cost_other_clients_their_data(signal: Signal, store: Store) -> None:
    """Even if nobody has left anything out: every row of the chunk lands, its own times as far as they go."""
    good = scattered(signal, b"good", [NOON_NS])
    chunk = good + scattered(signal, b"odd", ODD_TIMES + SCATTERED)
    store_chunk(store, signal, chunk, NOON_NS)
    found, expected = {}, decoded(signal, chunk, NOON_NS)
    for table, rows in expected.items():
        found[table] = in_order(stored(store, table))
        expected[table] = in_order(rows)
        assert len(stored(store, table, "ServiceName = 'good'")) == 1
        assert len(rows) == 1 + len(ODD_TIMES) + len(SCATTERED)
    assert differences(found, expected) == []


@every_signal
def test_h05_what_is_untimely_is_counted_and_makes_no_stray_partitions(signal: Signal, store: Store) -> None:
    """With the window that admission allows, only its days have partitions."""
    odd, good = scattered(signal, b"odd", ODD_TIMES + SCATTERED), scattered(signal, b"good", [NOON_NS])
    kept = timely_times(signal, ODD_TIMES + SCATTERED)
    kinds = len(KINDS) if signal is METRICS else 1
    scan = signal.scan(odd, timely=TIMELY)
    assert (scan.accepted, scan.items) == (kinds * len(kept), kinds * (len(ODD_TIMES) + len(SCATTERED)))
    assert scan.untimely == scan.items - scan.accepted
    store_chunk(store, signal, good + signal.normalise(odd, TIMELY), NOON_NS)
    days = {str((MIDNIGHT + timedelta(days=(NOON_NS - day * DAY_NS) // DAY_NS)).date()) for day in range(31)}
    for table in decoded(signal, good, NOON_NS):
        assert len(stored(store, table)) == 1 + len(kept)
        assert partitions(store, table) == days
    if signal is TRACES:
        assert partitions(store, "otel_traces_trace_id_ts") <= days


@pytest.mark.parametrize("end", [0, NOON_NS - 1, 2**64 - 1, NOON_NS], ids=["never", "before", "far", "at once"])
def test_h06_a_span_that_ends_before_it_starts_took_no_time(end: int) -> None:
    """Duration 0, never 2^64 less a little; and it is counted."""
    body = one_span(start_time_unix_nano=NOON_NS, end_time_unix_nano=end)
    (one,) = TRACES.decode(body, 0)
    assert one.records.column("Duration").to_pylist() == [max(end - NOON_NS, 0)]
    assert one.reversed == (end < NOON_NS)
    assert decoded(TRACES, body) == reference(TRACES, body)[0]
