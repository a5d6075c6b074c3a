"""Who may send what: the tokens that open the doors, and the tenant that each of them speaks for.

In: the value of an `authorization` header. Out: a `Grant`, or `UnauthenticatedError`. Promised: tokens are held as
digests; what is looked up is the digest of what came, of which a sender cannot choose the bytes, so the time taken
tells nothing. A `tokens_file` that changes is in force within `POLL_S`; a broken one leaves the last good one in force,
and is told of once.

The digest is a plain sha256: a slow, salted hash protects secrets that can be guessed, and a token is 256 random bits.
"""

import hashlib
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.background import Background
from pipeline.clock import Clock, to_ns
from pipeline.config import Config, load, one_problem
from pipeline.errors import ConfigError, Problem
from receivers.otlp.config import AuthConfig, Tenant, tenant_name
from receivers.otlp.files import signature
from receivers.otlp.status import UnauthenticatedError

log = logging.getLogger("andon")

BEARER = "bearer"
POLL_S = 1.0
TOKEN_BYTES = 32
SignalName = Literal["traces", "metrics", "logs"]
ALL_SIGNALS: tuple[SignalName, ...] = ("traces", "metrics", "logs")


def _moment(value: object) -> int:
    if isinstance(value, str):
        try:
            return to_ns(datetime.fromisoformat(value))
        except ValueError:
            pass
    raise ValueError("a time with its zone, such as 2026-11-22T10:00:00Z")


def _sha256(value: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", value):
        return value.lower()
    raise ValueError("the sha256 of a token in 64 hexadecimal digits; `andon token new` makes both")


MomentNs = Annotated[int, BeforeValidator(_moment)]


class TokenConfig(Config):
    """One token, by its digest. A tenant may have several, so that they can be changed one after the other."""

    tenant: Tenant
    sha256: Annotated[str, AfterValidator(_sha256)]
    signals: tuple[SignalName, ...] = Field(default=ALL_SIGNALS, strict=False)
    not_before: MomentNs | None = None
    expires: MomentNs | None = None


class TokensFile(Config):
    """What a `tokens_file` holds."""

    tokens: tuple[TokenConfig, ...] = Field(strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token allows: to send `signals` as `tenant`, or as nobody in particular."""

    tenant: str = ""
    signals: tuple[str, ...] = ALL_SIGNALS
    not_before_ns: int = 0
    expires_ns: int | None = None

    def is_valid(self, now_ns: int) -> bool:
        """Whether it holds at this time."""
        return self.not_before_ns <= now_ns and (self.expires_ns is None or now_ns < self.expires_ns)


EVERYBODY = Grant()


class Tokens:
    """The tokens in force."""

    def __init__(self, auth: AuthConfig, clock: Clock) -> None:
        """Read the tokens.

        Raises:
            ConfigError: the file of tokens is not what it should be.
        """
        self._clock = clock
        self._file = auth.tokens_file
        self._plain = {_digest(token.get_secret_value()): EVERYBODY for token in auth.bearer_tokens}
        self._asks = auth.asks
        self._seen = signature([self._file] if self._file else [])
        self._grants = self._read()
        self._background = Background("otlp-tokens", self._poll)

    def start(self) -> None:
        """Look after the file from now on."""
        if self._file is not None:
            self._background.start()

    def shutdown(self) -> None:
        self._background.shutdown()

    def grant(self, authorization: str | None) -> Grant:
        """What the header's value allows; everything if no token is asked for.

        Raises:
            UnauthenticatedError: it shows no token that is known and valid now.
        """
        if not self._asks:
            return EVERYBODY
        scheme, _, token = (authorization or "").partition(" ")
        given = _digest(token.strip())
        grant = self._grants.get(given)
        if grant is not None and scheme.lower() == BEARER and grant.is_valid(self._clock.now_ns()):
            return grant
        raise UnauthenticatedError("expected `authorization: Bearer` with a valid token, got no such")

    def reload(self) -> None:
        """Read the file again if it changed."""
        if self._file is None or (seen := signature([self._file])) == self._seen:
            return
        self._seen = seen
        try:
            self._grants = self._read()
        except ConfigError as error:
            log.warning("the tokens before stay in force: %s", error)
        else:
            log.info("%s: %d tokens are in force", self._file, len(self._grants) - len(self._plain))

    def _poll(self) -> None:
        while not self._background.stopping.wait(POLL_S):
            self.reload()

    def _read(self) -> Mapping[bytes, Grant]:
        return {**self._plain, **(read_tokens(self._file) if self._file else {})}


def read_tokens(path: Path) -> Mapping[bytes, Grant]:
    """The grants in a file of tokens, by the digests of their tokens.

    Raises:
        ConfigError: it is not such a file. What stands where a digest should is not repeated: it may be a token.
    """
    documents = load(path)
    if len(documents) != 1:
        raise one_problem(path, expected="one YAML document", got=str(len(documents)))
    try:
        tokens = documents[0].parse(TokensFile).tokens
    except ConfigError as error:
        raise ConfigError([_discreet(problem) for problem in error.problems]) from None
    grants: dict[bytes, Grant] = {}
    for number, token in enumerate(tokens):
        digest = bytes.fromhex(token.sha256)
        if digest in grants:
            problem = documents[0].problem(("tokens", number, "sha256"), expected="each token once")
            raise ConfigError([problem])
        grants[digest] = Grant(
            tenant=token.tenant,
            signals=token.signals,
            not_before_ns=token.not_before or 0,
            expires_ns=token.expires,
        )
    return grants


def new_token(tenant: str) -> tuple[str, str]:
    """A fresh token for `tenant`, and the lines of a tokens file that make it known.

    Raises:
        ConfigError: no tenant can have that name.
    """
    try:
        name = tenant_name(tenant)
    except ValueError as error:
        raise one_problem(Path("--tenant"), expected=str(error), got=repr(tenant)) from None
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, f"  - tenant: {name}\n    sha256: {_digest(token).hex()}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _discreet(problem: Problem) -> Problem:
    return replace(problem, got="something else") if "sha256" in problem.path else problem
