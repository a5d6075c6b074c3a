"""`andon check`: what `serve` would refuse, found before it is started; `andon schema`: the same for editors.

In: `andon.yaml`, a file of objectives, or a folder of them. Out: a line saying what it holds, or `ConfigError` with
every problem. `andon.yaml` is told from objectives by its documents: those have an `apiVersion`.
"""

import json
from pathlib import Path

from exporters.report.document import json_schema
from pipeline.assembly import Assembly
from pipeline.config import load, nearest
from pipeline.errors import PermanentError
from processors.slo.documents import load_objectives, objectives_at
from processors.slo.objectives import Objectives
from processors.slo.schema import ALL, file_name, schemas

REPORT = "Report"  # not a document that is read, but one that is written


def check_file(path: Path) -> str:
    """What `path` holds, in a line.

    Raises:
        ConfigError: with every problem.
    """
    if path.is_dir() or is_objectives(path):
        return described(objectives_at(path))
    assembly = Assembly(path)
    assembly.telemetry()
    folder = assembly.config.objectives
    return f"valid; {folder.name}: {described(load_objectives(folder))}"


def is_objectives(path: Path) -> bool:
    """Whether the documents of a file say of what kind they are, or could not be sections of `andon.yaml` either."""
    found = [document.data for document in load(path) if document.data is not None]
    return any(not isinstance(data, dict) or not {"apiVersion", "kind"}.isdisjoint(data) for data in found)


def described(objectives: Objectives) -> str:
    """How many of what."""
    counts = (
        (len(objectives.services), "service"),
        (len(objectives.indicators), "indicator"),
        (len(objectives.promises), "promise"),
    )
    return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts) + "; all of it can work"


def schema_texts(kind: str | None, *, all_kinds: bool) -> dict[str, str]:
    """JSON Schemas by the names of their files: of one kind, of each, or the one that holds for all.

    Raises:
        PermanentError: there is no such kind.
    """
    found = schemas()
    if kind == REPORT:
        return {file_name(REPORT): json.dumps(json_schema(), indent=2, ensure_ascii=False)}
    if kind is not None and kind not in found:
        hint = nearest(kind, [*found, REPORT])
        raise PermanentError(f"expected a kind ({', '.join([*found, REPORT])}), got {kind!r}{hint and f' - {hint}'}")
    wanted = [kind] if kind is not None else list(found) if all_kinds else [ALL]
    return {file_name(name): json.dumps(found[name], indent=2, ensure_ascii=False) for name in wanted}
