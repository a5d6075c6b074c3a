"""How much each tenant may send."""

import pytest

from pipeline.clock import NS_PER_S
from receivers.otlp import quotas as module
from receivers.otlp.config import QuotasConfig
from receivers.otlp.quotas import Quotas
from receivers.otlp.status import QuotaError


def quotas(**tenants):
    """With these quotas for tenants, and `default` for the others."""
    default = tenants.pop("default", {})
    return Quotas(QuotasConfig(default=default, tenants=tenants))


def wait_s(of, now_s, tenant="", **cost):
    """How long the tenant must wait; 0 if it may."""
    try:
        of.take(tenant, round(now_s * NS_PER_S), **cost)
    except QuotaError as error:
        return error.retry_after_s
    return 0.0


def test_after_a_rest_a_burst_may_come_and_then_only_the_rate():
    """And the answer says how long the next must wait."""
    of = quotas(default={"requests_per_second": 2, "burst": "2s"})
    assert [wait_s(of, 0, requests=1) for _ in range(6)] == [0, 0, 0, 0, 0.5, 0.5]
    assert [wait_s(of, 0.5, requests=1) for _ in range(2)] == [0, 0.5]
    assert [wait_s(of, 100, requests=1) for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_what_is_larger_than_a_burst_passes_when_the_bucket_is_full_and_is_paid_off():
    """Else it could never be sent."""
    of = quotas(default={"bytes_per_second": "100B", "burst": "1s"})
    assert wait_s(of, 0, size=1000) == 0
    assert wait_s(of, 1, size=1) == pytest.approx(8.01)
    assert wait_s(of, 9.02, size=1) == 0
    assert wait_s(of, 9.02, size=1000) == pytest.approx(0.99)


def test_tenants_have_quotas_of_their_own_and_the_others_each_the_default():
    """One that sends too much costs no other anything."""
    of = quotas(default={"items_per_second": 1, "burst": "1s"}, shop={"items_per_second": 3, "burst": "1s"}, free={})
    assert [wait_s(of, 0, "shop", items=3), wait_s(of, 0, "shop", items=1)] == [0, pytest.approx(1 / 3)]
    assert [wait_s(of, 0, name, items=1) for name in ("a", "b", "a")] == [0, 0, 1]
    assert [wait_s(of, 0, "free", items=10**9) for _ in range(3)] == [0, 0, 0]


def test_nothing_is_spent_on_what_is_refused():
    """Neither of what it passed nor of what it did not."""
    of = quotas(default={"requests_per_second": 1, "bytes_per_second": "10B", "burst": "2s"})
    assert wait_s(of, 0, requests=1, size=20) == 0
    assert wait_s(of, 0, requests=1, size=10) == 1
    assert wait_s(of, 1, requests=1, size=10) == 0
    assert [wait_s(of, 1, requests=1), wait_s(of, 1, requests=1)] == [0, 1]


def test_a_clock_that_is_set_back_gives_nothing_and_takes_nothing():
    """It goes on from there."""
    of = quotas(default={"requests_per_second": 1, "burst": "1s"})
    assert [wait_s(of, now_s, requests=1) for now_s in (100, 50, 51)] == [0, 1, 0]


def test_the_buckets_of_tenants_long_unseen_are_let_go(monkeypatch):
    """Tokens may be changed for ever, memory is bounded."""
    monkeypatch.setattr(module, "MAX_TENANTS", 2)
    of = quotas(default={"requests_per_second": 1, "burst": "1s"})
    assert [wait_s(of, 0, name, requests=1) for name in ("a", "b", "a", "c", "a", "b")] == [0, 0, 1, 0, 1, 0]
