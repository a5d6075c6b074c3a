"""The examples of opentelemetry-proto give the rows that are written down beside them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from fixtures.otlp_reference import Tables, decoded
from receivers.otlp import json as otlp_json
from receivers.otlp.signals import LOGS, METRICS, TRACES, Signal

EXAMPLES = Path(__file__).parents[2] / "fixtures" / "otlp_examples"
SIGNALS = {"trace": TRACES, "metrics": METRICS, "logs": LOGS, "events": LOGS}
ID_FIELDS = ("traceId", "spanId", "parentSpanId")


def from_json(example: str, signal: Signal) -> bytes:
    """By our own reading of OTLP's JSON."""
    return otlp_json.to_protobuf((EXAMPLES / f"{example}.json").read_bytes(), signal.request)


def from_protobuf(example: str, signal: Signal) -> bytes:
    """By protobuf's, which takes ids in base64 only."""
    document = json.loads((EXAMPLES / f"{example}.json").read_text(), object_hook=_ids_in_base64)
    message: Any = json_format.ParseDict(document, signal.request())
    return bytes(message.SerializeToString())


def _ids_in_base64(document: dict[str, Any]) -> dict[str, Any]:
    return {
        key: base64.b64encode(bytes.fromhex(value)).decode() if key in ID_FIELDS else value
        for key, value in document.items()
    }


@pytest.mark.parametrize("example", SIGNALS)
def test_c01_the_examples_give_their_golden_rows_as_json_and_as_protobuf(example: str) -> None:
    """Every column of every row, written down in `<example>.rows.json`."""
    signal = SIGNALS[example]
    golden = json.loads((EXAMPLES / f"{example}.rows.json").read_text())
    assert readable(decoded(signal, from_json(example, signal))) == golden
    assert readable(decoded(signal, from_protobuf(example, signal))) == golden


def readable(tables: Tables) -> Any:
    """Rows as JSON has them: a map is a list of pairs, and a double the text that it is spelled as."""
    return json.loads(json.dumps(tables))
