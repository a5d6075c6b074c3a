"""Requests that come again: a client whose acknowledgement was lost sends the same bytes once more.

In: a key of one request, and what stores it. Out: whether it was stored now or before. Promised: of requests with the
same key within `window`, however many come at a time, one is stored; those that come while it is being stored wait for
that, and if it fails, the next of them is. At most `max_requests` are remembered, by the process that took them, and
not beyond its life.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from pipeline.errors import RetryableError
from receivers.otlp.config import RetriesConfig

WAIT_TIMEOUT_S = 30.0

Key = tuple[str, str, int]


class Retries:
    """What was stored lately, and what is being stored. Safe for many threads."""

    def __init__(self, config: RetriesConfig) -> None:
        self._window_ns = config.window
        self._max_requests = config.max_requests
        self._lock = threading.Lock()
        self._stored: OrderedDict[Key, int] = OrderedDict()
        self._storing: dict[Key, threading.Lock] = {}

    def once(self, key: Key, now_ns: int, store: Callable[[], None]) -> bool:
        """Call `store` unless it was done for `key` before; whether it was called.

        Raises:
            RetryableError: somebody else has been at it for too long.
        """
        deadline_s = time.monotonic() + WAIT_TIMEOUT_S
        while True:
            with self._lock:
                if self._is_known(key, now_ns):
                    return False
                other = self._storing.get(key)
                if other is None:
                    mine = self._storing[key] = threading.Lock()
                    mine.acquire()
                    break
            if not other.acquire(timeout=max(0.0, deadline_s - time.monotonic())):
                raise RetryableError("the same request is still being stored")
            other.release()
        self._store(key, now_ns, store, mine)
        return True

    def _store(self, key: Key, now_ns: int, store: Callable[[], None], mine: threading.Lock) -> None:
        try:
            store()
        except BaseException:
            with self._lock:
                del self._storing[key]
            raise
        else:
            with self._lock:
                del self._storing[key]
                self._remember(key, now_ns)
        finally:
            mine.release()

    def _is_known(self, key: Key, now_ns: int) -> bool:
        stored_ns = self._stored.get(key)
        return stored_ns is not None and now_ns - stored_ns < self._window_ns

    def _remember(self, key: Key, now_ns: int) -> None:
        self._stored[key] = now_ns
        self._stored.move_to_end(key)
        while len(self._stored) > self._max_requests or not self._is_known(next(iter(self._stored)), now_ns):
            self._stored.popitem(last=False)
