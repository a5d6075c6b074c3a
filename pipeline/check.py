"""`andon check`: what `serve` would refuse, found before it is started.

In: `andon.yaml`, a file of objectives, or a folder of them. Out: a line saying what it holds, or `ConfigError` with
every problem. `andon.yaml` is told from objectives by its documents: those have an `apiVersion`.
"""

from pathlib import Path

from pipeline.assembly import Assembly
from pipeline.config import load
from processors.slo.documents import load_objectives, read_objectives
from processors.slo.objectives import Objectives


def check_file(path: Path) -> str:
    """What `path` holds, in a line.

    Raises:
        ConfigError: with every problem.
    """
    if path.is_dir():
        return described(load_objectives(path))
    if is_objectives(path):
        return described(read_objectives([path]))
    assembly = Assembly(path)
    assembly.telemetry()
    folder = assembly.config.objectives
    return f"valid; {folder.name}: {described(load_objectives(folder))}"


def is_objectives(path: Path) -> bool:
    """Whether the documents of a file say of what kind they are."""
    return any(isinstance(document.data, dict) and "apiVersion" in document.data for document in load(path))


def described(objectives: Objectives) -> str:
    """How many of what."""
    counts = (
        (len(objectives.services), "service"),
        (len(objectives.indicators), "indicator"),
        (len(objectives.promises), "promise"),
    )
    return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts) + "; all of it can work"
