"""The chart's own configurations, run by the real programs as pods run them, and tried by the chart's own test."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fixtures.certificates import certificate
from fixtures.chart import configs, golden, named
from fixtures.jail import USER, Jail
from fixtures.programs import Program
from fixtures.toolchains import ROOT
from pipeline.bench import free_ports

PASSWORDS = {"ANDON_WRITER_PASSWORD": "0123456789", "ANDON_READER_PASSWORD": "9876543210", "ANDON_OTLP_TOKEN": "12345"}
PROGRAMS = (
    ("clickhouse", "clickhouse", "clickhouse http"),
    ("migrate", "migrate", ""),
    ("ingest", "ingest", "ingest     OTLP"),
    ("evaluator", "evaluate", "evaluate   every promise"),
    ("statuspage", "statuspage", "statuspage http"),
)
ANDON = (sys.executable, "-m", "pipeline.cli")


class Pods:
    """Configurations of the embedded case, with this machine's folders and ports in place of the pods'."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = ("4317", "4318", "13133", "8123", "8080", "evaluator")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        manifests = golden("embedded")
        for name, text in configs(manifests).items():
            self.take(name, text)
        mount(named(manifests, "ConfigMap", "-objectives")["data"], folder / "slo")
        (folder / "tls").mkdir()
        for file, name in zip(certificate(folder / "tls"), ("tls.crt", "tls.key"), strict=True):
            file.rename(folder / "tls" / name)

    def take(self, name: str, text: str) -> None:
        """Write down the configuration of a ConfigMap."""
        if name.endswith("-evaluator"):
            text = text.replace("0.0.0.0:13133", f"127.0.0.1:{self.ports['evaluator']}")  # ingest has it
        self.config(name.removeprefix("shop-andon-")).write_text(self.here(text))

    def config(self, component: str) -> Path:
        return self.folder / f"{component}.yaml"

    def here(self, text: str) -> str:
        """The same with addresses and folders of this machine."""
        text = re.sub(r"[\w.-]+:(4317|4318|13133|8123|8080|80)\b", self._address, text)
        return text.replace("/var/lib/andon", str(self.folder / "data")).replace("/etc/andon", str(self.folder))

    def _address(self, found: re.Match[str]) -> str:
        return f"127.0.0.1:{self.ports[{'80': '8080'}.get(found[1], found[1])]}"


def mount(files: dict[str, str], folder: Path) -> None:
    """Files as Kubernetes mounts a ConfigMap: links through `..data` to a folder that is exchanged as a whole."""
    version = folder / "..2026_11_25_08_00_00.1"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, text in files.items():
        (version / name).write_text(text)
        (folder / name).symlink_to(Path("..data") / name)


def kernels(folder: Path) -> set[str]:
    """The compiled kernels in a cache."""
    return {str(file.relative_to(folder)) for file in folder.rglob("*.nbc")}


@pytest.fixture(scope="module")
def warm() -> Iterator[Path]:
    """Kernels as an image has them: compiled before, for a level of CPU, and read-only."""
    with TemporaryDirectory(prefix="andon-kernels-") as name:
        command = (sys.executable, "-m", "receivers.otlp.kernels")
        said = os.environ | image(Path(name))
        assert " ".join(command[1:]) in (ROOT / "Dockerfile").read_text()
        subprocess.run(command, env=said, cwd=ROOT, check=True, timeout=250)
        yield Path(name)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that others may enter, which those of pytest are not."""
    with TemporaryDirectory(prefix="andon-pod-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def image(cache: Path) -> dict[str, str]:
    """What the Dockerfile says about kernels, with a cache of our own."""
    text = (ROOT / "Dockerfile").read_text()
    (cpu,) = set(re.findall(r"KERNEL_CPU=(\S+)", text)) - {"\\"}
    assert "NUMBA_CPU_NAME=${KERNEL_CPU}" in text
    return {
        "NUMBA_CACHE_DIR": str(cache),
        "NUMBA_CPU_NAME": cpu,
        "NUMBA_CPU_FEATURES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture
def jail(place: Path, warm: Path) -> Iterator[Jail]:
    tmp = place / "tmp"
    said = image(warm) | {"TMPDIR": str(tmp), "XDG_CACHE_HOME": str(tmp / "cache"), **PASSWORDS}
    jail = Jail(place / "data", tmp, environment=said)
    yield jail
    jail.close()


def test_the_jail_holds(jail: Jail, place: Path) -> None:
    """Else the other tests here would prove nothing."""
    assert jail.run("sh", "-c", "id -u; touch $0/data/yes && touch $0/no", str(place))[0] != 0
    assert (place / "data" / "yes").exists()
    assert not (place / "no").exists()
    assert jail.run("id", "-u") == (0, USER)
    assert jail.run("sh", "-c", "touch /tmp/andon-no")[0] != 0


def run_all(jail: Jail, pods: Pods) -> dict[str, Program]:
    """Every program in the order of who needs whom; those that last."""
    started = {}
    for component, command, ready in PROGRAMS:
        program = jail.start(*ANDON, command, "--config", str(pods.config(component)))
        if component == "migrate":
            assert program.process.wait(60) == 0, program.output
        else:
            program.wait_for_line(ready)
            started[component] = program
    return started


@pytest.mark.parametrize("case", ["embedded", "page-on-volume"])
def test_all_programs_run_as_in_their_pods_and_the_charts_test_passes(
    case: str, jail: Jail, place: Path, warm: Path
) -> None:
    """A read-only root, nobody's user, no home: a span goes in, is found, the page answers, SIGTERM stores all.

    Once with open doors and one worker, once with TLS, a token and two.
    """
    pods = Pods(place)
    pods.take("shop-andon-ingest", configs(golden(case))["shop-andon-ingest"])
    started = run_all(jail, pods)
    assert kernels(place / "tmp/cache/andon/kernels") == kernels(warm) != set()

    (test,) = named(golden(case), "Pod", "-test")["spec"]["containers"]
    where = {one["name"]: pods.here(one["value"]) for one in test["env"] if "value" in one}
    script = place / "readback.py"
    script.write_text(named(golden(case), "ConfigMap", "-test")["data"]["readback.py"])
    said = where | {"ANDON_TEST_CONFIG": str(pods.config("test")), "ANDON_TEST_TOKEN": PASSWORDS["ANDON_OTLP_TOKEN"]}
    status, output = jail.run(sys.executable, str(script), environment=said)
    assert status == 0, output
    assert "it is in ClickHouse: yes" in output

    with urllib.request.urlopen(f"http://127.0.0.1:{pods.ports['evaluator']}/metrics", timeout=10) as answer:
        assert b"andon_evaluate_promises 1.0" in answer.read()
    for component in ("ingest", "evaluator", "statuspage", "clickhouse"):
        assert started[component].stop() == 0, started[component].output
    assert not list((place / "data/spool").rglob("*.pb"))
    assert (place / "data/statuspage.json").exists()
