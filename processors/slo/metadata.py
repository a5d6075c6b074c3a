"""What every document has: a kind, a name, and words for people."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from pipeline.config import Config
from processors.slo.fields import Name

MAX_DESCRIPTION = 1_050  # characters, as OpenSLO has it


class Metadata(Config):
    """Who a document is."""

    name: Name
    display_name: str | None = Field(None, alias="displayName")
    labels: Mapping[str, str | list[str]] = {}
    annotations: Mapping[str, str] = {}


class Document(Config):
    """What every kind has."""

    metadata: Metadata

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def title(self) -> str:
        """The name that people read."""
        return self.metadata.display_name or self.metadata.name


class Described(Config):
    """A spec that may say what it is about."""

    description: str | None = Field(None, max_length=MAX_DESCRIPTION)


def one_of(**given: Any) -> bool:
    """Whether exactly one of several values is there."""
    return sum(value is not None for value in given.values()) == 1


def either(*keys: str) -> Any:
    """The JSON schema of a mapping that has exactly one of `keys`."""
    return {"oneOf": [{"required": [key]} for key in keys]}


def or_else(short: Mapping[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Makes the JSON schema of a mapping that of the mapping or of its short form."""

    def extend(schema: dict[str, Any]) -> None:
        whole = dict(schema)
        schema.clear()
        schema["anyOf"] = [short, whole]

    return extend
