"""Fixtures that many tests share."""

from fixtures.browser import browser
from fixtures.engine import clickhouse
from fixtures.store import store

__all__ = ["browser", "clickhouse", "store"]
