"""A thread with a component's life: started once, told to stop, waited for."""

import threading
from collections.abc import Callable


class Background:
    """Runs `work` in a thread; `work` returns soon after `stopping` is set."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=work, name=name)

    def start(self) -> None:
        self._thread.start()

    def shutdown(self) -> None:
        """Let it finish what it has in hand. Safe before `start`, and twice."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join()
