"""The embedded engine by itself, without `andon.yaml`.

    python -m exporters.clickhouse.embedded --directory data --port 0

Passwords come from the environment; the address is printed as one line of JSON once it answers; SIGTERM ends it.
"""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from exporters.clickhouse.embedded import EmbeddedClickHouse, EmbeddedSettings
from pipeline.errors import PermanentError


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 when it ended as asked, 1 when it could not start."""
    settings = _settings(arguments)
    stop = threading.Event()
    engine = EmbeddedClickHouse(settings)
    try:
        engine.start()
    except PermanentError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sys.stdout.write(json.dumps({"address": engine.address}) + "\n")
    sys.stdout.flush()
    stop.wait()
    engine.shutdown()
    return 0


def _settings(arguments: Sequence[str] | None) -> EmbeddedSettings:
    parser = argparse.ArgumentParser(
        prog="python -m exporters.clickhouse.embedded", description="ClickHouse, embedded."
    )
    parser.add_argument("--directory", type=Path, required=True, help="where the data are")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8123, help="0 for any free one")
    parser.add_argument("--insecure", action="store_true", help="listen elsewhere than on loopback")
    parser.add_argument("--limits", type=json.loads, default={}, help="other settings by name, as a JSON object")
    given = parser.parse_args(arguments)
    return EmbeddedSettings(
        directory=given.directory,
        host=given.host,
        port=given.port,
        insecure=given.insecure,
        password=_from_environment("ANDON_CLICKHOUSE_PASSWORD"),
        readonly_password=_from_environment("ANDON_CLICKHOUSE_READONLY_PASSWORD"),
        **given.limits,
    )


def _from_environment(name: str) -> str:
    password = os.environ.get(name, "")
    if not password:
        raise SystemExit(f"expected a password in the environment variable {name}, got none")
    return password


if __name__ == "__main__":
    sys.exit(main())
