"""The life of one program: start, say so, wait for a signal, shut down.

In: a component. Promised: SIGTERM and SIGINT shut it down in good order; so does the end of the supervisor that
started it, noticed by the pipe both hold (`--lifeline`), so no part outlives `andon serve`, however that dies.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from pipeline.component import Component

log = logging.getLogger("andon")


def configure_logging(part: str) -> None:
    """One line an event on stderr: when, how grave, which part, what."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)-7s {part}: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.INFO)
    # They tell of every connection that is refused; we say once that the store is away, and once that it is back.
    for name in ("urllib3", "clickhouse_connect"):
        logging.getLogger(name).setLevel(logging.ERROR)


def run(component: Component, *, ready: Callable[[], str], lifeline: bool) -> None:
    """Run `component` until told to stop. What `ready` says is printed on stdout once it works."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    if lifeline:
        threading.Thread(target=_watch_lifeline, args=(stop,), name="lifeline", daemon=True).start()
    try:
        component.start()
        print(ready(), flush=True)  # noqa: T201  # the supervisor and people both wait for this line
        stop.wait()
        log.info("stopping")
    finally:
        component.shutdown()


def _watch_lifeline(stop: threading.Event) -> None:
    """Standard input is a pipe whose other end the supervisor holds: its end is the supervisor's."""
    while os.read(0, 1):
        pass
    stop.set()
