"""The one door behind both transports: what is let in is safe on disk when `admit` returns.

In: the protobuf bytes of one request. Out: an `Outcome`, or an error that `status.py` turns into an answer. Promised:
what is admitted is well-formed, so no later reader of the spool can choke on it; an acknowledged span is in the spool;
every item is counted once in the ledger: accepted, refused or shed. A request whose items cannot be counted is one.
"""

import hashlib
import hmac

from pipeline.clock import Clock
from pipeline.errors import PermanentError, RetryableError
from pipeline.ledger import Ledger
from pipeline.spool import Spool
from receivers.otlp.config import OtlpConfig
from receivers.otlp.signals import TRACES, Scan
from receivers.otlp.status import Outcome, TooLargeError, UnauthenticatedError
from receivers.otlp.wire import ITEM_ROWS

BEARER = "bearer"
INVALID, BUG = "invalid", "internal"  # why items are refused, where no error says it
# What repeating resource and scope for every span may come to, in requests of the greatest size: a request of few bytes
# can otherwise ask for any number of rows of any width.
MAX_INHERITED_REQUESTS = 16


class Admission:
    """Token, size, form, room, in this order."""

    def __init__(self, config: OtlpConfig, spool: Spool, ledger: Ledger, clock: Clock) -> None:
        self.max_request_bytes = config.max_request_bytes
        self.ledger = ledger
        self._digests = [_digest(token.get_secret_value()) for token in config.auth.bearer_tokens]
        self._spool = spool
        self._clock = clock

    def authorize(self, authorization: str | None) -> None:
        """Pass if no token is asked for, or the header's value shows one of them.

        Raises:
            UnauthenticatedError: neither is so.
        """
        if self._digests and not self._is_known(authorization or ""):
            raise UnauthenticatedError("expected `authorization: Bearer` with a valid token, got no such")

    def admit(self, body: bytes) -> Outcome:
        """Check `body`, and store it if it holds anything; an empty request is a success.

        Raises:
            PermanentError: it is malformed or too large.
            RetryableError: there is no room for it now.
        """
        received_ns = self._clock.now_ns()
        items = 1
        try:
            self.check_size(len(body))
            scan = TRACES.scan(body)
            items = scan.items
            accepted = scan.accepted
            self._check_width(scan)
            if accepted:
                self._spool.append(body if scan.canonical else TRACES.normalise(body), received_ns)
        except RetryableError as error:
            self._count(received_ns, shed=items, reason=error.reason)
            raise
        except Exception as error:
            self._count(received_ns, refused=items, reason=error.reason if isinstance(error, PermanentError) else BUG)
            raise
        self._count(received_ns, accepted=accepted, refused=scan.rejected, reason=INVALID)
        return Outcome(accepted=accepted, rejected=scan.rejected, message=_why(scan))

    def check_size(self, size: int) -> None:
        """Pass if a request may have `size` bytes.

        Raises:
            TooLargeError: it may not.
        """
        if size > self.max_request_bytes:
            raise TooLargeError(f"expected at most {self.max_request_bytes} bytes, inflated or not, got more")

    def requested(self, transport: str) -> None:
        """Count a request, by how it came."""
        self.ledger.requested(self._spool.signal, transport)

    def refused(self, error: PermanentError) -> None:
        """Count a request that a transport refused before its items could be counted."""
        self._count(self._clock.now_ns(), refused=1, reason=error.reason)

    def shed(self, error: RetryableError) -> None:
        """Count a request that a transport asked to come again before its items could be counted."""
        self._count(self._clock.now_ns(), shed=1, reason=error.reason)

    def opened(self) -> None:
        """A transport is listening from now on."""
        self.ledger.opened(self._spool.signal)

    def beat(self) -> None:
        """It still is."""
        self.ledger.beat(self._clock.now_ns())

    def closed(self) -> None:
        """It no longer is."""
        self.ledger.closed(self._spool.signal)

    def _is_known(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        given = _digest(token.strip())
        known = False
        for digest in self._digests:  # all of them, so that the time taken tells nothing
            known |= hmac.compare_digest(given, digest)
        return known and scheme.lower() == BEARER

    def _check_width(self, scan: Scan) -> None:
        limit = MAX_INHERITED_REQUESTS * self.max_request_bytes
        if scan.inherited_bytes > limit:
            raise TooLargeError(
                f"expected at most {limit} bytes of resources and scopes once repeated for every span, "
                f"got {scan.inherited_bytes}"
            )

    def _count(self, received_ns: int, *, accepted: int = 0, refused: int = 0, shed: int = 0, reason: str = "") -> None:
        self.ledger.count(self._spool.signal, received_ns, accepted=accepted, refused=refused, shed=shed, reason=reason)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _why(scan: Scan) -> str:
    if not scan.rejected:
        return ""
    return (
        f"rejected {scan.rejected} of {scan.items} spans: expected a trace_id of 16 bytes and a span_id of "
        f"8 bytes, neither all zero, and at most {ITEM_ROWS} attributes, events or links a span"
    )
