"""Whether a span succeeded, by OpenTelemetry's semantic conventions, in their old and new names.

    1. An HTTP status code decides: 500 and above is a failure, for a client 400 and above.
    2. Else an RPC status code decides: for a server the codes that say the server is at fault, for a client all but OK.
       JSON-RPC has codes for errors only.
    3. Else `error.type`, wherever it stands, is a failure; so it is for messages. Who cancels a request on purpose sets
       neither a code nor a type.
    4. A span status of Error is a failure too, unless a 4xx code says that a server refused a bad request.

Sources: semantic conventions http-spans, rpc-spans (grpc, connect), recording-errors.
"""

from collections.abc import Callable

import numpy as np

from processors.sli.columns import Mask, SpanColumns

HTTP_CODES = ("span.http.response.status_code", "span.http.status_code")
JSONRPC_CODE = "span.rpc.jsonrpc.error_code"
RPC_CODES = (
    *("span.rpc.status_code", "span.rpc.response.status_code", "span.rpc.grpc.status_code"),
    *("span.rpc.connect_rpc.error_code", JSONRPC_CODE),
)
RPC_SYSTEMS, JSONRPC = ("span.rpc.system.name", "span.rpc.system"), "jsonrpc"
RPC_OK = frozenset({"0", "ok"})
# The same six as numbers, and as gRPC and Connect spell them
RPC_SERVER_FAULTS = frozenset(
    {"2", "4", "12", "13", "14", "15"}
    | {"unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss"}
)
CLIENT_ERROR, SERVER_ERROR, CODES_END = 400, 500, 1_000


def failures(columns: SpanColumns) -> Mask:
    """Which spans failed."""
    client = columns.words("kind").mask(lambda kind: kind == "client")
    error_type = columns.words("span.error.type").mask(_present)
    error_status = columns.words("status").mask(lambda status: status == "error")
    http = _any(columns, HTTP_CODES, _code_from(100))
    refused = _any(columns, HTTP_CODES, _code_from(CLIENT_ERROR))
    broken = _any(columns, HTTP_CODES, _code_from(SERVER_ERROR))
    rpc = _any(columns, RPC_CODES, _present)
    jsonrpc = rpc & _any(columns, RPC_SYSTEMS, lambda system: system == JSONRPC)
    jsonrpc |= columns.words(JSONRPC_CODE).mask(_present)
    rpc_fault = jsonrpc | _any(columns, RPC_CODES, _server_fault)
    rpc_not_ok = jsonrpc | _any(columns, RPC_CODES, _not_ok)
    by_http = np.where(client, refused, broken)
    by_rpc = np.where(client, rpc_not_ok, rpc_fault)
    failed = np.where(http, by_http, np.where(rpc, by_rpc, error_type))
    return np.asarray(failed | (error_status & ~(refused & ~client) & ~(rpc & ~rpc_fault & ~client)), np.bool_)


def _any(columns: SpanColumns, fields: tuple[str, ...], test: Callable[[str | None], bool]) -> Mask:
    mask = np.zeros(len(columns), np.bool_)
    for field in fields:
        mask |= columns.words(field).mask(test)
    return mask


def _present(value: str | None) -> bool:
    return bool(value)


def _code_from(lowest: int) -> Callable[[str | None], bool]:
    return lambda value: value is not None and value.isdecimal() and lowest <= int(value) < CODES_END


def _server_fault(value: str | None) -> bool:
    return value is not None and value.lower() in RPC_SERVER_FAULTS


def _not_ok(value: str | None) -> bool:
    return bool(value) and str(value).lower() not in RPC_OK
