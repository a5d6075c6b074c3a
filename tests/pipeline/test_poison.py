"""What ClickHouse itself refuses: one row among many, in the second of two tables."""

from pathlib import Path

import pytest

from fixtures.chunks import ID, chunk_of, drain_all
from fixtures.spans import FakeSpan, request
from fixtures.store import Store
from pipeline.clock import SystemClock
from pipeline.deadletters import retry
from pipeline.errors import PermanentError
from pipeline.lane import ChunkProcessor
from pipeline.passage import unwatched
from processors.sli.slices import SliceCounter
from processors.slo.documents import load_objectives
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from receivers.otlp.limits import DEFAULT
from receivers.otlp.signals import TRACES

OBJECTIVES = """
apiVersion: openslo/v1
kind: SLI
metadata: {name: availability}
spec:
  ratioMetric:
    counter: true
    total: {metricSource: {type: andon, spec: {where: {resource.service.name: checkout}}}}
    good: {metricSource: {type: andon, spec: {where: {outcome: success}}}}
"""
REFUSE = "ALTER TABLE otel_traces ADD CONSTRAINT no_poison CHECK SpanName != 'poison'"
ALLOW = "ALTER TABLE otel_traces DROP CONSTRAINT no_poison"


@pytest.fixture
def processor(store: Store, tmp_path: Path) -> ChunkProcessor:
    folder = tmp_path / "slo"
    folder.mkdir()
    (folder / "shop.yaml").write_text(OBJECTIVES)
    counter = SliceCounter(load_objectives(folder).indicators)
    stored = StoredData(ProcessorsConfig(), ())
    return ChunkProcessor(
        TRACES, limits=DEFAULT, counter=counter, stored=stored, client=store.client, telemetry=unwatched(SystemClock())
    )


def stored(store: Store) -> tuple[int, int, int]:
    """Rows of spans, different spans, and requests that were counted."""
    sql = "SELECT count() AS rows, uniqExact(SpanAttributes['n']) AS spans FROM otel_traces"
    (row,) = store.client.query(sql).to_pylist()
    (counted,) = store.client.query("SELECT sum(Valid) AS valid FROM sli_slices").to_pylist()
    return row["rows"], row["spans"], counted["valid"]


def test_h12_one_row_that_clickhouse_refuses_costs_one_request_and_every_span_is_counted_once(
    store: Store, processor: ChunkProcessor, tmp_path: Path
) -> None:
    """Slices were stored before the spans were refused: neither the halves nor a retry count them again."""
    store.client.command(REFUSE)
    spans = [
        FakeSpan(name="poison" if number in (3, 17) else "GET /", attributes={"n": number}) for number in range(20)
    ]
    folder = chunk_of(tmp_path / "spool", [request([span]) for span in spans])

    drain_all(tmp_path / "spool", processor.process)
    letters = sorted((folder / "dead").glob("*.pb"))
    assert len(letters) == 2
    assert stored(store) == (18, 18, 20)
    reason = letters[0].with_suffix(".reason").read_text()
    assert "no_poison" in reason.splitlines()[0]
    assert "already in sli_slices" in reason

    store.client.command(ALLOW)
    # The window in which ClickHouse remembers tokens is over by the time a human looks.
    store.client.command("ALTER TABLE sli_slices MODIFY SETTING non_replicated_deduplication_window = 0")
    for letter in letters:
        retry(letter)
    drain_all(tmp_path / "spool", processor.process)
    assert stored(store) == (20, 20, 20)
    assert not list(folder.rglob("*.pb"))


def test_a_request_that_is_alone_in_its_chunk_is_not_counted_again_either(
    store: Store, processor: ChunkProcessor, tmp_path: Path
) -> None:
    """What the tables have of it stands in the dead letter itself."""
    store.client.command(REFUSE)
    folder = chunk_of(tmp_path / "spool", [request([FakeSpan(name="poison", attributes={"n": 1})])])
    drain_all(tmp_path / "spool", processor.process)
    assert stored(store) == (0, 0, 1)
    store.client.command(ALLOW)
    store.client.command("ALTER TABLE sli_slices MODIFY SETTING non_replicated_deduplication_window = 0")
    retry(folder / "dead" / f"{ID}.pb")
    drain_all(tmp_path / "spool", processor.process)
    assert stored(store) == (1, 1, 1)


def test_an_insert_that_is_refused_leaves_nothing_behind_however_many_rows_it_has(store: Store) -> None:
    """Or its first rows would come again under the ids of the halves."""
    store.client.command(
        "CREATE TABLE numbers (N UInt64, CONSTRAINT small CHECK N < 3000000) ENGINE = MergeTree ORDER BY N "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    body = "\n".join(map(str, range(3_000_001))).encode()
    with pytest.raises(PermanentError, match="small"):
        store.client.insert("numbers", ["N"], body, "TSV", token="a")
    assert store.client.query("SELECT count() AS n FROM numbers").to_pylist() == [{"n": 0}]
