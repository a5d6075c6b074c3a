"""Fixtures that many tests share."""

from fixtures.engine import clickhouse
from fixtures.store import store

__all__ = ["clickhouse", "store"]
