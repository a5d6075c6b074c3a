"""The spool: durable before it returns, sealed for good, bounded, one process a folder."""

import os
import re
import resource
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

import pipeline.spool
from pipeline.chunk import SealedChunk
from pipeline.clock import NS_PER_S, FakeClock
from pipeline.config import load
from pipeline.errors import PermanentError, RetryableError
from pipeline.frame import MAX_TENANT_BYTES, frame_header, frames
from pipeline.spool import Spool, SpoolConfig

BODY = b"x" * 1000


@contextmanager
def opened(folder: Path, signal: str = "traces", clock: FakeClock | None = None, **settings):
    """A started spool whose chunks are due at once when taken, unless told otherwise."""
    config = SpoolConfig(directory=str(folder), **{"flush_timeout": "0s", "max_hold": "0s", **settings})
    spool = Spool(config, signal, clock)
    spool.start()
    try:
        yield spool
    finally:
        spool.close()


def bodies(chunk: SealedChunk) -> list[bytes]:
    """The request bodies in a chunk."""
    view = chunk.read()
    return [bytes(view[frame.start : frame.end]) for frame in frames(view)]


def taken(spool: Spool) -> SealedChunk:
    """The next chunk, which must be there."""
    chunk = spool.take(0)
    assert chunk is not None
    return chunk


def request(name: str, spans: int = 1) -> bytes:
    """A request whose spans are called `name`-0, `name`-1 and so on."""
    made = [Span(name=f"{name}-{number}", trace_id=b"t" * 16, span_id=b"s" * 8) for number in range(spans)]
    resource_spans = ResourceSpans(scope_spans=[ScopeSpans(spans=made)])
    return ExportTraceServiceRequest(resource_spans=[resource_spans]).SerializeToString()


def span_names(message: bytes | memoryview) -> list[str]:
    """All span names in an OTLP message, in order."""
    parsed = ExportTraceServiceRequest.FromString(message)
    return [s.name for rs in parsed.resource_spans for ss in rs.scope_spans for s in ss.spans]


def test_a_chunk_is_one_valid_otlp_message_with_the_spans_of_all_its_requests(tmp_path):
    """Frame headers are an unknown field to protobuf, and concatenated messages merge."""
    with opened(tmp_path, flush_timeout="1h") as spool:
        for number in range(3):
            spool.append(request(f"r{number}", spans=2), received_ns=number, tenant="acme")
        spool.shutdown()
        chunk = taken(spool)
        assert span_names(bytes(chunk.read())) == ["r0-0", "r0-1", "r1-0", "r1-1", "r2-0", "r2-1"]


def test_a_chunk_tells_requests_size_and_the_receive_time_of_its_last_request(tmp_path):
    """What the exporter needs beside the bytes stands in the chunk."""
    with opened(tmp_path, flush_timeout="1h") as spool:
        spool.append(BODY, received_ns=7)
        spool.append(BODY, received_ns=9)
        spool.shutdown()
        chunk = taken(spool)
        assert (chunk.signal, chunk.requests, chunk.received_ns) == ("traces", 2, 9)
        assert chunk.size_bytes == chunk.path.stat().st_size == len(chunk.read())


def test_frames_keep_tenant_and_receive_time(tmp_path):
    """A frame header carries what the body does not say."""
    with opened(tmp_path, flush_timeout="1h") as spool:
        spool.append(BODY, received_ns=1_700_000_000_123_456_789, tenant="café")
        spool.shutdown()
        (frame,) = frames(taken(spool).read())
        assert (frame.received_ns, frame.tenant) == (1_700_000_000_123_456_789, "café")


def test_a_tenant_too_long_for_the_header_is_refused():
    """Cutting the name would put two tenants together."""
    assert frame_header(BODY, 0, "x" * MAX_TENANT_BYTES)
    with pytest.raises(PermanentError, match=f"at most {MAX_TENANT_BYTES} bytes, got {MAX_TENANT_BYTES + 1}"):
        frame_header(BODY, 0, "x" * (MAX_TENANT_BYTES + 1))


def test_a_chunk_is_sealed_when_its_time_is_over(tmp_path):
    """Whoever waits in take gets the open chunk as soon as it is due, without another append."""
    with opened(tmp_path, flush_timeout="50ms") as spool:
        spool.append(BODY, 1)
        assert spool.take(0) is None
        began_s = time.monotonic()
        assert spool.take(5) is not None
        assert time.monotonic() - began_s < 2


def test_a_taker_that_waits_before_the_first_append_gets_the_chunk_when_it_is_due(tmp_path):
    """A new open chunk wakes the takers, so that they know until when to wait."""
    with opened(tmp_path, flush_timeout="50ms") as spool, ThreadPoolExecutor() as pool:
        waiting = pool.submit(spool.take, 10)
        spool.append(BODY, 1)
        assert waiting.result(timeout=5) is not None


