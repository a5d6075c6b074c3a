"""JSON Schemas of the documents, made of the models that read them: editors complete, explain and check with them.

In: a kind, or none. Out: its schema, or one schema for whatever document it is, told apart by apiVersion and kind. What
stands between documents, and whether numbers can work, `andon check` alone can tell.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from processors.slo.documents import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ALL = "andon"


class Schema(GenerateJsonSchema):
    """Keys need no title: they are the words."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema  # none of them
        return False


def file_name(kind: str) -> str:
    """The file that a schema is kept in."""
    return f"{kind}.schema.json"


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of one kind."""
    models = {name: model for (_, name), model in KINDS.items()}
    return {"$schema": DIALECT, **models[kind].model_json_schema(by_alias=True, schema_generator=Schema)}


def schemas() -> dict[str, dict[str, Any]]:
    """One schema a kind, and one for all of them."""
    return {ALL: combined(), **{kind: schema_of(kind) for _, kind in KINDS}}


def combined() -> dict[str, Any]:
    """The schema of a document of whatever kind."""
    pairs = [(model, "validation") for model in KINDS.values()]
    references, definitions = models_json_schema(pairs, by_alias=True, schema_generator=Schema)  # type: ignore[arg-type]
    return {
        "$schema": DIALECT,
        "title": "A document of Andon",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "oneOf": list(references.values()),
        "$defs": definitions["$defs"],
    }
