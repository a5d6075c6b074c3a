"""How much each tenant may send: token buckets of requests, bytes and items.

In: a tenant, and what one request costs. Out: nothing, or `QuotaError` that says when to come again. Promised: in the
long run a tenant gets what its quota says, and after a rest `burst` worth of it at once; a request that is larger than
that is let in when the bucket is full, and its debt is paid off before the next. Nothing is spent on what is refused.
The buckets of at most `MAX_TENANTS` are kept, of those seen last.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.clock import NS_PER_S
from receivers.otlp.config import QuotaConfig, QuotasConfig
from receivers.otlp.status import QuotaError

MAX_TENANTS = 10_000
UNITS = ("requests", "bytes", "items")


@dataclass(slots=True)
class _Bucket:
    """`level` is what was left at `at_ns`, below zero where more was let in; `rate` is per second."""

    unit: str
    rate: int
    room: float
    level: float
    at_ns: int

    def wait_s(self, cost: int, now_ns: int) -> float:
        """How long until `cost` may be spent; 0 if now."""
        passed_s = max(0, now_ns - self.at_ns) / NS_PER_S
        self.level, self.at_ns = min(self.room, self.level + self.rate * passed_s), now_ns
        return max(0.0, min(cost, self.room) - self.level) / self.rate


class Quotas:
    """What every tenant has left. Safe for many threads."""

    def __init__(self, config: QuotasConfig) -> None:
        self._config = config
        quotas = [config.default, *config.tenants.values()]
        self._limits_any = any(rate is not None for quota in quotas for rate in _rates(quota))
        self._lock = threading.Lock()
        self._tenants: OrderedDict[str, Sequence[_Bucket | None]] = OrderedDict()

    def take(self, tenant: str, now_ns: int, *, requests: int = 0, size: int = 0, items: int = 0) -> None:
        """Spend what a request costs.

        Raises:
            QuotaError: it is more than the tenant may send now.
        """
        if not self._limits_any:
            return
        with self._lock:
            costs = zip(self._buckets(tenant, now_ns), (requests, size, items), strict=True)
            asked = [(bucket, cost) for bucket, cost in costs if bucket is not None and cost]
            for bucket, cost in asked:
                if wait_s := bucket.wait_s(cost, now_ns):
                    who = f"tenant {tenant}" if tenant else "all without a tenant together"
                    raise QuotaError(
                        f"expected at most {bucket.rate} {bucket.unit} per second from {who}, got more",
                        retry_after_s=wait_s,
                        reason="quota",
                    )
            for bucket, cost in asked:
                bucket.level -= cost

    def _buckets(self, tenant: str, now_ns: int) -> Sequence[_Bucket | None]:
        buckets = self._tenants.get(tenant)
        if buckets is None:
            quota = self._config.tenants.get(tenant, self._config.default)
            buckets = self._tenants[tenant] = _full(quota, now_ns)
            if len(self._tenants) > MAX_TENANTS:
                self._tenants.popitem(last=False)
        else:
            self._tenants.move_to_end(tenant)
        return buckets


def _rates(quota: QuotaConfig) -> tuple[int | None, ...]:
    return quota.requests_per_second, quota.bytes_per_second, quota.items_per_second


def _full(quota: QuotaConfig, now_ns: int) -> Sequence[_Bucket | None]:
    burst_s = quota.burst / NS_PER_S
    rooms = [None if rate is None else max(1.0, rate * burst_s) for rate in _rates(quota)]
    return [
        None if rate is None or room is None else _Bucket(unit, rate, room, room, now_ns)
        for unit, rate, room in zip(UNITS, _rates(quota), rooms, strict=True)
    ]
