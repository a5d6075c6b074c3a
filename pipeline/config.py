"""Strict YAML: what users write becomes frozen models, or a list of exact problems.

In: a file (or several documents in one) and a pydantic model. Out: the model, or `ConfigError` with every problem
found, each with file, line, key path, what was expected and what came. `${env:NAME}` is replaced inside scalars, as the
collector does; a value that came from the environment is never printed.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pipeline.errors import ConfigError, Problem

MAX_FILE_BYTES = 1 << 20
MAX_SHOWN = 80
MAX_DEPTH = 32
MAX_VALUES = 100_000  # aliases repeat what they stand for
PORTS = range(65_536)
MERGE = "<<"
FOLDER = "folder"  # in the context of validation: where the file stands
Path_ = tuple[str | int, ...]
ConfigT = TypeVar("ConfigT", bound="Config")


class Config(BaseModel):
    """Base of all that users write: unknown keys and wrong types are refused, nothing changes after loading."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True, populate_by_name=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document with the line each value stands on.

    `secret` holds the paths whose value came from the environment.
    """

    file: str
    data: Any
    lines: Mapping[Path_, int]
    secret: frozenset[Path_] = field(default=frozenset())

    def line(self, path: Path_) -> int:
        """The line of `path`, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Path_, *, expected: str, hint: str = "") -> Problem:
        """A problem at `path`; what came is read from the document, unless it is secret."""
        return Problem(
            file=self.file,
            line=self.line(path),
            path=dotted(path),
            expected=expected,
            got="a value from the environment" if path in self.secret else show(self.at(path)),
            hint=hint,
        )

    def at(self, path: Path_) -> Any:
        """The value at `path`, or `MISSING`."""
        value = self.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return MISSING
        return value

    def parse(self, model: type[ConfigT], at: Path_ = ()) -> ConfigT:
        """This document as `model`, or the value that stands `at` some place in it.

        Raises:
            ConfigError: with every problem in the document.
        """
        try:
            context = {FOLDER: Path(self.file).absolute().parent}
            value = {} if self.data is None else self.at(at)
            return model.model_validate(value, context=context, by_alias=True, by_name=False)
        except ValidationError as error:
            errors = error.errors()
            meant = set(_meant(model, errors))
            problems = [
                self._problem(model, details, at)
                for details in errors
                if details["type"] != "missing" or details["loc"] not in meant
            ]
            raise ConfigError(sorted(problems, key=lambda problem: problem.line)) from None

    def _problem(self, model: type[BaseModel], details: ErrorDetails, at: Path_) -> Problem:
        place = (*at, *details["loc"])
        path = tuple(step for step in place if self.at(place) is not MISSING or step != "[key]")
        error = details.get("ctx", {}).get("error")
        if isinstance(error, At):
            path = (*path, error.key)
        if isinstance(error, Misnamed) or (path != place and place[-1] == "[key]"):
            expected, got = expected_of(details), repr(str(path[-1]))
            return Problem(file=self.file, line=self.line(path), path=dotted(path), expected=expected, got=got)
        if details["type"] == "extra_forbidden":
            known = sorted(known_keys(model, details["loc"][:-1]))
            return Problem(
                file=self.file,
                line=self.line(path),
                path=dotted(path),
                expected=f"one of {', '.join(known)}" if known else "no such key",
                got=repr(str(path[-1])),
                hint=nearest(str(path[-1]), known),
            )
        expected = expected_of(details)
        words = re.findall(r"'([^']*)'", expected) if details["type"] == "literal_error" else []
        secret = path in self.secret
        return self.problem(path, expected=expected, hint="" if secret else nearest(str(self.at(path)), words))


class At(ValueError):  # noqa: N818 - it reads as where it is raised
    """What is wrong at one key of a mapping that had to be read as a whole to tell."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(expected)
        self.key = key


class Misnamed(ValueError):  # noqa: N818 - as above
    """What is wrong is the key, not what stands at it."""


class Missing:
    """Stands for a value that is not in the document."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = Missing()


def load(path: Path) -> list[Document]:
    """Every YAML document in the file at `path`.

    Raises:
        ConfigError: unreadable file, broken YAML, a key twice, an environment variable that is not set.
    """
    text = _text(path)
    try:
        return [_document(str(path), node) for node in yaml.compose_all(text, _Loader)]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        expected, got = _yaml_words(error)
        raise one_problem(path, line=line, expected=expected, got=got) from None
    except yaml.YAMLError as error:
        raise one_problem(path, expected="text without control characters", got=str(error).splitlines()[0]) from None
    except RecursionError:
        raise one_problem(path, expected=f"values at most {MAX_DEPTH} deep", got="deeper ones") from None


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()[: MAX_FILE_BYTES + 1]
    except OSError as error:
        raise one_problem(path, expected="a readable UTF-8 file", got=str(error)) from error
    if len(content) > MAX_FILE_BYTES:
        raise one_problem(path, expected=f"at most {MAX_FILE_BYTES} bytes", got="more")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = f"the byte 0x{content[error.start]:02x}, which is not UTF-8"
        raise one_problem(path, line=line, expected="a readable UTF-8 file", got=got) from None


