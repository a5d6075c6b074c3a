"""What the spool's folders hold, read beside running workers and without their locks.

In: the spool's directory. Out: an `Entry` for every chunk that waits and every dead letter, oldest first. A file that
goes while it is read was stored meanwhile, and is left out.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.chunk import SEALED, content
from pipeline.deadletters import REASON
from pipeline.errors import PermanentError
from pipeline.folder import DEAD, RETRY, Place, places


class State(StrEnum):
    """What is to become of it."""

    OPEN = "open"
    WAITING = "waiting"
    RETRY = "retry"
    DEAD = "dead"


FILES = {
    State.OPEN: "*.open",
    State.WAITING: f"*{SEALED}",
    State.RETRY: f"{RETRY}/*{SEALED}",
    State.DEAD: f"{DEAD}/*{SEALED}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of requests. `received_ns` is the receive time of the last of them."""

    id: str
    state: State
    place: Place
    path: Path
    size_bytes: int
    requests: int
    received_ns: int
    tenants: tuple[str, ...]
    stored: tuple[str, ...]

    def reason(self) -> str:
        """What is written beside a dead letter; the first line is the error."""
        try:
            return self.path.with_suffix(REASON).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""


def entries(directory: Path) -> list[Entry]:
    """All there are, oldest first."""
    found = [entry for place in places(directory) for entry in _entries(place)]
    return sorted(found, key=lambda entry: entry.id)


def find(directory: Path, wanted: Sequence[str]) -> list[Entry]:
    """Those with the ids that are wanted.

    Raises:
        PermanentError: some are not there.
    """
    known = {entry.id: entry for entry in entries(directory)}
    missing = [one for one in wanted if one not in known]
    if missing:
        raise PermanentError(f"expected ids that `andon spool list` shows, got {', '.join(missing)}")
    return [known[one] for one in wanted]


def dead(found: Sequence[Entry]) -> Sequence[Entry]:
    """All of `found`, which must be dead.

    Raises:
        PermanentError: some are not.
    """
    for entry in found:
        if entry.state is not State.DEAD:
            raise PermanentError(f"{entry.id}: expected a dead letter, got one that is not put aside: {entry.state}")
    return found


def _entries(place: Place) -> Iterator[Entry]:
    for state, pattern in FILES.items():
        for path in place.path.glob(pattern):
            with suppress(FileNotFoundError):
                holds = content(path, check=False)
                yield Entry(
                    id=path.stem,
                    state=state,
                    place=place,
                    path=path,
                    size_bytes=path.stat().st_size,
                    requests=holds.requests,
                    received_ns=holds.received_ns,
                    tenants=holds.tenants,
                    stored=tuple(sorted(holds.stored)),
                )
