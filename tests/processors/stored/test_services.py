"""Made-up service names share one, and the store's dictionaries stay small."""

from fixtures.spans import FakeSpan, batch, only
from pipeline.clock import NS_PER_S
from processors.stored.services import DAY_NS, OVERFLOW, Services


def names(services: Services, *wanted: str, day: int = 20_000) -> list[str]:
    spans = only(batch([FakeSpan(service=name) for name in wanted]))
    bounded = services.bounded(spans, day * DAY_NS + NS_PER_S)
    assert bounded.schema == spans.schema
    assert [dict(row)["service.name"] for row in bounded["ResourceAttributes"].to_pylist()] == list(wanted)
    return bounded["ServiceName"].to_pylist()


def test_h03_names_beyond_the_limit_share_one_and_are_counted() -> None:
    """The first come in, and stay; what the sender said stays in the resource attributes."""
    services = Services(2)
    assert names(services, "a", "b", "c", "a", "d", "c") == ["a", "b", OVERFLOW, "a", OVERFLOW, OVERFLOW]
    assert names(services, "b", "e") == ["b", OVERFLOW]
    assert services.overflowed_total == 4


def test_a_batch_of_known_names_is_the_same_batch() -> None:
    """Nothing is copied for nothing."""
    spans = only(batch([FakeSpan(service="a")]))
    assert Services(1).bounded(spans, 0) is spans


def test_a_name_that_was_not_seen_for_a_day_makes_room() -> None:
    """Yesterday's names are still known today, and forgotten tomorrow unless they come again."""
    services = Services(2)
    assert names(services, "a", "b") == ["a", "b"]
    assert names(services, "b", "c", day=20_001) == ["b", OVERFLOW]
    assert names(services, "c", "b", "a", day=20_002) == ["c", "b", OVERFLOW]
