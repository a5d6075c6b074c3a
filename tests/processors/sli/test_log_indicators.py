"""Log records counted like requests."""

from typing import Any

from fixtures.otlp_bodies import as_bytes, request_of
from fixtures.spans import NOON_NS
from pipeline.batch import Batch
from processors.sli.indicator import Indicator
from processors.sli.selector import Selector
from processors.sli.slices import SliceCounter
from receivers.otlp.signals import LOGS

NOON_S = NOON_NS // 10**9


def logs(**where: Any) -> Selector:
    return Selector.model_validate({"signal": "logs", "where": where})


PAYING = Indicator(
    name="paying",
    generation="1",
    valid=logs(**{"resource.service.name": "payment"}),
    bad=logs(**{"or": [{"severity": "error"}, {"body": {"regex": "APP-ERR-SEV1-946"}}]}),
)


def counted(records: list[dict[str, Any]], received_ns: int = NOON_NS + 10**10) -> list[dict[str, Any]]:
    resource = [{"key": "service.name", "value": {"string_value": "payment"}}]
    body = request_of("logs", as_bytes(records), as_bytes(resource))
    batch = Batch(chunk_id="c", received_ns=received_ns, tables=LOGS.tables(body, received_ns))
    rows: list[dict[str, Any]] = SliceCounter([PAYING]).count(batch).records.to_pylist()
    return rows


def record(text: str = "paid", at_ns: int = NOON_NS, **fields: Any) -> dict[str, Any]:
    return {"body": {"string_value": text}, "time_unix_nano": at_ns, **fields}


def test_a_record_is_bad_by_its_severity_or_by_a_pattern_in_its_body() -> None:
    """Either is enough, and the trace it belongs to is evidence."""
    sev1 = record("2026 APP-ERR-SEV1-946: card declined", trace_id=b"\1" * 16)
    (row,) = counted([record(), record(severity_number=17), sev1, record(severity_number=9)])
    assert (row["Good"], row["Valid"], row["BadTraceIds"]) == (2, 4, ["01" * 16])


def test_a_record_counts_when_it_happened_else_when_it_was_observed() -> None:
    """A record without any time counts when it was received; one from the future too."""
    moments = [
        record(at_ns=NOON_NS - 10**10),
        record(at_ns=0, observed_time_unix_nano=NOON_NS - 5 * 10**10),
        record(at_ns=0),
        record(at_ns=NOON_NS + 10**13),
    ]
    slices = {row["Slice"] - NOON_S: row["Valid"] for row in counted(moments)}
    assert slices == {-10: 1, -50: 1, 10: 2}
