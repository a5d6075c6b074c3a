"""The one door behind both transports: what is let in is safe on disk when `admit` returns.

In: the protobuf bytes of one request. Out: an `Outcome`, or an error that `status.py` turns into an answer. Promised:
what is admitted is well-formed, within the limits of time, and says truly whose it is, so no later reader of the spool
can choke on it or be misled; an acknowledged item is in the spool, and once, also if its request comes again; every
item is counted once in the ledger: accepted, refused or shed. A request whose items cannot be counted is one.
"""

import logging
from collections.abc import Mapping

from pipeline.clock import Clock
from pipeline.errors import PermanentError, RetryableError
from pipeline.ledger import Ledger
from pipeline.spool import Spool
from receivers.otlp.config import OtlpConfig
from receivers.otlp.digest import digest
from receivers.otlp.quotas import Quotas
from receivers.otlp.retries import Retries
from receivers.otlp.scanner import Counts
from receivers.otlp.signals import Signal
from receivers.otlp.status import NotAllowedError, NotStoredError, Outcome, TooLargeError
from receivers.otlp.tenant import with_tenant
from receivers.otlp.tokens import Tokens
from receivers.otlp.wire import ITEM_ROWS

log = logging.getLogger("andon")

# What repeating resource, scope and metric for every item may come to, in requests of the greatest size: a request of
# few bytes can otherwise ask for any number of rows of any width.
MAX_INHERITED_REQUESTS = 16
INVALID, UNTIMELY, BUG = "invalid", "untimely", "internal"  # why items are refused, where no error says it

Timely = tuple[int, int]


