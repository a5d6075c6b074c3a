"""The last snapshot on disk, so that a restart with everything else away still shows something.

Written to a neighbour and renamed, so a reader finds the old one or the new one, whole. Durable once `save` returns.
"""

import logging
import os
from pathlib import Path

from pipeline.errors import PermanentError
from statuspage.snapshot import Snapshot, from_json, to_json

log = logging.getLogger(__name__)


def save(snapshot: Snapshot, path: Path) -> None:
    """Keep `snapshot` at `path`.

    Raises:
        OSError: the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(to_json(snapshot))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load(path: Path) -> Snapshot | None:
    """The snapshot at `path`; none, with a line in the log, where it cannot be read."""
    try:
        return from_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, PermanentError) as error:
        log.warning("the saved status page at %s cannot be used: %s", path, error)
        return None
