"""The example shop as users run it: real services under auto-instrumentation, sending to a real OTLP/gRPC endpoint."""

import asyncio
import importlib.util
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pipeline.demo.children import LOOPBACK, Child
from pipeline.demo.script import Fault, Mode
from pipeline.demo.shop import Service, folder, services, set_fault, shoppers

START_S = 60
ARRIVE_S = 20
STOP_S = 15


@dataclass(frozen=True)
class Seen:
    """A received span with the service it came from."""

    service: str
    span: Span

    @property
    def attributes(self) -> Mapping[str, object]:
        return {
            pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
            for pair in self.span.attributes
        }


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP trace service that keeps what it got."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._spans: list[Seen] = []

    def Export(self, request, context):  # noqa: N802 - gRPC's spelling
        spans = [
            Seen(service(resource_spans.resource), span)
            for resource_spans in request.resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
        ]
        with self._arrived:
            self._spans.extend(spans)
            self._arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self) -> list[Seen]:
        with self._arrived:
            return list(self._spans)

    def wait_for(self, enough: Callable[[list[Seen]], bool]) -> list[Seen]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: enough(self._spans), ARRIVE_S), f"only {len(self._spans)} spans came"
            return list(self._spans)


def service(resource) -> str:
    return next(pair.value.string_value for pair in resource.attributes if pair.key == "service.name")


@dataclass(frozen=True)
class Shop:
    """The running shop and what it sent."""

    collector: Collector
    ports: Mapping[Service, int]
    children: Mapping[str, Child]

    def request(self, method: str, path: str, body: object = None) -> httpx.Response:
        return httpx.request(method, f"http://{LOOPBACK}:{self.ports[Service.FRONTEND]}{path}", json=body, timeout=30)

    def check_out(self) -> httpx.Response:
        return self.request("POST", "/checkout", {"skus": ["paper-lantern"]})

    def next_trace(self, act: Callable[[], object], servers: int) -> list[Seen]:
        """The spans of the one trace that `act` causes, once `servers` server spans of it have come."""
        start_ns = time.time_ns()
        act()
        return since(start_ns, self.collector.wait_for(lambda spans: len(served(since(start_ns, spans))) >= servers))


def since(start_ns: int, spans: list[Seen]) -> list[Seen]:
    return [seen for seen in spans if seen.span.start_time_unix_nano >= start_ns]


def served(spans: list[Seen]) -> dict[str, Seen]:
    return {seen.service: seen for seen in spans if seen.span.kind == Span.SPAN_KIND_SERVER}


def duration_s(seen: Seen) -> float:
    return (seen.span.end_time_unix_nano - seen.span.start_time_unix_nano) / 1e9


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The three services, on free ports, exporting to a collector of our own."""
    collector, logs = Collector(), tmp_path_factory.mktemp("shop")
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    otlp_port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    ports = dict(zip(Service, free_ports(3), strict=True))
    with ExitStack() as stack:
        stack.callback(lambda: server.stop(grace=1).wait())
        children = {}
        for command in services(otlp_port, ports):
            children[command.name] = Child(command, logs / f"{command.name}.log")
            stack.callback(children[command.name].stop, STOP_S)
        for child in children.values():
            child.wait_until_ready(START_S)
        yield Shop(collector, ports, children)


@pytest.fixture
def fault(shop: Shop) -> Iterator[Callable[[Fault], None]]:
    """Sets payment's fault; mended afterwards."""
    payment = shop.ports[Service.PAYMENT]
    yield lambda fault: set_fault(payment, fault)
    set_fault(payment, Fault())


def test_one_checkout_is_one_trace_across_all_three_services(shop: Shop) -> None:
    """Nothing but auto-instrumentation joins frontend, checkout and payment."""
    trace = shop.next_trace(shop.check_out, servers=3)
    servers = served(trace)
    assert {seen.span.trace_id for seen in trace} == {servers["frontend"].span.trace_id}
    assert {name: seen.span.name for name, seen in servers.items()} == {
        "frontend": "POST /checkout",
        "checkout": "POST /orders",
        "payment": "POST /charges",
    }
    by_id = {seen.span.span_id: seen for seen in trace}
    assert servers["frontend"].span.parent_span_id == b""
    assert by_id[servers["checkout"].span.parent_span_id].service == "frontend"
    assert by_id[servers["payment"].span.parent_span_id].service == "checkout"


def test_browsing_needs_only_the_frontend(shop: Shop) -> None:
    """A GET leaves one server span, of the frontend, by its route and not by its path."""
    trace = shop.next_trace(lambda: shop.request("GET", "/products/signal-cord"), servers=1)
    assert {name: seen.span.name for name, seen in served(trace).items()} == {"frontend": "GET /products/{sku}"}


def test_a_failing_payment_is_a_5xx_of_every_service_before_it(shop: Shop, fault) -> None:
    """Errors mode reaches the user, and each server span says so with its status and its code."""
    fault(Fault(mode=Mode.ERRORS))
    trace = shop.next_trace(shop.check_out, servers=3)
    codes = {name: seen.attributes["http.response.status_code"] for name, seen in served(trace).items()}
    assert codes == {"payment": 503, "checkout": 502, "frontend": 503}
    assert {seen.span.status.code for seen in served(trace).values()} == {Status.STATUS_CODE_ERROR}