def test_a_chunk_is_sealed_before_it_outgrows_its_size(tmp_path):
    """A body that does not fit opens the next chunk; one that fills it seals it at once."""
    with opened(tmp_path, flush_timeout="1h", max_chunk_size="2500B") as spool:
        for number in range(5):
            spool.append(bytes([number]) * 1000, number)
        spool.append(b"z" * 3000, 9)
        spool.shutdown()
        assert [[body[:1] for body in bodies(taken(spool))] for _ in range(4)] == [
            [b"\0", b"\1"],
            [b"\2", b"\3"],
            [b"\4"],
            [b"z"],
        ]


def test_chunks_come_oldest_first_and_each_to_one_taker(tmp_path):
    """Two takers never hold the same chunk."""
    with opened(tmp_path, max_chunk_size="1B") as spool:
        for number in range(20):
            spool.append(b"%d" % number, number)
        with ThreadPoolExecutor(4) as pool:
            chunks = list(pool.map(lambda _: spool.take(0), range(21)))
        ids = [chunk.id for chunk in chunks if chunk]
        assert len(ids) == len(set(ids)) == 20
        for chunk in chunks[:20]:
            spool.give_back(chunk)
        assert [taken(spool).id for _ in range(20)] == sorted(ids)


def test_a_chunk_given_back_comes_before_younger_ones(tmp_path):
    """Retry keeps the order of age."""
    with opened(tmp_path, max_chunk_size="1B") as spool:
        spool.append(b"old", 1)
        spool.append(b"young", 2)
        first = taken(spool)
        spool.give_back(first)
        assert taken(spool) == first


def test_done_deletes_the_file_and_the_spool_is_drained(tmp_path):
    """Nothing remains of what is stored elsewhere."""
    with opened(tmp_path) as spool:
        spool.append(BODY, 1)
        assert not spool.drained
        chunk = taken(spool)
        assert not spool.wait_empty(0)
        spool.done(chunk)
        assert spool.drained
        assert spool.wait_empty(0)
        assert not chunk.path.exists()
        assert spool.stats().bytes == 0


def test_a_buried_chunk_keeps_its_bytes_and_the_reason(tmp_path):
    """What cannot be exported is kept for a human and counted."""
    with opened(tmp_path) as spool:
        spool.append(BODY, 1)
        chunk = taken(spool)
        spool.bury(chunk, "column Foo: expected a number")
        dead = tmp_path / "0" / "traces" / "dead"
        assert (dead / f"{chunk.id}.pb").stat().st_size == chunk.size_bytes
        assert (dead / f"{chunk.id}.reason").read_text().startswith("column Foo: expected a number\n")
        assert spool.drained
        assert (spool.stats().buried_chunks_total, spool.stats().dead_bytes) == (1, chunk.size_bytes)


def test_the_dead_are_bounded_and_the_oldest_go_first(tmp_path):
    """Dead letters must not fill the disk either; what is dropped is counted."""
    with opened(tmp_path, max_dead_size="2500B") as spool:
        ids = []
        for number in range(4):
            spool.append(BODY, number)
            chunk = taken(spool)
            ids.append(chunk.id)
            spool.bury(chunk, "bad")
        assert sorted(path.stem for path in (tmp_path / "0" / "traces" / "dead").glob("*.pb")) == ids[2:]
        assert spool.stats().dropped_dead_chunks_total == 2


def test_shutdown_refuses_new_bodies_and_seals_what_is_open(tmp_path):
    """What was acknowledged can be drained; what comes later is asked to come again."""
    with opened(tmp_path, flush_timeout="1h") as spool:
        spool.append(BODY, 1)
        spool.shutdown()
        with pytest.raises(RetryableError, match="not open"):
            spool.append(BODY, 2)
        assert bodies(taken(spool)) == [BODY]


def test_shutdown_is_safe_before_start_and_twice(tmp_path):
    """The contract of every component."""
    spool = Spool(SpoolConfig(directory=str(tmp_path)), "traces")
    spool.shutdown()
    with pytest.raises(RetryableError, match="not open"):
        spool.append(BODY, 1)
    spool.start()
    spool.shutdown()
    spool.shutdown()
    spool.close()


def test_two_spools_never_share_a_folder(tmp_path):
    """The second is told who is there."""
    with opened(tmp_path), pytest.raises(PermanentError, match=f"in use by process {os.getpid()}"), opened(tmp_path):
        pass


