"""Reading a folder of objectives: every document checked, every problem of every file told at once.

In: a folder; all `*.yaml` and `*.yml` below it, in order of their paths, several documents a file; nothing whose name
begins with a dot, where Kubernetes keeps the same files once more. Out: `Objectives`, or `ConfigError` with each
problem's file, line and path, what was expected, what came and what may have been meant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.config import MISSING, ConfigT, load, nearest, one_problem
from pipeline.config import Document as Source
from pipeline.errors import ConfigError, Problem
from processors.sla.documents import Agreement
from processors.slo.budget import max_burn_rate
from processors.slo.objectives import Objectives, Written, build
from processors.slo.openslo import (
    UNSUPPORTED,
    UNSUPPORTED_KINDS,
    UNSUPPORTED_METHODS,
    BurnPolicyDocument,
    Document,
    RatioMetric,
    Service,
    Sli,
    Slo,
)

Place = tuple[str | int, ...]
KINDS: dict[tuple[str, str], type[Document]] = {
    ("openslo/v1", "Service"): Service,
    ("openslo/v1", "SLI"): Sli,
    ("openslo/v1", "SLO"): Slo,
    ("andon/v1", "Agreement"): Agreement,
    ("andon/v1", "BurnPolicy"): BurnPolicyDocument,
}
SUFFIXES = frozenset({".yaml", ".yml"})
MAX_DECIMALS = 12
PERCENT = 100


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
    problems += _check(sources, parsed)
    if problems:
        order = {str(file): number for number, file in enumerate(files)}
        raise ConfigError(sorted(problems, key=lambda problem: (order[problem.file], problem.line)))
    return build([Written(model=one.model, content=one.source.data) for one in parsed])


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document that is sound in itself, and where it stands."""

    source: Source
    model: Document


def _sources(file: Path, problems: list[Problem]) -> list[Source]:
    try:
        return [source for source in load(file) if source.data is not None]
    except ConfigError as error:
        problems += error.problems
        return []


def _parsed(source: Source, problems: list[Problem]) -> Iterator[Parsed]:
    model, found = _model(source)
    unsupported = list(_unsupported(source))
    told = {(problem.line, problem.path) for problem in unsupported}
    problems += unsupported
    if model is None:
        problems += found
        return
    try:
        parsed = Parsed(source, _parse(source, model))
    except ConfigError as error:
        # What is not supported is an unknown key to the model: it is told once, in the better words.
        problems += [problem for problem in error.problems if (problem.line, problem.path) not in told]
        return
    if not unsupported:
        yield parsed


def _parse(source: Source, model: type[ConfigT]) -> ConfigT:
    return source.parse(model)


def _model(source: Source) -> tuple[type[Document] | None, list[Problem]]:
    """The model of a document by its apiVersion and kind, or why there is none."""
    version, kind = source.at(("apiVersion",)), source.at(("kind",))
    if version == "openslo/v1" and kind in UNSUPPORTED_KINDS:
        return None, [source.problem(("kind",), expected=f"{_kinds()}: others of OpenSLO are not supported yet")]
    if (version, kind) in KINDS:
        return KINDS[version, kind], []
    versions = {version for version, _ in KINDS}
    if version not in versions:
        hint = nearest(str(version), sorted(versions))
        return None, [source.problem(("apiVersion",), expected=" or ".join(sorted(versions)), hint=hint)]
    known = [kind for known_version, kind in KINDS if known_version == version]
    hint = nearest(str(kind), known)
    return None, [source.problem(("kind",), expected=f"a kind of {version}: {', '.join(known)}", hint=hint)]


def _kinds() -> str:
    return ", ".join(kind for _, kind in KINDS)


