"""What each setting saves of the disk, on the demo's traffic: `python tests/bench/bench_stored_bytes.py [SECONDS]`.

In: the example shop as the demo runs it, with 120 shoppers for 100 seconds, in which payment fails for a tenth of them
and is slow for another. Out: a table of spans and bytes that the real engine has on disk for the very same spans, each
setting in a fresh table that was merged to one part.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import grpc  # noqa: E402

from fixtures.engine import start_engine  # noqa: E402
from fixtures.store import (  # noqa: E402
    Store,
    insert,
    open_store,
)
from pipeline.batch import Batch  # noqa: E402
from pipeline.bench import free_ports  # noqa: E402
from pipeline.demo.children import LOOPBACK, Child, Command  # noqa: E402
from pipeline.demo.script import Fault, Mode  # noqa: E402
from pipeline.demo.shop import Service, folder, services, set_fault  # noqa: E402
from processors.slo.documents import load_objectives  # noqa: E402
from processors.stored.config import ProcessorsConfig  # noqa: E402
from processors.stored.data import StoredData  # noqa: E402
from receivers.otlp.signals import TRACES  # noqa: E402

SECONDS, SHOPPERS = 100, 120
SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
INTERNAL = {"filter": {"traces": [{"where": {"kind": "internal"}}]}}
WORDY = {"redact": {"attributes": [{"keys": ["user_agent.*", "network.*", "telemetry.*"], "action": "delete"}]}}
TENTH, HUNDREDTH = ({"sample": {"traces": {"sampling_percentage": share}}} for share in (10, 1))
SETTINGS: dict[str, dict[str, Any]] = {
    "everything": {},
    "`redact`: three wordy keys deleted": WORDY,
    "`filter`: `{kind: internal}`": INTERNAL,
    "`sample`: 10 %": TENTH,
    "`sample`: 1 %": HUNDREDTH,
    "`filter` and `sample`: 10 %": INTERNAL | TENTH,
    "`filter`, `redact` and `sample`: 1 %": INTERNAL | WORDY | HUNDREDTH,
}


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory() as temporary:
        bodies = traffic(Path(temporary), seconds)
        records = tuple(decoded.records for decoded in TRACES.decode(b"".join(bodies), 0))
        came = Batch(chunk_id="c", received_ns=time.time_ns(), tables={"otel_traces": records})
        engine = start_engine(Path(temporary) / "clickhouse")
        try:
            measure(open_store(engine, "bench"), came)
        finally:
            engine.stop()


def measure(store: Store, came: Batch) -> None:
    indicators = load_objectives(folder() / "slo").indicators
    print("| stored | spans | bytes on disk | of everything | kept because failed, bad, sampled |")
    print("|---|---|---|---|---|")
    everything = 0
    for name, setting in SETTINGS.items():
        data = StoredData(ProcessorsConfig.model_validate(setting), indicators)
        stored = data.batch(came)
        size = on_disk(store, stored)
        everything = everything or size
        why = [data.stats().sampled_total.get(reason, 0) for reason in ("failed", "bad", "sampled")]
        reasons = ", ".join(f"{count:,}" for count in why) if "sample" in setting else "-"
        print(f"| {name} | {stored.rows:,} | {size:,} | {size / everything:.0%} | {reasons} |")


def on_disk(store: Store, batch: Batch) -> int:
    """What the batch alone takes in `otel_traces`, once its parts are merged."""
    store.client.command("TRUNCATE TABLE otel_traces")
    insert(store, replace(batch, chunk_id=str(time.time_ns())))
    store.client.command("OPTIMIZE TABLE otel_traces FINAL")
    (row,) = store.client.query(
        "SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS n FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = 'otel_traces'"
    ).to_pylist()
    assert row["n"] == batch.rows
    return int(row["bytes"])


def traffic(directory: Path, seconds: float) -> list[bytes]:
    """Requests of the shop's own SDKs."""
    ports = dict(zip(Service, free_ports(len(Service)), strict=True))
    with capture() as (otlp_port, bodies), ExitStack() as stack:
        driver = [sys.executable, str(folder() / "driver.py"), "--shoppers", str(SHOPPERS)]
        crowd = Command(name="shoppers", argv=[*driver, "--url", f"http://{LOOPBACK}:{ports[Service.FRONTEND]}"])
        for command in (*services(otlp_port, ports), crowd):
            child = Child(command, directory / f"{command.name}.log")
            stack.callback(child.stop, 10)
            child.wait_until_ready(60)
        for fault in (Fault(), Fault(mode=Mode.ERRORS, share=0.5), Fault(mode=Mode.SLOW), Fault()):
            set_fault(ports[Service.PAYMENT], fault)
            time.sleep(seconds * (0.4 if fault == Fault() else 0.1))
    return bodies


@contextmanager
def capture() -> Iterator[tuple[int, list[bytes]]]:
    """An OTLP/gRPC endpoint that keeps bodies as they come."""
    bodies: list[bytes] = []

    def export(body: bytes, _: grpc.ServicerContext) -> bytes:
        bodies.append(body)
        return b""

    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    try:
        yield port, bodies
    finally:
        server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
