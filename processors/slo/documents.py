"""Reading a folder of objectives: every document checked, every problem of every file told at once.

In: a folder; all `*.yaml` and `*.yml` below it, in order of their paths, several documents a file; nothing whose name
begins with a dot, where Kubernetes keeps the same files once more. Out: `Objectives`, or `ConfigError` with each
problem's file, line and path, what was expected, what came and what may have been meant.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.config import ConfigT, load, nearest, one_problem
from pipeline.config import Document as Source
from pipeline.errors import ConfigError, Problem
from processors.sla.documents import Agreement, ExclusionDocument, ServiceCalendar
from processors.slo import v2alpha
from processors.slo.alerts import AlertCondition, AlertNotificationTarget, AlertPolicy, BurnPolicyDocument
from processors.slo.checks import Parsed, check
from processors.slo.indicators import DataSource, Sli
from processors.slo.metadata import Document
from processors.slo.objectives import Objectives, Written, build
from processors.slo.openslo import Service, Slo

OPENSLO, ANDON = "openslo/v1", "andon/v1"
KINDS: dict[tuple[str, str], type[Document]] = {
    (OPENSLO, "Service"): Service,
    (OPENSLO, "SLI"): Sli,
    (OPENSLO, "SLO"): Slo,
    (OPENSLO, "DataSource"): DataSource,
    (OPENSLO, "AlertPolicy"): AlertPolicy,
    (OPENSLO, "AlertCondition"): AlertCondition,
    (OPENSLO, "AlertNotificationTarget"): AlertNotificationTarget,
    (ANDON, "Agreement"): Agreement,
    (ANDON, "ServiceCalendar"): ServiceCalendar,
    (ANDON, "Exclusion"): ExclusionDocument,
    (ANDON, "BurnPolicy"): BurnPolicyDocument,
}
VERSIONS = tuple(dict.fromkeys(version for version, _ in KINDS))
SUFFIXES = frozenset({".yaml", ".yml"})


def objectives_at(path: Path) -> Objectives:
    """What a file of documents promises, or a folder of them.

    Raises:
        ConfigError: with every problem.
    """
    return load_objectives(path) if path.is_dir() else read_objectives([path])


def load_objectives(folder: Path) -> Objectives:
    """What the documents below `folder` promise.

    Raises:
        ConfigError: with every problem in all of its files.
    """
    files = sorted(path for path in folder.rglob("*") if _is_document(path.relative_to(folder)) and path.is_file())
    if not files:
        raise one_problem(folder, expected="a folder with objectives in .yaml files", got="none")
    return read_objectives(files)


def _is_document(path: Path) -> bool:
    return path.suffix in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def read_objectives(files: Sequence[Path]) -> Objectives:
    """What the documents in `files` promise together.

    Raises:
        ConfigError: with every problem in all of them.
    """
    problems: list[Problem] = []
    sources = [source for file in files for source in _sources(file, problems)]
    parsed = [one for source in sources for one in _parsed(source, problems)]
    problems += check(sources, parsed)
    if problems:
        order = {str(file): number for number, file in enumerate(files)}
        raise ConfigError(sorted(problems, key=lambda problem: (order[problem.file], problem.line)))
    return build([Written(model=one.model, content=one.source.data) for one in parsed])


def parse(source: Source) -> Document:
    """One document by itself, whatever it refers to.

    Raises:
        ConfigError: with every problem in it.
    """
    model, problems = _model(source)
    if model is None:
        raise ConfigError(problems)
    return _parse(source, model)


def _sources(file: Path, problems: list[Problem]) -> list[Source]:
    try:
        return [v2alpha.translated(source) for source in load(file) if source.data is not None]
    except ConfigError as error:
        problems += error.problems
        return []


def _parsed(source: Source, problems: list[Problem]) -> Iterator[Parsed]:
    try:
        yield Parsed(source, parse(source))
    except ConfigError as error:
        problems += error.problems


def _parse(source: Source, model: type[ConfigT]) -> ConfigT:
    return source.parse(model)


def _model(source: Source) -> tuple[type[Document] | None, list[Problem]]:
    """The model of a document by its apiVersion and kind, or why there is none."""
    version, kind = source.at(("apiVersion",)), source.at(("kind",))
    if not isinstance(source.data, dict):
        return None, [source.problem((), expected="a document with apiVersion, kind, metadata and spec")]
    if (version, kind) in KINDS:
        return KINDS[version, kind], []
    if version not in VERSIONS:
        hint = nearest(str(version), [*VERSIONS, v2alpha.VERSION])
        return None, [
            source.problem(("apiVersion",), expected=f"{', '.join(VERSIONS)} or {v2alpha.VERSION}", hint=hint)
        ]
    return None, [_wrong_kind(source, version, kind)]


def _wrong_kind(source: Source, version: str, kind: object) -> Problem:
    known = [name for other, name in KINDS if other == version]
    elsewhere = [other for other, name in KINDS if name == kind]
    hint = f"{kind} is a kind of {elsewhere[0]}" if elsewhere else nearest(str(kind), known)
    return source.problem(("kind",), expected=f"a kind of {version}: {', '.join(known)}", hint=hint)
