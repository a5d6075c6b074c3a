"""What `helm test` runs: a span goes in by the door and is found in ClickHouse; the page answers.

In: where things are, from the environment. Out: exit status 0, or 1 with what was expected and what came.
"""

import json
import os
import secrets
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler

PATIENCE_S, TIMEOUT_S, QUERY_S = 90, 10, 60
SHOWN = 500
Look = Callable[[], str]
"""What is wrong; nothing if all is well."""


def ask(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> str:
    """What is wrong with the answer."""
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))
    try:
        with opener(url).open(request, timeout=TIMEOUT_S) as answer:
            status, text = answer.status, b""
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    return "" if status == HTTPStatus.OK else f"{status} {text[:SHOWN]!r}"


def opener(url: str) -> OpenerDirector:
    """No proxy is asked; over TLS only the certificate that ingest was given is good enough to be shown a token."""
    direct = ProxyHandler({})
    if not url.startswith("https:"):
        return urllib.request.build_opener(direct)
    context = ssl.create_default_context(cafile=os.environ["ANDON_TEST_CERTIFICATE"])
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return urllib.request.build_opener(direct, HTTPSHandler(context=context))


def eventually(what: str, look: Look) -> None:
    """Look again until all is well, or end in words."""
    until = time.monotonic() + PATIENCE_S
    wrong = "nothing yet"
    while wrong:
        if time.monotonic() > until:
            sys.exit(f"{what}: expected so within {PATIENCE_S} s, got {wrong}")
        try:
            wrong = look()
        except (OSError, subprocess.SubprocessError) as error:
            wrong = str(error)
        time.sleep(1 if wrong else 0)
    print(f"{what}: yes", flush=True)


def span(trace: str) -> bytes:
    """A request of one span, as OTLP/JSON."""
    now = time.time_ns()
    times = {"startTimeUnixNano": str(now - 1_000_000), "endTimeUnixNano": str(now)}
    one = {"traceId": trace, "spanId": secrets.token_hex(8), "name": "helm test", "kind": 1, **times}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "andon-helm-test"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [one]}]}]}).encode()


def send(door: str, trace: str) -> str:
    """What keeps the door from taking a span."""
    headers = {"content-type": "application/json"}
    if token := os.environ.get("ANDON_TEST_TOKEN"):
        headers["authorization"] = f"Bearer {token.strip()}"
    return ask(f"{door}/v1/traces", span(trace), headers)


def find(trace: str) -> str:
    """What ClickHouse says instead of having it once."""
    sql = f"SELECT count() AS n FROM otel_traces WHERE TraceId = '{trace}'"
    command = ["andon", "sql", sql, "--json", "--config", os.environ["ANDON_TEST_CONFIG"]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=QUERY_S, check=False)
    is_there = run.returncode == 0 and json.loads(run.stdout) == {"n": 1}
    return "" if is_there else f"{run.stdout} {run.stderr}"


def main() -> None:
    """Look at one after the other."""
    trace = secrets.token_hex(16)
    eventually("ingest is ready", lambda: ask(os.environ["ANDON_TEST_HEALTH"] + "/readyz"))
    if door := os.environ.get("ANDON_TEST_OTLP"):
        eventually("a span is acknowledged", lambda: send(door, trace))
        eventually("it is in ClickHouse", lambda: find(trace))
    else:
        print("no span is sent: that takes tests.token, and an HTTP door to clients without certificates", flush=True)
    eventually("the page shows figures", lambda: ask(os.environ["ANDON_TEST_PAGE"] + "/api/v2/status.json"))


if __name__ == "__main__":
    main()