def _yaml_words(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    """What was expected and what came, where the parser's own words are those of its inside."""
    problem = error.problem or "something else"
    if "'\\t'" in problem:
        return "spaces to indent with: YAML allows no tabs", "a tab"
    if match := re.fullmatch(r"found undefined alias (.*)", problem):
        return "an anchor (&name) before the alias (*name) that repeats it", f"only the alias {match[1]}"
    if match := re.fullmatch(r"(?:while .*)?expected (.*), but (?:got|found) (.*)", problem):
        return f"valid YAML, with {match[1]}", match[2].replace("'<stream end>'", "the end of the file")
    if "mapping values are not allowed" in problem:
        return "valid YAML", "a second colon on the line, or wrong indentation: quote text that has a colon in it"
    if "could not determine a constructor" in problem:
        return "plain YAML without tags", problem.removeprefix("could not determine a constructor for ")
    return "valid YAML", problem


def one_problem(path: Path, *, expected: str, got: str, line: int = 0) -> ConfigError:
    """A `ConfigError` about the file as a whole."""
    return ConfigError([Problem(file=str(path), line=line, path="", expected=expected, got=got)])


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of plain scalars: `yes` and `2026-10-01` are strings, only true and false are booleans.

    Numbers are decimal: 010 is ten, and 1e3 a thousand.
    """


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":timestamp", ":bool", ":int", ":float", ":merge"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# What is no string unless it is quoted: the tag, what it looks like, and what it begins with.
PLAIN = (
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf")),
    ("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.inf)$|^\.nan$"),
        list("-+0123456789."),
    ),
)
for _resolver in PLAIN:
    _Loader.add_implicit_resolver(*_resolver)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))

_ENV = re.compile(r"\$\{env:([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Builder:
    """One document out of the nodes of YAML, with the line of each value and the problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path_, int] = {}
        self.secret: set[Path_] = set()
        self.problems: list[Problem] = []
        self._constructor = _Loader("")

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if len(path) > MAX_DEPTH:
            raise ConfigError([self._problem(node, path[:3], f"values at most {MAX_DEPTH} deep", "deeper ones")])
        if len(self.lines) > MAX_VALUES:
            raise ConfigError([self._problem(node, path[:3], f"at most {MAX_VALUES} values in a document", "more")])
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _problem(self, node: yaml.Node, path: Path_, expected: str, got: str) -> Problem:
        line = node.start_mark.line + 1
        return Problem(file=self.file, line=line, path=dotted(path), expected=expected, got=got)

    def _pairs(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[Any, Any]]:
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(self._problem(key_node, path, "a word as key", "a list or a mapping"))
                continue
            key = str(key_node.value)
            if key == MERGE:
                expected = "each key written out: merge keys (<<) are not read"
                self.problems.append(self._problem(key_node, (*path, key), expected, repr(MERGE)))
                continue
            if key in seen:
                self.problems.append(self._problem(key_node, (*path, key), "each key once", f"{key!r} again"))
            seen.add(key)
            value = self.build(value_node, (*path, key))
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            yield key, value

    def _scalar(self, node: yaml.ScalarNode, path: Path_) -> Any:
        try:
            return self._constructor.construct_object(self._filled_in(node, path))
        except ValueError:
            self.problems.append(self._problem(node, path, "a number of a sensible size", "one that cannot be read"))
            return None

    def _filled_in(self, node: yaml.ScalarNode, path: Path_) -> yaml.ScalarNode:
        """The scalar with its variables replaced by what the environment has."""
        text = str(node.value)
        if not _ENV.search(text):
            return node
        self.secret.add(path)
        self.problems.extend(
            self._problem(node, path, f"the environment variable {name!r}", "none set")
            for name in _ENV.findall(text)
            if not _NAME.fullmatch(name) or name not in os.environ
        )
        text = _ENV.sub(lambda match: os.environ.get(match[1], ""), text)
        plain = node.style is None
        tag = self._constructor.resolve(yaml.ScalarNode, text, (plain, not plain))  # type: ignore[no-untyped-call]
        return yaml.ScalarNode(tag, text, node.start_mark, node.end_mark)


def _document(file: str, root: yaml.Node | None) -> Document:
    builder = _Builder(file)
    data = None if root is None else builder.build(root, ())
    if builder.problems:
        raise ConfigError(builder.problems)
    return Document(file=file, data=data, lines=builder.lines, secret=frozenset(builder.secret))


