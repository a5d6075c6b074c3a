"""The demo's stage: Andon, the shop and its shoppers as children, in a working directory.

In: a directory. Out: everything running and answering, addresses chosen (the usual ports where they are free), a
generated read-only password. Promised: leaving the stage ends every child, shoppers first and Andon last, each within
its grace; what they said stays in `logs/` of the directory.
"""

import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from pipeline.clock import Clock
from pipeline.demo import shop
from pipeline.demo.children import LOOPBACK, Child, Command, free_port
from pipeline.demo.script import Fault, Mark, Sighting
from pipeline.demo.shop import Service
from pipeline.demo.watch import Watch

SERVE_READY_S = 240
SERVICE_READY_S = 60
SERVE_GRACE_S = 90
SHOP_GRACE_S = 10
READER, WRITER = "reader", "writer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where everything listens, on loopback."""

    grpc: int
    http: int
    clickhouse: int
    page: int
    shop: Mapping[Service, int]

    @property
    def andon(self) -> tuple[int, ...]:
        return (self.grpc, self.http, self.clickhouse, self.page)


USUAL = Ports(grpc=4317, http=4318, clickhouse=8123, page=8080, shop=shop.DEFAULT_PORTS)


def choose_ports(say: Callable[[str], None]) -> Ports:
    """The usual ports, or free ones where something else has them; that is said."""
    taken: set[int] = set()

    def choose(preferred: int, what: str) -> int:
        port = free_port(preferred, frozenset(taken))
        taken.add(port)
        if port != preferred:
            say(f"Port {preferred} is taken, so {what} is on {port}.")
        return port

    return Ports(
        grpc=choose(USUAL.grpc, "OTLP/gRPC"),
        http=choose(USUAL.http, "OTLP/HTTP"),
        clickhouse=choose(USUAL.clickhouse, "ClickHouse"),
        page=choose(USUAL.page, "the page"),
        shop={service: choose(port, service) for service, port in USUAL.shop.items()},
    )


def configuration(example: Mapping[str, Any], ports: Ports) -> dict[str, Any]:
    """The example's `andon.yaml`, listening on `ports`."""
    protocols = {
        name: {"endpoint": f"{LOOPBACK}:{port}"} for name, port in (("grpc", ports.grpc), ("http", ports.http))
    }
    return {
        **example,
        "receivers": {"otlp": {"protocols": protocols}},
        "clickhouse": {**example["clickhouse"], "endpoint": f"http://{LOOPBACK}:{ports.clickhouse}"},
        "statuspage": {**example["statuspage"], "endpoint": f"{LOOPBACK}:{ports.page}"},
        "telemetry": {"health": None},
    }


class DemoStage:
    """All of it, running from `__enter__` to `__exit__`."""

    def __init__(self, directory: Path, clock: Clock, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._say = say
        self._children: list[Child] = []
        self._closing = ExitStack()
        self.ports = choose_ports(say)
        self.passwords = {name: secrets.token_hex(12) for name in (READER, WRITER)}
        self.page_url = f"http://{LOOPBACK}:{self.ports.page}"
        self.clickhouse_url = f"http://{LOOPBACK}:{self.ports.clickhouse}"
        self._watch = Watch(
            page_url=self.page_url,
            clickhouse_url=self.clickhouse_url,
            user=READER,
            password=self.passwords[READER],
            clock=clock,
        )

    def __enter__(self) -> Self:
        try:
            self._closing.callback(self._watch.close)
            self._begin()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def _begin(self) -> None:
        shop.instrument()
        config = self._write_config()
        self._say("Starting Andon. The very first start compiles its kernels, which takes a moment.")
        self._start(self._serve(config), SERVE_GRACE_S).wait_until_ready(SERVE_READY_S)
        self._say("Opening the shop.")
        services = [self._start(one, SHOP_GRACE_S) for one in shop.services(self.ports.grpc, self.ports.shop)]
        for service in services:
            service.wait_until_ready(SERVICE_READY_S)
        self._start(shop.shoppers(self.ports.shop[Service.FRONTEND]), SHOP_GRACE_S)

    def _write_config(self) -> Path:
        """A working directory that `andon serve` can be started in again."""
        shutil.copytree(shop.folder() / "slo", self._directory / "slo", dirs_exist_ok=True)
        (self._directory / "logs").mkdir(exist_ok=True)
        example = yaml.safe_load((shop.folder() / "andon.yaml").read_text())
        path = self._directory / "andon.yaml"
        path.write_text(yaml.safe_dump(configuration(example, self.ports), sort_keys=False))
        return path

    def _serve(self, config: Path) -> Command:
        return Command(
            name="andon serve",
            argv=[sys.executable, "-m", "pipeline.cli", "serve", "--config", str(config), "--lifeline"],
            env={f"ANDON_{name.upper()}_PASSWORD": password for name, password in self.passwords.items()},
            ports=self.ports.andon,
        )

    def _start(self, command: Command, grace_s: float) -> Child:
        child = Child(command, self._directory / "logs" / f"{command.name.replace(' ', '-')}.log")
        self._children.append(child)
        self._closing.callback(child.stop, grace_s)
        return child

    def check(self) -> None:
        """Raises: ChildError: a child has died."""
        for child in self._children:
            child.check()

    def set_fault(self, fault: Fault) -> None:
        shop.set_fault(self.ports.shop[Service.PAYMENT], fault)

    def look(self, mark: Mark) -> list[Sighting]:
        return self._watch.look(mark)