def test_a_slow_payment_makes_everyone_before_it_slow_but_not_wrong(shop: Shop, fault) -> None:
    """Slow mode is a matter of latency alone."""
    fault(Fault(mode=Mode.SLOW, delay_s=0.7))
    trace = shop.next_trace(shop.check_out, servers=3)
    assert all(duration_s(seen) >= 0.7 for seen in served(trace).values())
    assert {seen.span.status.code for seen in served(trace).values()} == {Status.STATUS_CODE_UNSET}


def test_a_share_of_none_strikes_nobody(shop: Shop, fault) -> None:
    """The share is what the fault hits: at 0 the shop works whatever the mode."""
    fault(Fault(mode=Mode.ERRORS, share=0.0))
    assert shop.check_out().status_code == 200


def test_the_fault_switch_leaves_no_span(shop: Shop, fault) -> None:
    """Breaking payment on purpose is nobody's request; the sole new server spans are the checkout's own."""
    fault(Fault(mode=Mode.SLOW, delay_s=0))
    trace = shop.next_trace(shop.check_out, servers=3)
    assert len(served(trace)) == 3
    assert not [seen for seen in shop.collector.spans() if "/fault" in str(seen.attributes) + seen.span.name]


def test_the_fault_switch_refuses_what_it_does_not_know(shop: Shop) -> None:
    """A wrong fault changes nothing and says so."""
    url = f"http://{LOOPBACK}:{shop.ports[Service.PAYMENT]}/fault"
    for wrong in ({"mode": "fire"}, {"mode": "errors", "share": 1.5}, {"mode": "slow", "delay_s": -1}):
        assert httpx.put(url, json=wrong).status_code == 422
    assert shop.check_out().status_code == 200


def test_the_fault_switch_is_for_this_machine_only() -> None:
    """Whoever calls from elsewhere may not break payment."""
    app = example("payment").app
    answer = asyncio.run(put_from("203.0.113.7", app))
    assert answer.status_code == 403
    assert app.state.fault.mode == "ok"


async def put_from(host: str, app) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=(host, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://payment") as client:
        return await client.put("/fault", json={"mode": "errors"})


def test_what_the_shop_does_not_sell_is_the_visitors_mistake(shop: Shop) -> None:
    """An unknown product is a 404 in the window and at the till, not an outage."""
    assert shop.request("GET", "/products/sword").status_code == 404
    assert shop.request("POST", "/checkout", {"skus": ["sword"]}).status_code == 404


def test_shoppers_are_quiet_bounded_and_leave_when_asked(shop: Shop, fault, tmp_path: Path) -> None:
    """Eighteen shoppers stay under eighteen requests a second, bear errors, print nothing and end on SIGTERM."""
    fault(Fault(mode=Mode.ERRORS, share=0.5))
    start_ns = time.time_ns()
    crowd = Child(shoppers(shop.ports[Service.FRONTEND]), tmp_path / "shoppers.log")
    try:
        spans = shop.collector.wait_for(lambda spans: len(visits(since(start_ns, spans))) >= 40)
        elapsed_s = (time.time_ns() - start_ns) / 1e9
        crowd.check()
    finally:
        code = crowd.stop(STOP_S)
    assert code == 0
    assert crowd.log.read_text() == ""
    assert len(visits(since(start_ns, spans))) <= 18 * (elapsed_s + 1)
    statuses = {seen.attributes["http.response.status_code"] for seen in visits(since(start_ns, spans))}
    assert statuses == {200, 503}


def visits(spans: list[Seen]) -> list[Seen]:
    return [seen for seen in spans if seen.service == Service.FRONTEND and seen.span.kind == Span.SPAN_KIND_SERVER]


def test_a_third_of_the_wishes_are_checkouts_and_a_seed_repeats_them() -> None:
    """Same seed, same wishes; and enough of them are for payment."""
    driver = example("driver")
    wishes = [driver.wish(rng) for rng in [random.Random("1/0")] for _ in range(900)]
    again = [driver.wish(rng) for rng in [random.Random("1/0")] for _ in range(900)]
    assert wishes == again
    assert 250 <= sum(wanted.path == "/checkout" for wanted in wishes) <= 350


def test_services_end_on_sigterm(shop: Shop, tmp_path: Path) -> None:
    """A service asked to stop stops by itself, well within its grace."""
    [port] = free_ports(1)
    command = services(1, {**shop.ports, Service.PAYMENT: port})[0]
    child = Child(command, tmp_path / "payment.log")
    child.wait_until_ready(START_S)
    assert child.stop(STOP_S) in {0, -signal.SIGTERM}


def example(name: str) -> ModuleType:
    """A file of the example, as a module."""
    spec = importlib.util.spec_from_file_location(f"python_shop_{name}", folder() / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
