"""`andon rehearse`: what would our promises say if traffic went like this?

In: a folder with `andon.yaml`, its objectives, and `timeline.yaml`: made-up traffic. Out: every change of a promise and
of an incident, with its time since the start. It runs the real thing, from OTLP bytes through decoding, counting and
ClickHouse to the evaluator, in a store of its own and on a clock that is turned by hand: an hour takes seconds, and the
same folder always gives the same answer.
"""

import json
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import BeforeValidator, Field, SecretStr

from exporters.clickhouse.client import ClickHouseConfig, Client, Credentials
from exporters.clickhouse.embedded import EmbeddedClickHouse, EmbeddedSettings
from exporters.clickhouse.migrate import migrate
from exporters.clickhouse.tables import RECEIVER_LEDGER
from pipeline.assembly import Assembly
from pipeline.clock import NS_PER_S, FakeClock, to_ns
from pipeline.config import Config, DurationNs, load, section, written
from pipeline.evaluate import Evaluator
from pipeline.lane import ChunkProcessor
from pipeline.passage import unwatched
from processors.sli.slices import SLICE_NS, SLICE_S, SliceCounter
from processors.slo.documents import load_objectives
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from receivers.otlp.limits import DEFAULT
from receivers.otlp.signals import TRACES

TIMELINE = "timeline.yaml"
WORKER = "rehearsal"
CHANGES_SQL = """
    SELECT * FROM
    (
        SELECT At, 'breach' AS kind, Since AS since, Event AS detail,
            toJSONString(map('promise', Promise, 'event', Event, 'state', State)) AS facts
        FROM breaches
        UNION ALL
        SELECT At, 'incident', StartedAt, Service,
            toJSONString(map('incident', toString(Service), 'state', toString(State), 'impact', toString(Impact)))
        FROM incidents
        UNION ALL
        SELECT ClosedAt, 'period', PeriodStart, Promise,
            toJSONString(map('closed', Promise, 'period', Period, 'verdict', toString(Verdict),
                'good', Good, 'eligible', Eligible, 'coverage', toString(round(Coverage, 6)),
                'downtime_s', toString(DowntimeS), 'credit', toString(CreditShare),
                'broken_at', JSONExtractString(Record, 'broken_at')))
        FROM period_results
    )
    ORDER BY At, kind, facts"""


def parse_share(value: object) -> Fraction:
    """`0.25`, `1/3`, exactly.

    Raises:
        ValueError: saying what a share looks like.
    """
    try:
        share = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        share = Fraction(-1)
    if not 0 <= share <= 1:
        raise ValueError("a share between 0 and 1, such as 0.25 or 1/3")
    return share


def parse_moment(value: object) -> datetime:
    """`2026-11-01T10:00:00Z`, an aware time.

    Raises:
        ValueError: saying what a moment looks like.
    """
    expected = ValueError("a time with its zone, such as 2026-11-01T10:00:00Z")
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise expected from None
    if moment.tzinfo is None:
        raise expected
    return moment.astimezone(UTC)


class Traffic(Config):
    """A steady stream of server spans of one service."""

    service: str
    per_second: Annotated[Fraction, BeforeValidator(lambda value: Fraction(str(value)))]
    from_: DurationNs = Field("0s", alias="from")  # type: ignore[assignment]  # spelled as users spell it
    to: DurationNs | None = None
    failing: Annotated[Fraction, BeforeValidator(parse_share)] = Fraction(0)
    took: DurationNs = written("50ms")
    late: DurationNs = written("0s")
    name: str = "GET /"
    attributes: dict[str, str] = section()


class Deaf(Config):
    """A time in which nobody listens: what is sent then is lost, and the ledger says so."""

    from_: DurationNs = Field(alias="from")
    to: DurationNs


class Timeline(Config):
    """What is rehearsed. Before `start` receivers listened for `heard_for`, and nothing came."""

    start: Annotated[datetime, BeforeValidator(parse_moment)]
    duration: DurationNs
    step: DurationNs = written("10s")
    heard_for: DurationNs = written("35d")
    traffic: list[Traffic]
    deaf: tuple[Deaf, ...] = Field((), strict=False)
    restarts: tuple[DurationNs, ...] = Field((), strict=False)

    def restarts_in(self, start_ns: int, end_ns: int) -> bool:
        """Whether the evaluator is started again in a step."""
        return any(start_ns < one <= end_ns for one in self.restarts)

    def hears(self, elapsed_ns: int) -> bool:
        """Whether anybody listens in the step that ends so long after the start."""
        return not any(one.from_ < elapsed_ns <= one.to for one in self.deaf)