def test_a_folder_is_free_again_after_close_and_signals_do_not_meet(tmp_path):
    """The lock goes with the spool; each signal has a folder of its own."""
    with opened(tmp_path), opened(tmp_path, "logs"):
        pass
    with opened(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_a_permanent_error(tmp_path):
    """The message names the folder."""
    (tmp_path / "0").write_text("a file")
    with pytest.raises(PermanentError, match="0/traces: expected a folder to write in"), opened(tmp_path):
        pass


def test_chunk_ids_are_unique_and_sorted_by_age_even_when_the_clock_goes_back(tmp_path):
    """Ids are deduplication tokens: one must never come twice, and the oldest must be first."""
    ids = []
    for second in (50, 50, 10, 0):
        clock = FakeClock(datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC))
        with opened(tmp_path, clock=clock, max_chunk_size="1B") as spool:
            for _ in range(3):
                spool.append(BODY, 1)
            worker = spool.worker
            left = [spool.take(0) for _ in range(3 * len(ids) + 3)]
            ids.append(left[-1].id if left[-1] else "")
    assert ids == sorted(set(ids))
    assert all(chunk_id.split("-")[1] == worker for chunk_id in ids)


def test_what_is_left_in_the_folder_is_there_after_a_restart(tmp_path):
    """Sealed and taken chunks come back under the same id with the same bytes."""
    with opened(tmp_path, max_chunk_size="1B") as spool:
        spool.append(b"a", 3)
        spool.append(b"b", 4)
        first = taken(spool)
    with opened(tmp_path) as spool:
        assert spool.stats().bytes > 0
        again = taken(spool)
        assert (again, bodies(again)) == (first, [b"a"])
        assert bodies(taken(spool)) == [b"b"]


def test_a_full_spool_holds_then_refuses_with_a_time_to_come_again(tmp_path):
    """Shed late, and never silently."""
    with opened(tmp_path, max_size="2500B", max_hold="50ms", retry_after="7s") as spool:
        spool.append(BODY, 1)
        spool.append(BODY, 2)
        began_s = time.monotonic()
        with pytest.raises(RetryableError, match="full: 2040 of max_size = 2500 bytes") as caught:
            spool.append(BODY, 3)
        assert time.monotonic() - began_s >= 0.05
        assert caught.value.retry_after_s == 7
        assert spool.stats().refused_total == 1


def test_room_made_in_time_lets_a_held_append_through(tmp_path):
    """A short stall of the store costs latency, not data."""
    with opened(tmp_path, max_size="2500B", max_chunk_size="1B", max_hold="10s") as spool:
        spool.append(b"1" * 1000, 1)
        spool.append(b"2" * 1000, 2)
        with ThreadPoolExecutor() as pool:
            held = pool.submit(spool.append, b"3" * 1000, 3)
            spool.done(taken(spool))
            held.result(timeout=5)
        assert [bodies(taken(spool))[0][:1] for _ in range(2)] == [b"2", b"3"]


def test_taken_chunks_count_against_the_bound(tmp_path):
    """Bytes are on disk until they are done."""
    with opened(tmp_path, max_size="1500B") as spool:
        spool.append(BODY, 1)
        chunk = taken(spool)
        with pytest.raises(RetryableError, match="full"):
            spool.append(BODY, 2)
        spool.done(chunk)
        spool.append(BODY, 2)


def test_only_so_many_appends_are_held(tmp_path):
    """A full spool must not keep every thread of the receivers waiting."""
    with opened(tmp_path, max_size="1500B", max_hold="10s", max_holding=1) as spool:
        spool.append(BODY, 1)
        with ThreadPoolExecutor() as pool:
            held = [pool.submit(spool.append, BODY, number) for number in range(3)]
            refused = [future for future in held if future_error(future, 2)]
            assert len(refused) == 2
            spool.done(taken(spool))
            assert [future_error(future, 5) for future in held if future not in refused] == [None]


def future_error(future, timeout_s: float) -> BaseException | None:
    """What the future raised; None when it succeeded or still runs after the timeout."""
    try:
        return future.exception(timeout=timeout_s)
    except TimeoutError:
        return None


def test_a_body_that_can_never_fit_is_refused_for_good(tmp_path):
    """Asking the client to come again would be a lie."""
    with opened(tmp_path, max_size="500B") as spool, pytest.raises(PermanentError, match="at most max_size = 500"):
        spool.append(BODY, 1)


def test_appends_that_wait_together_share_a_sync(tmp_path):
    """Group commit: fewer syncs than requests under many threads, and nothing lost."""
    with opened(tmp_path, flush_timeout="1h") as spool:
        start = threading.Barrier(16)

        def appends(thread: int) -> None:
            start.wait()
            for number in range(20):
                spool.append(b"%d-%d" % (thread, number), 1)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(appends, range(16)))
        stats = spool.stats()
        spool.shutdown()
        found = sorted(bodies(taken(spool)))
        assert found == sorted(b"%d-%d" % (thread, number) for thread in range(16) for number in range(20))
        assert stats.requests_total == 320
        assert stats.syncs_total < 320


