"""Andon as a user runs it, and programs of other people that send to it and ask of it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fixtures.programs import House
from fixtures.toolchains import node_packages, rotel

CORS = {"allowed_origins": ["http://127.0.0.1:*"], "allowed_headers": ["x-shop"]}
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def andon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The embedded engine and ingest, once for all who send under a run id of their own."""
    house = House(tmp_path_factory.mktemp("interop"))
    config = yaml.safe_load(house.config.read_text())
    config["receivers"]["otlp"]["protocols"]["http"]["cors"] = CORS
    house.config.write_text(yaml.safe_dump(config))
    try:
        with house.running("clickhouse", ready="clickhouse"):
            house.run("migrate")
            with house.running("ingest", ready="ingest     "):
                yield house
    finally:
        house.close()


@pytest.fixture
def run() -> str:
    """A resource attribute that nobody else sends."""
    return uuid.uuid4().hex


@pytest.fixture(scope="session")
def rotel_agent() -> Path:
    """The collector in Rust."""
    return rotel()


@pytest.fixture(scope="session")
def node_sdk() -> Path:
    """Where the Node SDK is installed."""
    return node_packages(HERE / "node")