def _unsupported(source: Source) -> Iterator[Problem]:
    """What OpenSLO allows here and we do not evaluate."""
    for pattern, instead in UNSUPPORTED.get(str(source.at(("kind",))), {}).items():
        for path in _matches(source.data, pattern):
            yield source.problem(path, expected=f"no {path[-1]}, which is not supported yet", hint=instead)
    method: Place = ("spec", "budgetingMethod")
    if source.at(method) in UNSUPPORTED_METHODS:
        yield source.problem(method, expected="Occurrences, the only method supported yet")


def _matches(value: Any, pattern: tuple[str, ...], path: Place = ()) -> Iterator[Place]:
    if not pattern:
        yield path
    elif pattern[0] == "*" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _matches(item, pattern[1:], (*path, index))
    elif isinstance(value, dict) and pattern[0] in value:
        yield from _matches(value[pattern[0]], pattern[1:], (*path, pattern[0]))


def _check(sources: Sequence[Source], parsed: Sequence[Parsed]) -> Iterator[Problem]:
    """What each document says of the others, and whether its numbers can work."""
    yield from _duplicates(sources)
    names = Names(sources)
    for one in parsed:
        match one.model:
            case Sli():
                yield from _check_metric(one.source, one.model.spec.ratio_metric, ("spec", "ratioMetric"))
            case Slo():
                yield from _check_slo(one.source, one.model, names)
            case Agreement():
                yield from _check_agreement(one.source, one.model, names)
            case BurnPolicyDocument():
                yield from _check_policy(one.source, one.model, names, parsed)
    yield from _policies_twice(parsed)


