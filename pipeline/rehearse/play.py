"""`andon rehearse`: what would our promises say if traffic went like this?

In: a folder with `andon.yaml`, its objectives, and `timeline.yaml`: made-up traffic. Out: every change of a promise and
of an incident, with its time since the start. It runs the real thing, from OTLP bytes through decoding, counting and
ClickHouse to the evaluator, in a store of its own and on a clock that is turned by hand: an hour takes seconds, and the
same folder always gives the same answer.
"""

import secrets
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from exporters.clickhouse.client import ClickHouseConfig, Client, Credentials
from exporters.clickhouse.embedded import EmbeddedClickHouse, EmbeddedSettings
from exporters.clickhouse.migrate import migrate
from exporters.clickhouse.tables import RECEIVER_LEDGER
from pipeline.assembly import Assembly
from pipeline.clock import NS_PER_S, FakeClock, to_ns
from pipeline.config import load
from pipeline.evaluate import Evaluator
from pipeline.lane import ChunkProcessor
from pipeline.passage import unwatched
from pipeline.rehearse.changes import read_changes
from pipeline.rehearse.timeline import Timeline
from pipeline.rehearse.traffic import received
from processors.sli.slices import SLICE_NS, SLICE_S, SliceCounter
from processors.slo.documents import load_objectives
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from receivers.otlp.limits import DEFAULT
from receivers.otlp.signals import SIGNALS, Signal

TIMELINE = "timeline.yaml"
WORKER = "rehearsal"


class Rehearsal:
    """One run: made-up requests in, what became of them out."""

    def __init__(self, folder: Path, client: Client, timeline: Timeline | None = None) -> None:
        assembly = Assembly(folder / "andon.yaml")
        self._timeline = timeline or read_timeline(folder)
        self._objectives = load_objectives(assembly.config.objectives)
        self._settings = assembly.config.evaluate
        self._client = client
        self._clock = FakeClock(self._timeline.start)
        self._signals = sorted({indicator.signal for indicator in self._objectives.indicators})
        self._ingest = {signal.name: self._processor(signal) for signal in SIGNALS}
        self._evaluator = self._started()

    def _processor(self, signal: Signal) -> ChunkProcessor:
        indicators = self._objectives.indicators
        return ChunkProcessor(
            signal,
            limits=DEFAULT,
            counter=SliceCounter(indicators),
            stored=StoredData(ProcessorsConfig(), indicators),
            client=self._client,
            telemetry=unwatched(self._clock),
        )

    def _started(self) -> Evaluator:
        """An evaluator that knows nothing but what is stored."""
        client = self._client
        return Evaluator(self._objectives, client.query, client.write, self._clock, self._settings)

    def play(self) -> list[dict[str, Any]]:
        """Every change, in the order of time."""
        timeline = self._timeline
        self._listened(-timeline.heard_for, 0)
        for since_ns, until_ns in pairwise([0, *timeline.moments()]):
            self._clock.advance((until_ns - since_ns) / NS_PER_S)
            if timeline.hears(until_ns):
                self._hear(since_ns, until_ns)
            if until_ns in timeline.restarts:
                self._evaluator = self._started()
            self._evaluator.tick()
        return read_changes(self._client.query, timeline.start)

    def _hear(self, since_ns: int, until_ns: int) -> None:
        """Take in what is sent."""
        self._listened(since_ns, until_ns)
        for signal, message in received(self._timeline, since_ns, until_ns):
            self._ingest[signal.name].store(str(until_ns), self._clock.now_ns(), message.SerializeToString())

    def _listened(self, since_ns: int, until_ns: int) -> None:
        """Say in the ledger that somebody listened to what is counted."""
        start_s, end_s = ((to_ns(self._timeline.start) + edge_ns) // NS_PER_S for edge_ns in (since_ns, until_ns))
        self._client.command(
            f"INSERT INTO {RECEIVER_LEDGER.name} (Worker, Signal, Slice, ListeningMs, StoredUntil) "  # noqa: S608
            f"SELECT '{WORKER}', arrayJoin({self._signals}), toDateTime({start_s} + {SLICE_S} * number, 'UTC'), "
            f"{1_000 * SLICE_S}, toDateTime({end_s}, 'UTC') FROM numbers({(until_ns - since_ns) // SLICE_NS})"
        )


def read_timeline(folder: Path) -> Timeline:
    """What is to happen.

    Raises:
        ConfigError: with every problem in the file.
    """
    return load(folder / TIMELINE)[0].parse(Timeline)


def rehearse(folder: Path) -> list[dict[str, Any]]:
    """Play the timeline in `folder` in a store of its own.

    Raises:
        ConfigError: with every problem in its files.
    """
    read_timeline(folder)
    with tempfile.TemporaryDirectory(prefix="andon-rehearsal-") as directory:
        password = secrets.token_hex(16)
        settings = EmbeddedSettings(
            port=0, directory=Path(directory), password=password, readonly_password=secrets.token_hex(16)
        )
        engine = EmbeddedClickHouse(settings)
        try:
            engine.start()
            user = Credentials(username=settings.username, password=SecretStr(password))
            client = Client(ClickHouseConfig(endpoint=engine.address), user)
            migrate(client)
            return Rehearsal(folder, client).play()
        finally:
            engine.shutdown()
