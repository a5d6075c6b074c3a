"""The example shop as commands: three services under `opentelemetry-instrument`, and the shoppers.

In: where OTLP/gRPC is received, and the shop's ports. Out: `Command`s, and `set_fault` to break payment on purpose. The
services hold no OTel code: all they are told stands in `telemetry`.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

import httpx

from pipeline.demo.children import LOOPBACK, Command
from pipeline.demo.script import Fault
from pipeline.errors import AndonError

FAULT_TIMEOUT_S = 5
NEEDED = ("chdb", "opentelemetry.instrumentation.fastapi", "opentelemetry.instrumentation.httpx")


class Service(StrEnum):
    """The shop's services, by their `service.name` and the file they live in."""

    FRONTEND = "frontend"
    CHECKOUT = "checkout"
    PAYMENT = "payment"


DEFAULT_PORTS: Mapping[Service, int] = {Service.FRONTEND: 8101, Service.CHECKOUT: 8102, Service.PAYMENT: 8103}


def folder() -> Path:
    """Where the shop's files are: in a checkout, or inside the installed package.

    Raises:
        AndonError: in neither.
    """
    package = Path(__file__).resolve().parent.parent
    places = (package.parent / "sdk-examples" / "python-shop", package / "examples" / "python-shop")
    for place in places:
        if (place / "andon.yaml").is_file():
            return place
    raise AndonError(f"expected the example shop in {places[0]} or {places[1]}, found it in neither")


def services(otlp_port: int, ports: Mapping[Service, int]) -> list[Command]:
    """The three services, those first that others call."""
    return [
        Command(
            name=service,
            argv=[
                instrument(),
                *(sys.executable, "-m", "uvicorn", "--app-dir", str(folder()), "--no-access-log"),
                *("--host", LOOPBACK, "--port", str(ports[service]), f"{service}:app"),
            ],
            env=telemetry(service, otlp_port) | neighbours(ports),
            ports=[ports[service]],
        )
        for service in (Service.PAYMENT, Service.CHECKOUT, Service.FRONTEND)
    ]


def shoppers(frontend_port: int) -> Command:
    """The crowd that uses the shop."""
    return Command(
        name="shoppers",
        argv=[sys.executable, str(folder() / "driver.py"), "--url", f"http://{LOOPBACK}:{frontend_port}"],
    )


def telemetry(service: str, otlp_port: int) -> dict[str, str]:
    """All that makes a service send its traces: the environment, nothing in the code."""
    return {
        "OTEL_SERVICE_NAME": service,
        "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{otlp_port}",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_PYTHON_EXCLUDED_URLS": "/fault",
    }


def neighbours(ports: Mapping[Service, int]) -> dict[str, str]:
    """Where the services find each other."""
    return {
        "CHECKOUT_URL": f"http://{LOOPBACK}:{ports[Service.CHECKOUT]}",
        "PAYMENT_URL": f"http://{LOOPBACK}:{ports[Service.PAYMENT]}",
    }


def set_fault(payment_port: int, fault: Fault) -> None:
    """Break payment, or mend it.

    Raises:
        AndonError: payment did not take it.
    """
    body = {"mode": fault.mode, "share": fault.share, "delay_s": fault.delay_s}
    url = f"http://{LOOPBACK}:{payment_port}/fault"
    try:
        httpx.put(url, json=body, timeout=FAULT_TIMEOUT_S, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise AndonError(f"payment did not take the fault {fault.mode!r} at {url}: {error}") from error


def instrument() -> str:
    """The path of `opentelemetry-instrument`, of this environment first.

    Raises:
        AndonError: the packages of the extra `demo` are missing.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which("opentelemetry-instrument", path=os.pathsep.join((beside, os.environ.get("PATH", ""))))
    absent = [name for name in NEEDED if not installed(name)]
    if found is None or absent:
        what = ", ".join(absent) or "opentelemetry-instrument"
        raise AndonError(f"the demo needs {what}: pip install 'andon[demo]'")
    return found


def installed(module: str) -> bool:
    """Whether `module` can be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
