"""What decoding costs, stage by stage, on one core: `python tests/bench/bench_decode.py`.

In: 20 requests of 512 spans, 10 span attributes and 8 resource attributes each, concatenated as in a spool chunk. Out:
a table of microseconds per span, the best of many rounds, each stage including those above it; beside them what
protobuf's own parser takes for the same bytes, and the obvious decoder that makes objects and a row for each span.
"""

import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import pyarrow as pa  # noqa: E402
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: E402

from fixtures.otlp_bodies import ordinary  # noqa: E402
from fixtures.otlp_reference import reference_rows  # noqa: E402
from receivers.otlp import scanner, spans  # noqa: E402
from receivers.otlp.signals import TRACES, warm_up  # noqa: E402

REQUESTS, SPANS = 20, 512
ROUNDS = 40


def main() -> None:
    begin = time.perf_counter()
    warm_up()
    print(f"warm-up {time.perf_counter() - begin:.2f} s (8 s where nothing is cached)\n")
    chunk, small = b"".join(ordinary(seed, SPANS) for seed in range(REQUESTS)), ordinary(1, 5)
    count = REQUESTS * SPANS
    print(f"{count} spans, {len(chunk) / count:.0f} bytes each, {len(stream(chunk)) / count:.0f} as Arrow; µs per span")
    parse = best(lambda: ExportTraceServiceRequest.FromString(chunk), count, ROUNDS // 4)
    for name, work in stages(chunk):
        each = best(work, count)
        print(f"  {name:28}{each:8.2f}   {each / parse:5.2f} x protobuf's parse")
    print(f"  {'protobuf FromString':28}{parse:8.2f}")
    print(f"  {'and rows in Python':28}{best(lambda: reference_rows(chunk), count, 2):8.2f}")
    print(
        f"\n5 spans: scan {best(lambda: TRACES.scan(small), 1):.0f} µs, decode {best(lambda: stream(small), 1):.0f} µs"
    )


def stages(chunk: bytes) -> list[tuple[str, Callable[[], object]]]:
    return [
        ("scan (admission)", lambda: TRACES.scan(chunk)),
        ("fill (rows of words)", lambda: deque(scanner.windows(chunk, TRACES.program()), maxlen=0)),
        ("decode (record batches)", lambda: deque(TRACES.decode(chunk, 0), maxlen=0)),
        ("decode + Arrow stream", lambda: stream(chunk)),
    ]


def stream(chunk: bytes) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, spans.SCHEMA) as writer:
        for decoded in TRACES.decode(chunk, 0):
            writer.write_batch(decoded.records)
    return sink.getvalue()


def best(work: Callable[[], object], per: int, rounds: int = ROUNDS) -> float:
    """Microseconds of the quickest round, over `per`: the others were disturbed."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times) / per * 1e6


if __name__ == "__main__":
    main()