class Names:
    """The names that documents go by, those included whose document has problems of its own."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._names: dict[str, list[str]] = {}
        for source in sources:
            for kind, path in _named(source):
                self._names.setdefault(kind, []).append(str(source.at(path)))

    def check(self, source: Source, path: Place, kind: str) -> Iterator[Problem]:
        """A problem unless what stands at `path` is the name of a document of `kind`."""
        known = sorted(self._names.get(kind, ()))
        name = source.at(path)
        if name not in known:
            expected = f"the name of {'an' if kind.startswith('S') and kind.isupper() else 'a'} {kind}"
            among = f" ({', '.join(known)})" if known else f", and there is no {kind}"
            yield source.problem(path, expected=expected + among, hint=nearest(str(name), known))


def _named(source: Source) -> Iterator[tuple[str, Place]]:
    """The kinds and the places of the names in a document."""
    inline: Place = ("spec", "indicator", "metadata", "name")
    yield str(source.at(("kind",))), ("metadata", "name")
    if source.at(("kind",)) == "SLO" and source.at(inline) is not MISSING:
        yield "SLI", inline


def _duplicates(sources: Sequence[Source]) -> Iterator[Problem]:
    """Names used twice; SLOs and agreements share theirs, for both are promises."""
    first: dict[tuple[str, str], str] = {}
    for source in sources:
        for kind, path in _named(source):
            group = "promise" if kind in {"SLO", "Agreement"} else kind
            name = group, str(source.at(path))
            if name in first:
                hint = f"it stands first at {first[name]}"
                yield source.problem(path, expected=f"a name that no other {group} has", hint=hint)
            elif source.at(path) is not MISSING:
                first[name] = f"{source.file}:{source.line(path)}"


def _check_metric(source: Source, metric: RatioMetric, path: Place) -> Iterator[Problem]:
    part = "good" if metric.good else "bad"
    if metric.part.selector.group_by not in {None, metric.total.selector.group_by}:
        where = (*path, part, "metricSource", "spec", "groupBy")
        yield source.problem(where, expected=f"groupBy under total, where it groups {part} events too")


def _check_slo(source: Source, slo: Slo, names: Names) -> Iterator[Problem]:
    yield from names.check(source, ("spec", "service"), "Service")
    if slo.spec.indicator:
        yield from _check_metric(
            source, slo.spec.indicator.spec.ratio_metric, ("spec", "indicator", "spec", "ratioMetric")
        )
    else:
        yield from names.check(source, ("spec", "indicatorRef"), "SLI")
    for index, objective in enumerate(slo.spec.objectives):
        path = ("spec", "objectives", index, objective.written_as)
        yield from _check_target(source, path, objective.ratio)


def _check_agreement(source: Source, agreement: Agreement, names: Names) -> Iterator[Problem]:
    yield from names.check(source, ("spec", "service"), "Service")
    seen: set[str] = set()
    for index, objective in enumerate(agreement.spec.objectives):
        path: Place = ("spec", "objectives", index)
        yield from names.check(source, (*path, "indicatorRef"), "SLI")
        yield from _check_target(source, (*path, "target"), objective.target)
        if objective.indicator_ref in seen:
            yield source.problem((*path, "indicatorRef"), expected="each indicator once in an agreement")
        seen.add(objective.indicator_ref)


def _check_target(source: Source, path: Place, ratio: Fraction) -> Iterator[Problem]:
    in_percent = path[-1] == "targetPercent"
    whole = PERCENT if in_percent else 1
    if ratio == 1 or (not in_percent and ratio == PERCENT):
        reason = (
            "a promise of 100 % leaves no budget: one failed request breaks it for good, and nothing can warn before"
        )
        yield source.problem(path, expected=f"a target below {whole}", hint=reason)
    elif not 0 < ratio < 1:
        meant = f"did you mean {decimal(ratio / PERCENT)}?" if not in_percent and 1 < ratio < PERCENT else ""
        yield source.problem(path, expected=f"a target above 0 and below {whole}", hint=meant)
    elif (ratio * 10**MAX_DECIMALS).denominator != 1:
        yield source.problem(path, expected=f"a ratio of at most {MAX_DECIMALS} decimals")


def _check_policy(
    source: Source, policy: BurnPolicyDocument, names: Names, parsed: Sequence[Parsed]
) -> Iterator[Problem]:
    for index in range(len(policy.spec.slo_refs)):
        yield from names.check(source, ("spec", "sloRefs", index), "SLO")
    slos = [one.model for one in parsed if isinstance(one.model, Slo) and one.model.name in policy.spec.slo_refs]
    for index, pair in enumerate(policy.spec.pairs):
        path: Place = ("spec", "pairs", index)
        if pair.threshold <= 0:
            yield source.problem((*path, "threshold"), expected="a burn rate above 0")
        for slo in slos:
            yield from _check_threshold(source, (*path, "threshold"), pair.threshold, slo)
            if pair.long.seconds > slo.spec.window.nominal_s:
                expected = f"a window no longer than that of {slo.name}, {slo.spec.window.length}"
                yield source.problem((*path, "long"), expected=expected)


def _check_threshold(source: Source, path: Place, threshold: Fraction, slo: Slo) -> Iterator[Problem]:
    sound = [objective.ratio for objective in slo.spec.objectives if 0 < objective.ratio < 1]
    for target in sound:
        highest = max_burn_rate(target)
        if threshold > highest:
            reason = f"with the target {decimal(target)} of {slo.name} a total outage burns at 1/(1-{decimal(target)})"
            limit = f"{float(highest):.6g}"
            yield source.problem(
                path, expected=f"a burn rate of at most {limit}", hint=f"{reason} = {limit}: it could never fire"
            )


def _policies_twice(parsed: Sequence[Parsed]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    policies = ((one.source, one.model) for one in parsed if isinstance(one.model, BurnPolicyDocument))
    for source, policy in policies:
        for index, name in enumerate(policy.spec.slo_refs):
            path: Place = ("spec", "sloRefs", index)
            if name in first:
                yield source.problem(path, expected="one BurnPolicy per SLO", hint=f"it has one at {first[name]}")
            first.setdefault(name, f"{source.file}:{source.line(path)}")


def decimal(ratio: Fraction) -> str:
    """A ratio as people write it; exact for what was written in decimals."""
    return f"{(Decimal(ratio.numerator) / Decimal(ratio.denominator)).normalize():f}"
