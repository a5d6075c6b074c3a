"""Fixtures that many tests share."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from fixtures.browser import browser
from fixtures.engine import clickhouse
from fixtures.store import store

__all__ = ["browser", "clickhouse", "store"]

settings.register_profile("andon", deadline=None)  # how long a thing takes is for benchmarks to say
settings.load_profile("andon")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that is run within the tests sets logging up for its whole process: for one test only."""
    loggers = [logging.getLogger(), logging.getLogger("andon")]
    before = [(logger, logger.level, [*logger.handlers]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
