"""kill -9 of a process that appends: whatever it acknowledged is there exactly once, whatever is there is whole."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.spool import Spool, SpoolConfig

CHILD = """
import os, sys, threading
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from pipeline.spool import Spool, SpoolConfig

folder, life = sys.argv[1:]
spool = Spool(SpoolConfig(directory=folder, flush_timeout="30ms", max_chunk_size="64KiB"), "traces")
spool.start()

def request(name):
    spans = [Span(name=f"{name}/{n}", trace_id=b"t" * 16, span_id=b"s" * 8) for n in range(20)]
    resource_spans = [ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])]
    return ExportTraceServiceRequest(resource_spans=resource_spans).SerializeToString()

def appends(thread):
    number = 0
    while True:
        name = f"{life}-{thread}-{number}"
        spool.append(request(name), number)
        os.write(1, f"{name}\\n".encode())  # below PIPE_BUF, so each line goes whole
        number += 1

for thread in range(4):
    threading.Thread(target=appends, args=(thread,)).start()
"""


def acknowledged_before_kill(folder, life: int, run_s: float) -> list[str]:
    """Start a writer on `folder`, kill it `run_s` after its first acknowledgement, tell what it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(life)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with child:
        first = child.stdout.readline()
        killer = time.monotonic() + run_s
        lines = [first]
        while time.monotonic() < killer:
            lines.append(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        lines.extend(child.stdout.readlines())
    return [line.decode().rstrip("\n") for line in lines if line.endswith(b"\n")]


@pytest.mark.timeout(120)
def test_every_acknowledged_body_is_there_exactly_once_after_kills_at_random_moments(tmp_path):
    """Six lives on one folder, each killed under load; the last one drains."""
    chance = random.Random(20261122)
    acknowledged = [
        name for life in range(6) for name in acknowledged_before_kill(tmp_path, life, chance.uniform(0.01, 0.4))
    ]
    spool = Spool(SpoolConfig(directory=str(tmp_path)), "traces")
    spool.start()
    found: list[str] = []
    while (chunk := spool.take(0)) is not None:
        parsed = ExportTraceServiceRequest.FromString(bytes(chunk.read()))
        found += [s.name for rs in parsed.resource_spans for ss in rs.scope_spans for s in ss.spans]
        spool.done(chunk)
    spool.close()

    assert len(acknowledged) > 100
    assert len(found) == len(set(found))
    assert {f"{name}/{n}" for name in acknowledged for n in range(20)} <= set(found)
    whole = {name.rsplit("/", 1)[0] for name in found}
    assert len(found) == 20 * len(whole)