def dotted(path: Path_) -> str:
    """`("a", 0, "b")` as `a[0].b`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def show(value: Any) -> str:
    """A short picture of a value for an error message."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = f"a mapping of {', '.join(map(str, value)) or 'nothing'}" if isinstance(value, dict) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def nearest(word: str, known: list[str]) -> str:
    """`did you mean X?` where a known word is close."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _meant(model: type[BaseModel], errors: list[ErrorDetails]) -> Iterator[Path_]:
    """The keys that are missing only because they are misspelt."""
    for details in errors:
        if details["type"] == "extra_forbidden":
            *above, key = details["loc"]
            for word in difflib.get_close_matches(str(key), known_keys(model, tuple(above)), n=1):
                yield (*above, word)


def known_keys(model: type[BaseModel], path: Path_) -> set[str]:
    """The keys that `model` allows in the mapping at `path`."""
    models = [model]
    for step in path:
        fields = {key: info for one in models for key, info in keys_of(one).items()}
        if step in fields:
            models = models_in(fields[str(step)].annotation)
    return {key for one in models for key in keys_of(one)}


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model, by the names users write."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation speaks of, however wrapped."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in models_in(part)]


_EXPECTED = {
    "missing": "a value here",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def expected_of(details: ErrorDetails) -> str:
    """What was expected, in words, from pydantic's account of what went wrong."""
    context = details.get("ctx", {})
    if "error" in context:
        return str(context["error"])
    if "expected" in context:
        return str(context["expected"])
    if details["type"] in ("too_short", "too_long"):
        least = "min_length" in context
        count = context["min_length" if least else "max_length"]
        return f"at {'least' if least else 'most'} {count} item{'' if count == 1 else 's'}"
    if details["type"] == "string_too_long":
        return f"text of at most {context['max_length']} characters"
    return _EXPECTED.get(details["type"], details["msg"].removeprefix("Input should be "))


_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3_600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 7 * 86_400 * 10**9,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+)(B|KiB|MiB|GiB)")
_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_duration(value: object) -> int:
    """`1h30m`, `500ms`, `28d` in nanoseconds, exactly.

    Raises:
        ValueError: saying what a duration looks like.
    """
    if isinstance(value, str) and value and _DURATION.sub("", value) == "":
        total = sum((Fraction(amount) * _UNITS_NS[unit] for amount, unit in _DURATION.findall(value)), Fraction(0))
        if total.denominator == 1:
            return int(total)
    raise ValueError("a duration such as 10s, 500ms, 1h30m or 28d")


def duration_text(duration_ns: int) -> str:
    """A duration as users write it, in the largest unit that it is whole in, up to hours."""
    units = {unit: size for unit, size in _UNITS_NS.items() if size <= _UNITS_NS["h"] and duration_ns % size == 0}
    unit = max(units, key=lambda name: units[name])
    return f"{duration_ns // units[unit]}{unit}"


def parse_moment(value: object) -> datetime:
    """`2026-05-01T10:00:00Z`, an aware time, in UTC.

    Raises:
        ValueError: saying what a moment looks like.
    """
    expected = ValueError("a time with its zone, such as 2026-05-01T10:00:00Z")
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise expected from None
    if moment.tzinfo is None:
        raise expected
    return moment.astimezone(UTC)


def parse_size(value: object) -> int:
    """`64MiB`, `2GiB` in bytes.

    Raises:
        ValueError: saying what a size looks like.
    """
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        return int(match[1]) * _SIZES[match[2]]
    raise ValueError("a size such as 512KiB, 64MiB or 2GiB")


def parse_endpoint(value: object) -> str:
    """`127.0.0.1:4317`, `[::1]:4317`, as it is written.

    Raises:
        ValueError: saying what an endpoint looks like.
    """
    if isinstance(value, str):
        host, separator, port = value.rpartition(":")
        if separator and host and port.isdigit() and int(port) in PORTS:
            return value
    raise ValueError("HOST:PORT such as 127.0.0.1:4317")


def _from_text(parse: Any) -> BeforeValidator:
    """Parse what users write; defaults stand in the code in the same spelling."""
    return BeforeValidator(parse)


def parse_path(value: object, info: ValidationInfo) -> Path:
    """A path as users write it: relative to the file they write it in.

    Raises:
        ValueError: saying that a path is wanted.
    """
    if isinstance(value, str | Path) and str(value):
        folder: Path = (info.context or {}).get(FOLDER, Path())
        return folder / value
    raise ValueError("a path")


def is_loopback(endpoint: str) -> bool:
    """Whether only this machine reaches `endpoint` (HOST:PORT)."""
    host, _ = host_and_port(endpoint)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_and_port(endpoint: str) -> tuple[str, int]:
    """`[::1]:4317` as `("::1", 4317)`."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def written(text: str) -> Any:
    """A default in the spelling users write it, for a field whose type is parsed from text."""
    return Field(text)


def section() -> Any:
    """The default of a section that may be left out: as if it stood there, empty."""
    return Field(default_factory=dict)


DurationNs = Annotated[
    int,
    _from_text(parse_duration),
    PlainSerializer(duration_text),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+(\.\d+)?(ns|us|ms|s|m|h|d|w))+$",
            "description": "how long, with its unit; m is a minute",
            "examples": ["500ms", "10s", "1h30m", "3d"],
        }
    ),
]
SizeBytes = Annotated[int, _from_text(parse_size)]
Endpoint = Annotated[str, _from_text(parse_endpoint)]
FilePath = Annotated[Path, BeforeValidator(parse_path)]
