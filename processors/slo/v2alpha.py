"""OpenSLO v2alpha read as v1: the same promises in other words.

In: a document of `openslo.com/v2alpha`. Out: the document in the words of v1, every line where it was, problems told in
the words that were written.

    v2alpha                                       v1
    spec.sli, spec.sliRef                         spec.indicator, spec.indicatorRef; in objectives too
    dataSourceRef, dataSourceSpec.type, spec      metricSource: {metricSourceRef, type, spec}

There is no displayName, nor a length in M, Q or Y: v2alpha has neither, so no calendar month can be written in it.

Source: https://github.com/OpenSLO/OpenSLO/blob/main/enhancements/v2alpha.md
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.config import ConfigT, Path_
from pipeline.config import Document as Source
from pipeline.errors import ConfigError, Problem

VERSION, V1 = "openslo.com/v2alpha", "openslo/v1"
RENAMED = {"sli": "indicator", "sliRef": "indicatorRef"}
METRICS = frozenset({"thresholdMetric", "good", "bad", "total", "raw"})
# A key of a metric, and where v1 has it.
MOVED: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("dataSourceRef",): ("metricSource", "metricSourceRef"),
    ("dataSourceSpec", "type"): ("metricSource", "type"),
    ("spec",): ("metricSource", "spec"),
}
# What a problem calls things, longest first, and what was written.
WORDS = {
    "metricSource.metricSourceRef": "dataSourceRef",
    "metricSource.type": "dataSourceSpec.type",
    "metricSource.spec": "spec",
    "metricSourceRef": "dataSourceRef",
    ".metricSource": "",
    "an indicatorRef": "a sliRef",
    "indicatorRef": "sliRef",
    "an indicator": "a sli",
    "spec.indicator": "spec.sli",
    "].indicator": "].sli",
}


@dataclass(frozen=True, kw_only=True)
class Translated(Source):
    """A document in the words of v1 that speaks of its problems in those of v2alpha."""

    def problem(self, path: Path_, *, expected: str, hint: str = "") -> Problem:
        return in_v2alpha(super().problem(path, expected=expected, hint=hint))

    def parse(self, model: type[ConfigT], at: Path_ = ()) -> ConfigT:
        try:
            return super().parse(model, at)
        except ConfigError as error:
            raise ConfigError([in_v2alpha(problem) for problem in error.problems]) from None


def in_v2alpha(problem: Problem) -> Problem:
    """A problem in the words of v2alpha."""
    return replace(problem, path=_respelled(problem.path), expected=_respelled(problem.expected))


def _respelled(text: str) -> str:
    for ours, theirs in WORDS.items():
        text = text.replace(ours, theirs)
    return text


def translated(source: Source) -> Source:
    """The document as v1 has it; one of another version as it is.

    Raises:
        ConfigError: it says something that v1 has no place for.
    """
    if source.at(("apiVersion",)) != VERSION:
        return source
    problems = list(_untranslatable(source))
    if problems:
        raise ConfigError(problems)
    moves: dict[Path_, Path_] = {}
    data = {**_moved(source.data, (), (), moves), "apiVersion": V1}
    lines = {moves[path]: line for path, line in source.lines.items() if path in moves}
    secret = frozenset(moves[path] for path in source.secret if path in moves)
    return Translated(file=source.file, data=data, lines=lines, secret=secret)


def _moved(value: Any, old: Path_, new: Path_, moves: dict[Path_, Path_]) -> Any:
    """`value` in the words of v1; `moves` learns where everything went."""
    moves[old] = new
    if isinstance(value, list):
        return [_moved(item, (*old, index), (*new, index), moves) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if old and old[-1] in METRICS:
        return _moved_metric(value, old, new, moves)
    return {_in_v1(key): _moved(item, (*old, key), (*new, _in_v1(key)), moves) for key, item in value.items()}


def _in_v1(key: str) -> str:
    return RENAMED.get(key, key)


def _moved_metric(metric: dict[str, Any], old: Path_, new: Path_, moves: dict[Path_, Path_]) -> dict[str, Any]:
    source: dict[str, Any] = {}
    moves[old] = new
    for theirs, ours in MOVED.items():
        found: Any = metric
        for step in theirs:
            found = found.get(step) if isinstance(found, dict) else None
        if found is not None:
            source[ours[-1]] = found
            _unmoved(found, (*old, *theirs), (*new, *ours), moves)
    return {"metricSource": source}


def _unmoved(value: Any, old: Path_, new: Path_, moves: dict[Path_, Path_]) -> None:
    """What stays as it is, somewhere else: selectors have words of their own."""
    moves[old] = new
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _unmoved(item, (*old, key), (*new, key), moves)


def _untranslatable(source: Source) -> Iterator[Problem]:
    for path in source.lines:
        if path[-2:] == ("metadata", "displayName"):
            yield source.problem(path, expected="no displayName: v2alpha has none", hint=f"{V1} has it")
        elif path[-1:] == ("labels",) and "objectives" in path:
            yield source.problem(path, expected="labels under metadata", hint=f"an objective of {V1} has none")
        elif path[-1:] == ("duration",) and str(source.at(path))[-1:] in {"M", "Q", "Y"}:
            hint = f"a calendar month cannot be written in v2alpha; write {V1}"
            yield source.problem(path, expected="a length in m, h, d or w", hint=hint)
        elif path and path[-1] in METRICS:
            yield from _strange(source, path)


def _strange(source: Source, path: Path_) -> Iterator[Problem]:
    metric = source.at(path)
    known = {keys[0] for keys in MOVED}
    for key in metric if isinstance(metric, dict) else ():
        if key not in known:
            yield source.problem((*path, key), expected=f"one of {', '.join(sorted(known))}")
    details = (*path, "dataSourceSpec", "connectionDetails")
    if details in source.lines:
        yield source.problem(details, expected="no connectionDetails inside an indicator", hint="write a DataSource")