class Admission:
    """Token, size, quota, form, room, in this order. `spools` has one for the name of each signal."""

    def __init__(self, config: OtlpConfig, spools: Mapping[str, Spool], ledger: Ledger, clock: Clock) -> None:
        """Be ready to admit.

        Raises:
            ConfigError: the file of tokens is not what it should be.
        """
        self.max_request_bytes = config.max_request_bytes
        self.ledger = ledger
        self.retries = Retries(config.retries) if config.retries.enabled else None
        self._config = config.limits
        self._limits = config.limits.of_items()
        self._tokens = Tokens(config.auth, clock)
        self._quotas = Quotas(config.quotas)
        self._spools = spools
        self._clock = clock
        self._told_of_profiles = False

    def start(self) -> None:
        """Be ready for the first request; look after the tokens."""
        warm_up()
        self._tokens.start()

    def shutdown(self) -> None:
        self._tokens.shutdown()

    def authorize(self, signal: Signal, authorization: str | None) -> str:
        """The tenant whose token the header's value shows; empty where it is nobody's, or no token is asked for.

        Raises:
            UnauthenticatedError: it shows none that is valid.
            NotAllowedError: the token is not for this signal.
            NotStoredError: there is no spool for it.
        """
        if signal.name not in self._spools:
            raise NotStoredError(f"{signal.name} are not stored here")
        grant = self._tokens.grant(authorization)
        if signal.name not in grant.signals:
            raise NotAllowedError(f"expected {' or '.join(grant.signals)}, for which this token is, got {signal.name}")
        return grant.tenant

    def admit(self, signal: Signal, body: bytes, tenant: str = "") -> Outcome:
        """Check `body`, and store it if it holds anything; an empty request is a success.

        Raises:
            PermanentError: it is malformed or too large.
            RetryableError: there is no room for it now, or the tenant sends too much.
        """
        received_ns = self._clock.now_ns()
        timely = (received_ns - self._config.max_age, received_ns + self._config.max_future)
        items = 1
        try:
            self.check_size(len(body))
            self._quotas.take(tenant, received_ns, requests=1, size=len(body))
            scan = signal.scan(body, self._limits, timely)
            items = scan.items
            self._check(signal, scan)
            self._quotas.take(tenant, received_ns, items=items)
            is_new = not scan.accepted or self._store(
                signal, body, scan, timely, tenant=tenant, received_ns=received_ns
            )
        except RetryableError as error:
            self.ledger.count(signal.name, received_ns, shed=items, reason=error.reason)
            raise
        except Exception as error:
            reason = error.reason if isinstance(error, PermanentError) else BUG
            self.ledger.count(signal.name, received_ns, refused=items, reason=reason)
            raise
        if is_new:
            self._count(signal, received_ns, scan)
        else:
            self.ledger.duplicate(signal.name)
        return Outcome(accepted=scan.accepted, rejected=items - scan.accepted, message=self._remarks(signal, scan))

    def check_size(self, size: int) -> None:
        """Pass if a request may have `size` bytes.

        Raises:
            TooLargeError: it may not.
        """
        if size > self.max_request_bytes:
            raise TooLargeError(f"expected at most {self.max_request_bytes} bytes, inflated or not, got more")

    def requested(self, signal: Signal, transport: str) -> None:
        """Count a request, by how it came."""
        self.ledger.requested(signal.name, transport)

    def refused(self, signal: Signal, error: PermanentError) -> None:
        """Count a request that a transport refused before its items could be counted."""
        self.ledger.count(signal.name, self._clock.now_ns(), refused=1, reason=error.reason)

    def shed(self, signal: Signal, error: RetryableError) -> None:
        """Count a request that a transport asked to come again before its items could be counted."""
        self.ledger.count(signal.name, self._clock.now_ns(), shed=1, reason=error.reason)

    def opened(self) -> None:
        """A transport is listening from now on."""
        for name in self._spools:
            self.ledger.opened(name)

    def beat(self) -> None:
        """It still is."""
        self.ledger.beat(self._clock.now_ns())

    def closed(self) -> None:
        """It no longer is."""
        for name in self._spools:
            self.ledger.closed(name)

    def _check(self, signal: Signal, scan: Counts) -> None:
        if scan.items > self._config.max_items:
            raise TooLargeError(
                f"expected at most max_items = {self._config.max_items} {signal.item}s a request, got {scan.items}"
            )
        limit = MAX_INHERITED_REQUESTS * self.max_request_bytes
        if scan.inherited_bytes > limit:
            raise TooLargeError(
                f"expected at most {limit} bytes of resources and scopes once repeated for every {signal.item}, "
                f"got {scan.inherited_bytes}"
            )

    def _store(
        self, signal: Signal, body: bytes, scan: Counts, timely: Timely, *, tenant: str, received_ns: int
    ) -> bool:
        """Store what is accepted; whether it was not stored before."""

        def append() -> None:
            kept = body if scan.canonical and not scan.untimely else signal.normalise(body, timely)
            self._spools[signal.name].append(with_tenant(kept, tenant), received_ns, tenant)

        if self.retries is None:
            append()
            return True
        return self.retries.once((signal.name, tenant, digest(body)), received_ns, append)

    def _remarks(self, signal: Signal, scan: Counts) -> str:
        if scan.of_profiles and not self._told_of_profiles:
            self._told_of_profiles = True
            log.warning("%s came with fields that only profiles have; they count as absent", signal.name)
        limits, remarks = self._config, []
        if scan.rejected:
            remarks.append(f"rejected {scan.rejected} of {scan.items} {signal.item}s: {_WHY[signal.name]}")
        if scan.untimely:
            remarks.append(
                f"rejected {scan.untimely} of {scan.items} {signal.item}s: expected times from max_age before to "
                "max_future after they were received"
            )
        if scan.cut_attributes:
            remarks.append(f"left out {scan.cut_attributes} attributes: expected at most {limits.max_attributes} each")
        if scan.cut_texts:
            remarks.append(
                f"cut {scan.cut_texts} texts: expected at most {limits.max_key_length} bytes of a key "
                f"and {limits.max_value_length} of any other"
            )
        return "; ".join(remarks)

    def _count(self, signal: Signal, received_ns: int, scan: Counts) -> None:
        self.ledger.count(signal.name, received_ns, accepted=scan.accepted, refused=scan.rejected, reason=INVALID)
        if scan.untimely:
            self.ledger.count(signal.name, received_ns, refused=scan.untimely, reason=UNTIMELY)


_TOO_MANY = f"at most {ITEM_ROWS} attributes or other parts"
_WHY = {
    "traces": f"expected a trace_id of 16 bytes and a span_id of 8 bytes, neither all zero, and {_TOO_MANY} each",
    "metrics": f"expected {_TOO_MANY} each",
    "logs": f"expected {_TOO_MANY} each",
}


def warm_up() -> None:
    """Compile what a request needs beside its scan, or load it from the disk cache."""
    digest(with_tenant(b"", "nobody"))