def test_oldest_age_is_that_of_the_oldest_chunk(tmp_path):
    """The age says how far the store lags."""
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    with opened(tmp_path, clock=clock, flush_timeout="1h") as spool:
        assert spool.stats().oldest_age_s == 0
        spool.append(BODY, clock.now_ns())
        clock.advance(90)
        assert (spool.stats().chunks, spool.stats().oldest_age_s) == (1, 90)


@contextmanager
def disk_full_at(size: int):
    """Every file of this process ends at `size` bytes: the write that crosses it is cut short, the next fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_error_is_retryable_and_leaves_only_what_was_acknowledged(tmp_path):
    """The chunk is cut back to its last synced length and sealed; the spool works on when there is room again."""
    with opened(tmp_path, flush_timeout="1h") as spool:
        spool.append(b"a" * 1000, 1)
        with disk_full_at(1500), pytest.raises(RetryableError, match="could not be written"):
            spool.append(b"b" * 1000, 2)
        cut = taken(spool)
        assert bodies(cut) == [b"a" * 1000]
        assert cut.path.stat().st_size == cut.size_bytes
        spool.append(b"c" * 1000, 3)
        spool.shutdown()
        assert bodies(taken(spool)) == [b"c" * 1000]
        assert spool.stats().io_errors_total == 1
        assert spool.stats().bytes == 2 * cut.size_bytes


def test_every_appender_of_a_failed_group_is_told(tmp_path):
    """Never acknowledged half."""
    with opened(tmp_path, flush_timeout="1h") as spool, disk_full_at(0), ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(spool.append, b"%d" % number, 1) for number in range(8)]
        assert all(isinstance(future.exception(timeout=5), RetryableError) for future in futures)
        assert spool.drained
        assert spool.stats().bytes == 0


def left_over(folder: Path, content: bytes) -> Path:
    """An open chunk file as a crash leaves it."""
    path = folder / "0" / "traces" / f"{1_700_000_000 * NS_PER_S:019d}-0123456789ab-1.open"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


WHOLE = frame_header(b"whole", 5) + b"whole"
TORN = frame_header(BODY, 6) + BODY


@pytest.mark.parametrize("cut", [1, 3, 19, 20, 21, len(TORN) - 1])
def test_a_torn_tail_is_cut_and_the_rest_kept(tmp_path, cut):
    """Wherever the crash came, whole frames stay and half ones go."""
    path = left_over(tmp_path, WHOLE + TORN[:cut])
    with opened(tmp_path) as spool:
        chunk = taken(spool)
        assert (chunk.id, bodies(chunk)) == (path.stem, [b"whole"])
        assert (chunk.size_bytes, chunk.path.stat().st_size) == (len(WHOLE), len(WHOLE))
        assert spool.stats().cut_bytes_total == cut


@pytest.mark.parametrize("at", range(0, len(TORN), 97))
def test_a_frame_with_a_wrong_byte_is_cut(tmp_path, at):
    """A tail whose length reached the disk before its bytes is no acknowledged body."""
    damaged = bytearray(TORN)
    damaged[at] ^= 0x40
    left_over(tmp_path, WHOLE + damaged)
    with opened(tmp_path) as spool:
        assert bodies(taken(spool)) == [b"whole"]


@pytest.mark.parametrize("content", [b"", TORN[:-1], bytes(4096)], ids=["empty", "torn", "zeros"])
def test_an_open_file_without_a_whole_frame_is_removed(tmp_path, content):
    """There is nothing to hand on."""
    path = left_over(tmp_path, content)
    with opened(tmp_path) as spool:
        assert spool.drained
        assert not path.exists()


def test_a_sealed_file_that_is_damaged_is_buried_not_lost(tmp_path):
    """Sealed bytes were acknowledged: a human decides, the rest goes on."""
    path = left_over(tmp_path, WHOLE + TORN[:-1])
    path.rename(path.with_suffix(".pb"))
    with opened(tmp_path) as spool:
        assert spool.drained
        reason = (tmp_path / "0" / "traces" / "dead" / f"{path.stem}.reason").read_text()
        assert reason.startswith(f"expected {len(WHOLE + TORN) - 1} bytes of whole frames, got {len(WHOLE)}\n")
        assert (spool.stats().bytes, spool.stats().buried_chunks_total) == (0, 1)


def test_the_readme_shows_the_defaults(tmp_path):
    """Every setting with its default, as users write it."""
    texts = [path.read_text() for path in Path(pipeline.spool.__file__).parent.glob("*.md")]
    (block,) = [found[1] for text in texts if (found := re.search(r"```yaml\nspool:\n(.*?)```", text, re.DOTALL))]
    path = tmp_path / "spool.yaml"
    path.write_text(textwrap.dedent(block))
    document = load(path)[0]
    assert document.parse(SpoolConfig) == SpoolConfig(directory=tmp_path / "data" / "spool")
    assert set(document.data) == set(SpoolConfig.model_fields)
