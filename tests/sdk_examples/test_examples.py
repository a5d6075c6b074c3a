"""Every example through its one command, against one Andon that knows the promises of all of them."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from fixtures.examples import HOME, SOURCE, Example, counts, mirror, names, need, need_go
from fixtures.programs import House
from fixtures.relay import relay
from fixtures.toolchains import tool
from pipeline.assembly import Assembly
from pipeline.bench import free_ports
from pipeline.check import check_file

CORS = {"allowed_origins": ["http://127.0.0.1:*"]}
SLOW = "manual_python"
TIMEOUT_S = 450  # the first run installs


@pytest.fixture(scope="module")
def andon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """All programs, and the promises of all examples."""
    mirror()
    house = House(tmp_path_factory.mktemp("examples"))
    for name in names():
        shutil.copytree(SOURCE / name / "slo", house.folder / "slo" / name)
    config = yaml.safe_load(house.config.read_text())
    config["receivers"]["otlp"]["protocols"]["http"]["cors"] = CORS
    house.config.write_text(yaml.safe_dump(config))
    try:
        with house.running("serve", ready="statuspage "):
            yield house
    finally:
        house.close()


@pytest.fixture(scope="module", autouse=True)
def by_hand(andon: House, request: pytest.FixtureRequest) -> Iterator[Example | None]:
    """Python by hand waits for its counter to be counted, so it does while all others run."""
    wanted = any(SLOW in item.name for item in request.session.items)
    example = Example("manual-python", andon) if wanted else None
    yield example
    if example is not None:
        example.end()


def play(name: str, andon: House, indicators: Mapping[str, tuple[int, int]], **environment: str) -> None:
    """Run it; what it says of itself must be what is there."""
    before = counts(andon, indicators)
    example = Example(name, andon, **environment)
    assert example.wait() == 0, example.said
    after = counts(andon, indicators)
    added = {name: (after[name][0] - before[name][0], after[name][1] - before[name][1]) for name in indicators}
    assert added == indicators


@pytest.mark.timeout(TIMEOUT_S, func_only=True)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_node_under_auto_instrumentation(andon: House, protocol: str) -> None:
    """Without a line of OpenTelemetry, over both protocols."""
    need("node", "npm", "curl")
    endpoint = f"http://{andon.address('grpc' if protocol == 'grpc' else 'http')}"
    told = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    play("node", andon, {"node-orders": (8, 10)}, **told)


@pytest.mark.timeout(TIMEOUT_S, func_only=True)
def test_a_page_in_a_real_browser(andon: House) -> None:
    """Through CORS, from a visitor who clicks."""
    need("node", "npm", "curl", "chromium")
    play("browser", andon, {"browser-loads": (1, 1), "browser-orders": (1, 2)})


@pytest.mark.timeout(TIMEOUT_S, func_only=True)
def test_go_with_its_sdk(andon: House) -> None:
    """Spans, a histogram, and log lines in their traces."""
    need("curl")
    need_go()
    play("go", andon, {"go-orders": (8, 10)})


@pytest.mark.timeout(TIMEOUT_S, func_only=True)
def test_java_under_its_agent(andon: House) -> None:
    """Without a line of OpenTelemetry."""
    need("javac", "mvn", "curl")
    play("java", andon, {"java-orders": (8, 10)}, JAVA_TOOL_OPTIONS="-XX:TieredStopAtLevel=1")  # starts sooner


@pytest.mark.timeout(TIMEOUT_S, func_only=True)
def test_a_collector_brings_everything_once_andon_is_back(andon: House) -> None:
    """A real collector as the example configures it; its first exports fail: it queues and tries again."""
    tool("otelcol")
    need("curl")
    need_go()
    grpc, http = free_ports(2)
    doors = {"COLLECTOR_GRPC": f"127.0.0.1:{grpc}", "COLLECTOR_HTTP": f"127.0.0.1:{http}"}
    counted = dict.fromkeys(("collector-orders", "collector-queue", "collector-errors"), (1, 2))
    with relay(andon.address("http"), refusals=3) as between:
        play("collector", andon, counted, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{between.address}", **doors)
    assert between.refused == 3


@pytest.mark.timeout(TIMEOUT_S, func_only=True)
def test_manual_python_tells_spans_counters_and_log_records(andon: House, by_hand: Example | None) -> None:
    """Each of them is counted by an indicator of its signal. Last, since it takes longest and began first."""
    need("python3", "curl")
    assert by_hand is not None
    assert by_hand.wait() == 0, by_hand.said
    expected = dict.fromkeys(("manual-checkouts", "manual-orders", "manual-errors"), (8, 10))
    assert counts(andon, expected) == expected


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ("promise node-orders; stored otel_traces 1", "rows in otel_traces should be 1, but is 0"),
        ("promise node-orders; counted node-orders 1 1", "good in node-orders should be 1 of 1, but is 0 of 0"),
        ("promise nobodys", "whether Andon knows nobodys, of this folder's slo/, should be yes, but is no"),
    ],
)
def test_what_did_not_arrive_is_told(andon: House, asked: str, complaint: str) -> None:
    """The check that ends each example can fail."""
    need("curl")
    told = {
        "ANDON_CLICKHOUSE": f"http://{andon.address('clickhouse')}",
        "ANDON_READER_USERNAME": "sre",
        "ANDON_READER_PASSWORD": "r",
        "PATIENCE_S": "4",
        "PATH": f"{Path(shutil.which('curl') or '').parent}:/usr/bin:/bin",
    }
    command = ["sh", "-euc", f". {HOME}/common/example.sh; {asked}"]
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr


@pytest.mark.parametrize("name", sorted(names()))
def test_andon_can_be_started_for_each_example(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`EXAMPLE=… andon serve --config andon.yaml` is what the README says."""
    for variable, value in {"EXAMPLE": name, "ANDON_WRITER_PASSWORD": "w", "ANDON_READER_PASSWORD": "r"}.items():
        monkeypatch.setenv(variable, value)
    assert "all of it can work" in check_file(SOURCE / "andon.yaml")
    doors = Assembly(SOURCE / "andon.yaml").config.receivers.otlp.protocols
    assert doors.grpc is not None
    assert doors.http is not None


def test_every_example_is_here() -> None:
    """A folder with a command is one that a test above runs."""
    assert names() == {"browser", "collector", "go", "java", "manual-python", "node"}
