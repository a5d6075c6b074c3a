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

PATIENCE_S, TIMEOUT_S = 90, 10
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url, body=None, headers=None):
    """Status and body of an answer."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    opener = DIRECT
    if url.startswith("https:"):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=pinned()))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def pinned():
    """Only the certificate that ingest was given: the token goes to nobody else."""
    context = ssl.create_default_context(cafile=os.environ["ANDON_TEST_CERTIFICATE"])
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def eventually(what, look):
    """Look again until it is so."""
    until = time.monotonic() + PATIENCE_S
    came = None
    while time.monotonic() < until:
        try:
            came = look()
            if came is True:
                print(f"{what}: yes", flush=True)
                return
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            came = error
        time.sleep(1)
    sys.exit(f"{what}: expected so within {PATIENCE_S} s, got {came}")


def span(trace):
    """One span as OTLP/JSON."""
    now = time.time_ns()
    one = {
        "traceId": trace,
        "spanId": secrets.token_hex(8),
        "name": "helm test",
        "kind": 1,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "andon-helm-test"}}]}
    spans = [{"resource": resource, "scopeSpans": [{"spans": [one]}]}]
    return json.dumps({"resourceSpans": spans}).encode()


def send(trace):
    """Whether the door took it."""
    headers = {"content-type": "application/json"}
    if token := os.environ.get("ANDON_TEST_TOKEN"):
        headers["authorization"] = f"Bearer {token.strip()}"
    status, body = ask(os.environ["ANDON_TEST_OTLP"] + "/v1/traces", span(trace), headers)
    return status == 200 or f"{status} {body[:500]!r}"


def found(trace):
    """Whether ClickHouse has it, once."""
    sql = f"SELECT count() AS n FROM otel_traces WHERE TraceId = '{trace}'"
    command = ["andon", "sql", sql, "--json", "--config", os.environ["ANDON_TEST_CONFIG"]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return run.returncode == 0 and json.loads(run.stdout) == {"n": 1} or f"{run.stdout} {run.stderr}"


def answers(url):
    """Whether 200 is what it says."""
    status, body = ask(url)
    return status == 200 or f"{status} {body[:500]!r}"


def main():
    trace = secrets.token_hex(16)
    eventually("ingest is ready", lambda: answers(os.environ["ANDON_TEST_HEALTH"] + "/readyz"))
    if os.environ.get("ANDON_TEST_OTLP"):
        eventually("a span is acknowledged", lambda: send(trace))
        eventually("it is in ClickHouse", lambda: found(trace))
    else:
        print("no span is sent: set tests.token, and open the HTTP door to clients without certificates", flush=True)
    eventually("the page shows figures", lambda: answers(os.environ["ANDON_TEST_PAGE"] + "/api/v2/status.json"))


if __name__ == "__main__":
    main()
