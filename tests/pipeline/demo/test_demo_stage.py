"""The demo's working directory: the example's own files, on the ports that were chosen."""

from pathlib import Path

import pytest
import yaml

from pipeline.assembly import Assembly
from pipeline.demo import shop
from pipeline.demo.shop import Service
from pipeline.demo.stage import Ports, configuration
from processors.slo.documents import load_objectives

PORTS = Ports(
    grpc=14317,
    http=14318,
    clickhouse=18123,
    page=18080,
    shop={Service.FRONTEND: 18101, Service.CHECKOUT: 18102, Service.PAYMENT: 18103},
)


@pytest.fixture(autouse=True)
def _passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_WRITER_PASSWORD", "w")
    monkeypatch.setenv("ANDON_READER_PASSWORD", "r")


def test_the_examples_configuration_and_promises_are_sound() -> None:
    """What a newcomer starts by hand is valid, warns of nothing and promises something of every component."""
    Assembly(shop.folder() / "andon.yaml")
    objectives = load_objectives(shop.folder() / "slo")
    assert objectives.warnings == ()
    assert {promise.service for promise in objectives.promises} == {"browsing", "checkout", "payments"}


def test_the_demos_configuration_listens_on_the_chosen_ports(tmp_path: Path) -> None:
    """Only addresses differ from the example; the rest is the example's."""
    example = yaml.safe_load((shop.folder() / "andon.yaml").read_text())
    path = tmp_path / "andon.yaml"
    path.write_text(yaml.safe_dump(configuration(example, PORTS)))
    config = Assembly(path).config
    protocols = config.receivers.otlp.protocols
    assert protocols.grpc is not None
    assert protocols.http is not None
    assert (protocols.grpc.endpoint, protocols.http.endpoint) == ("127.0.0.1:14317", "127.0.0.1:14318")
    assert config.clickhouse.endpoint == "http://127.0.0.1:18123"
    assert config.statuspage.endpoint == "127.0.0.1:18080"
    assert config.statuspage.name == example["statuspage"]["name"]


def test_every_service_sends_traces_only_and_hides_the_fault_switch() -> None:
    """What the services are told about telemetry."""
    for command in shop.services(4317, PORTS.shop):
        assert command.env["OTEL_SERVICE_NAME"] == command.name
        assert command.env["OTEL_METRICS_EXPORTER"] == command.env["OTEL_LOGS_EXPORTER"] == "none"
        assert command.env["OTEL_PYTHON_EXCLUDED_URLS"] == "/fault"