class Rehearsal:
    """One run: made-up requests in, what became of them out."""

    def __init__(self, folder: Path, client: Client) -> None:
        assembly = Assembly(folder / "andon.yaml")
        objectives = load_objectives(assembly.config.objectives)
        self._timeline = load(folder / TIMELINE)[0].parse(Timeline)
        self._client = client
        self._clock = FakeClock(self._timeline.start)
        self._ingest = ChunkProcessor(
            TRACES,
            limits=DEFAULT,
            counter=SliceCounter(objectives.indicators),
            stored=StoredData(ProcessorsConfig(), objectives.indicators),
            client=client,
            telemetry=unwatched(self._clock),
        )
        self._settings = assembly.config.evaluate
        self._objectives = objectives
        self._evaluator = self._started()

    def _started(self) -> Evaluator:
        """An evaluator that knows nothing but what is stored."""
        client = self._client
        return Evaluator(self._objectives, client.query, client.write, self._clock, self._settings)

    def play(self) -> list[dict[str, Any]]:
        """Every change, in the order of time."""
        timeline = self._timeline
        start_ns, step_ns = to_ns(timeline.start), timeline.step
        self._listened(start_ns - timeline.heard_for, start_ns)
        for now_ns in range(start_ns + step_ns, start_ns + timeline.duration + 1, step_ns):
            self._clock.advance(step_ns / NS_PER_S)
            if timeline.hears(now_ns - start_ns):
                self._listened(now_ns - step_ns, now_ns)
                message = request(timeline, start_ns, now_ns)
                if message.resource_spans:
                    self._ingest.store(str(now_ns), now_ns, message.SerializeToString())
            if timeline.restarts_in(now_ns - step_ns - start_ns, now_ns - start_ns):
                self._evaluator = self._started()
            self._evaluator.tick()
        return [*self._changes()]

    def _listened(self, start_ns: int, end_ns: int) -> None:
        """Say in the ledger that somebody listened."""
        slices = (end_ns - start_ns) // SLICE_NS
        self._client.command(
            f"INSERT INTO {RECEIVER_LEDGER.name} (Worker, Signal, Slice, ListeningMs, StoredUntil) "  # noqa: S608
            f"SELECT '{WORKER}', '{TRACES.name}', toDateTime({start_ns // NS_PER_S} + {SLICE_S} * number, 'UTC'), "
            f"{1_000 * SLICE_S}, toDateTime({end_ns // NS_PER_S}, 'UTC') FROM numbers({slices})"
        )

    def _changes(self) -> Iterator[dict[str, Any]]:
        for row in self._client.query(CHANGES_SQL).to_pylist():
            at, facts = self._offset(row["At"]), json.loads(row["facts"])
            if row["kind"] == "incident":
                facts["started"] = self._offset(row["since"])
            yield {"at": at, **facts}

    def _offset(self, moment: datetime) -> str:
        return offset(moment - self._timeline.start)


def rehearse(folder: Path) -> list[dict[str, Any]]:
    """Play the timeline in `folder` in a store of its own.

    Raises:
        ConfigError: with every problem in its files.
    """
    load(folder / TIMELINE)[0].parse(Timeline)
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


def request(timeline: Timeline, start_ns: int, now_ns: int) -> ExportTraceServiceRequest:
    """The spans received in the step that ends at `now_ns`."""
    message = ExportTraceServiceRequest()
    for stream in timeline.traffic:
        first_ns = start_ns + stream.from_ + stream.late
        last_ns = start_ns + (timeline.duration if stream.to is None else stream.to) + stream.late
        begin = events_until(stream, max(now_ns - timeline.step, first_ns) - first_ns)
        end = events_until(stream, min(now_ns, last_ns) - first_ns)
        if end > begin:
            resource_spans = message.resource_spans.add()
            resource_spans.resource.attributes.append(_text("service.name", stream.service))
            spans = (span(stream, number, first_ns - stream.late) for number in range(begin, end))
            resource_spans.scope_spans.add().spans.extend(spans)
    return message


def events_until(stream: Traffic, elapsed_ns: int) -> int:
    """How many requests of a stream are over `elapsed_ns` after it began."""
    return int(stream.per_second * elapsed_ns / NS_PER_S)


def span(stream: Traffic, number: int, first_ns: int) -> Span:
    """The request of that number; failures are spread evenly."""
    end_ns = first_ns + int(Fraction(number * NS_PER_S) / stream.per_second)
    failed = int((number + 1) * stream.failing) > int(number * stream.failing)
    code = KeyValue(key="http.response.status_code", value=AnyValue(int_value=500 if failed else 200))
    return Span(
        trace_id=secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        name=stream.name,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=end_ns - stream.took,
        end_time_unix_nano=end_ns,
        attributes=[code, *(_text(key, value) for key, value in stream.attributes.items())],
    )


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def offset(elapsed: timedelta) -> str:
    """`2m10s`: how long after the start."""
    seconds = int(elapsed.total_seconds())
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if n) or "0s"
