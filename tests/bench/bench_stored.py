"""What deciding what is stored costs, on one core: `python tests/bench/bench_stored.py`.

In: 25 000 spans in one batch, 10 span attributes and 8 resource attributes each, 6 % of them failed. Out: a table of
microseconds per span that came, the best of many rounds, for each setting, after counting as in ingest; and counting.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import pyarrow as pa  # noqa: E402

from fixtures.otlp_bodies import ordinary  # noqa: E402
from pipeline.allocator import keep_freed_memory  # noqa: E402
from pipeline.batch import Batch  # noqa: E402
from processors.sli.columns import SpanColumns  # noqa: E402
from processors.sli.indicator import Indicator  # noqa: E402
from processors.sli.selector import Selector  # noqa: E402
from processors.sli.slices import SliceCounter  # noqa: E402
from processors.stored.config import ProcessorsConfig  # noqa: E402
from processors.stored.data import StoredData  # noqa: E402
from receivers.otlp.signals import TRACES  # noqa: E402

REQUESTS, SPANS, ROUNDS = 50, 500, 40
PROBES = {"filter": {"traces": [{"where": {"span.http.route": {"in": ["/healthz", "/readyz"]}}}]}}
HEALTH = {"filter": {"traces": [{"where": {"name": "GET /health"}}]}}
SAMPLE = {"sample": {"traces": {"sampling_percentage": 10}}}
KEYS = {"redact": {"attributes": [{"keys": ["user_agent.*"], "action": "delete"}]}}
HASH = {"redact": {"hash_key": "0" * 16, "attributes": [{"keys": ["client.address"], "action": "hash"}]}}
VALUES = {"redact": {"values": [{"preset": preset} for preset in ("email", "credit_card", "bearer_token")]}}
SETTINGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "filter, nothing matches": PROBES,
    "filter, a quarter matches": HEALTH,
    "sample 10 %": SAMPLE,
    "filter and sample 10 %": HEALTH | SAMPLE,
    "redact: delete a key": KEYS,
    "redact: hash a key": HASH,
    "redact: three presets": VALUES,
    "all of it": HEALTH | SAMPLE | {"redact": HASH["redact"] | VALUES["redact"]},
}


def selector(where: dict[str, Any]) -> Selector:
    return Selector.model_validate({"where": where})


SERVED = selector({"resource.service.name": "checkout", "kind": "server"})
INDICATORS = (
    Indicator(name="works", generation="1", valid=SERVED, good=selector({"outcome": "success"})),
    Indicator(name="fast", generation="1", valid=SERVED, good=selector({"duration": {"lte": "95ms"}})),
)


def main() -> None:
    keep_freed_memory()
    record = spans()
    counter = SliceCounter(INDICATORS)
    batch = Batch(chunk_id="c", received_ns=2_000_000_000_000_000_000, tables={"otel_traces": (record,)})
    print(f"{record.num_rows} spans, {record.nbytes / record.num_rows:.0f} bytes each in Arrow; µs per span that came")
    columns = [SpanColumns(record)]
    print(f"  {'(counting two indicators)':28}{best(lambda: counter.count(batch), record.num_rows):8.3f}")
    for name, setting in SETTINGS.items():
        data = StoredData(ProcessorsConfig.model_validate(setting), INDICATORS)
        kept = data.batch(batch).rows / batch.rows

        def ask() -> None:
            columns[:] = [SpanColumns(record)]
            counter.count(batch, columns)

        each = best(lambda data=data: data.batch(batch, columns), batch.rows, before=ask)
        print(f"  {name:28}{each:8.3f}   stores {kept:4.0%}")


def spans() -> pa.RecordBatch:
    chunk = b"".join(ordinary(seed, SPANS, codes=(200, 200, 200, 201)) for seed in range(REQUESTS))
    (decoded,) = TRACES.decode(chunk, 0)
    return decoded.records


def best(work: Callable[[], object], per: int, before: Callable[[], object] = int) -> float:
    """Microseconds of the quickest round, over `per`: the others were disturbed."""
    times = []
    for _ in range(ROUNDS):
        before()
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times) / per * 1e6


if __name__ == "__main__":
    main()
