"""What an HTTP request asks of ClickHouse: who asks, and for which statement.

In: a request's line, headers, URL parameters and body chunks. Out: an `Account`, a `Statement`. Pure: no I/O in here.
Credentials are compared in constant time and are never part of an error's text.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from itertools import accumulate

from exporters.clickhouse.embedded.engine import Statement
from exporters.clickhouse.embedded.errors import Code, refusal
from exporters.clickhouse.embedded.statement import split_insert

_DEFAULT_FORMAT = "TabSeparated"
_CUSTOM_SERIALIZATION = 54454
_HEAD_BYTES = 256 << 10  # ClickHouse's max_query_size: an INSERT's text ends before this, its data go on

# What the URL says to HTTP itself. Every other parameter is a setting.
_NOT_SETTINGS = frozenset(
    {
        *("query", "database", "default_format", "user", "password", "role", "quota_key", "stacktrace"),
        *("query_id", "session_id", "session_timeout", "session_check", "close_session"),
        *("compress", "decompress", "wait_end_of_query", "client_protocol_version", "buffer_size"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request's line and headers, names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    url: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Someone who may ask, known by a digest so that no password stays in memory."""

    digest: bytes = field(repr=False)
    may_write: bool
    role: str = ""

    @classmethod
    def of(cls, username: str, password: str, *, may_write: bool, role: str = "") -> "Account":
        return cls(digest=_digest(username, password), may_write=may_write, role=role)


def authenticate(request: Request, accounts: Sequence[Account]) -> Account:
    """The account whose name and password the request gives: Basic, else X-ClickHouse-User, else the URL's user.

    Raises:
        EngineError: REQUIRED_PASSWORD where none is given, AUTHENTICATION_FAILED where no account has it.
    """
    credentials = _credentials(request)
    if credentials is None:
        raise refusal(Code.REQUIRED_PASSWORD, "Authentication required: give a user and a password")
    digest = _digest(*credentials)
    matches = [account for account in accounts if hmac.compare_digest(account.digest, digest)]
    if not matches:
        raise refusal(Code.AUTHENTICATION_FAILED, "Authentication failed: wrong password, or no such user")
    return matches[0]


def statement_of(request: Request, body: Sequence[bytes], account: Account, database: str) -> Statement:
    """The statement a request asks for; `database` is where it runs unless the request names another.

    Raises:
        EngineError: the request speaks a dialect that is not spoken here.
    """
    url, chunks = dict(request.url), list(body)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        url |= _form_fields(request.headers["content-type"], b"".join(chunks))
        chunks = []
    if url.get("compress") == "1" or url.get("decompress") == "1":
        raise refusal(Code.NOT_IMPLEMENTED, "compress=1 is not supported here, use Content-Encoding instead")
    sql, data = _parted(url.get("query", "").encode(errors="surrogateescape"), chunks)
    insert = split_insert(sql)
    if insert is None:
        sql, data = b"".join((sql, *data)), []
    else:
        sql, data = sql[: insert.data_at], [sql[insert.data_at :], *data]
    return Statement(
        sql=sql,
        insert=insert,
        data=data,
        may_write=account.may_write and request.method == "POST",
        role=account.role,
        database=url.get("database") or request.headers.get("x-clickhouse-database") or database,
        format=_word(url.get("default_format") or request.headers.get("x-clickhouse-format") or _DEFAULT_FORMAT),
        settings={k: v for k, v in url.items() if k not in _NOT_SETTINGS and not k.startswith("param_")},
        parameters={k.removeprefix("param_"): v for k, v in url.items() if k.startswith("param_")},
    )


def check_revision(request: Request, output_format: str) -> None:
    """Refuse to answer in Native blocks other than those the client says it reads.

    Since revision 54454 (DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION) every column begins with a byte that the engine,
    being no server, leaves out.
    """
    revision = request.url.get("client_protocol_version", "0")
    is_read = re.fullmatch(r"\d{1,6}", revision, re.ASCII) and int(revision) < _CUSTOM_SERIALIZATION
    if output_format == "Native" and not is_read:
        text = f"Native blocks of client_protocol_version {revision} are not supported here, ask for another format"
        raise refusal(Code.NOT_IMPLEMENTED, text)


def _parted(query: bytes, chunks: list[bytes]) -> tuple[bytes, list[bytes]]:
    """The text in which the statement's keywords stand, and the chunks behind it."""
    if query:
        return query + b"\n", chunks
    ends = accumulate(len(chunk) for chunk in chunks)
    count = next((n for n, end in enumerate(ends, 1) if end >= _HEAD_BYTES), len(chunks))
    return b"".join(chunks[:count]), chunks[count:]


def _word(name: str) -> str:
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise refusal(Code.UNKNOWN_FORMAT, "Unknown format: expected a name of letters, digits and _")
    return name


def _credentials(request: Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return _basic(value)
    if "x-clickhouse-user" in request.headers:
        return request.headers["x-clickhouse-user"], request.headers.get("x-clickhouse-key", "")
    if "user" in request.url:
        return request.url["user"], request.url.get("password", "")
    return None


def _basic(value: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise refusal(Code.AUTHENTICATION_FAILED, "Authentication failed: expected base64 of user:password") from None
    return name, password


def _digest(username: str, password: str) -> bytes:
    text = f"{len(username)}:{username}:{password}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """Name and text of each field of a multipart form (RFC 7578)."""
    boundary = _header_parameter(content_type, "boundary")
    if not boundary:
        raise refusal(Code.BAD_ARGUMENTS, "expected a boundary in the Content-Type of a multipart form, got none")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:-1]
    return dict(_form_field(part) for part in parts)


def _form_field(part: bytes) -> tuple[str, str]:
    head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    disposition = next(_lines_with(head, b"content-disposition:"), "")
    name = _header_parameter(disposition, "name")
    if name != "query" and not name.startswith("param_"):
        raise refusal(Code.NOT_IMPLEMENTED, f"external data are not supported here, got a form field {name!r}")
    return name, value.decode(errors="surrogateescape")


def _lines_with(head: bytes, prefix: bytes) -> Iterator[str]:
    return (line.decode(errors="replace") for line in head.split(b"\r\n") if line.lower().startswith(prefix))


def _header_parameter(header: str, name: str) -> str:
    message = Message()
    message["Content-Type"] = header.partition(":")[2] if header.lower().startswith("content-disposition") else header
    return str(message.get_param(name, ""))
