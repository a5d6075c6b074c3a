"""A shop whose autumn is in the books, and its report: once for all tests of reports."""

import uuid
from collections.abc import Iterator

import pytest

from exporters.report.document import Report
from fixtures.engine import Engine
from fixtures.report_seed import HOSTILE, NOVEMBER, NOW, OCTOBER, Shop, at, seed
from fixtures.store import open_store
from pipeline.reports import Reports


@pytest.fixture(scope="session")
def shop(clickhouse: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Measured since September; September and October are closed."""
    opened = open_store(clickhouse, f"t_{uuid.uuid4().hex[:12]}")
    folder = tmp_path_factory.mktemp("shop")
    objectives = seed(opened.client, folder / "slo", began=at(9, 1, 0))
    yield Shop(store=opened, folder=folder, objectives=objectives, reports=Reports(objectives, opened.reader.query))
    opened.client.command(f"DROP DATABASE {opened.client.database}")
    opened.client.close()
    opened.reader.close()


@pytest.fixture(scope="session")
def october(shop: Shop) -> Report:
    """A month that is closed."""
    return shop.reports.report(OCTOBER, NOW)


@pytest.fixture(scope="session")
def november(shop: Shop) -> Report:
    """A month that runs."""
    return shop.reports.report(NOVEMBER, NOW)


@pytest.fixture
def hostile(october: Report) -> Report:
    """October, as whoever wants to break a report would have named it."""
    agreement = october.agreements[0]
    objective = agreement.objectives[0].model_copy(update={"title": HOSTILE, "description": HOSTILE})
    named = {"title": HOSTILE, "description": HOSTILE, "customer": HOSTILE, "objectives": [objective]}
    return october.model_copy(update={"agreements": [agreement.model_copy(update=named), october.agreements[1]]})
