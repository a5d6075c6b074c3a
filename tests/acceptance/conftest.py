"""A house for each test, in which the real programs live."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.programs import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Whatever a test leaves running is ended."""
    house = House(tmp_path)
    yield house
    house.close()
