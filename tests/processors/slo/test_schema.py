"""JSON Schemas for editors: they take what Andon takes, and mark what one can see without looking elsewhere."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import load
from processors.slo.documents import KINDS
from processors.slo.schema import combined, schema_of, schemas

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent / "documents"
EXAMPLES = [
    *(HERE / "good").glob("*.yaml"),
    *ROOT.glob("sdk-examples/*/slo/*.yaml"),
    *ROOT.glob("tests/scenarios/*/slo/*.yaml"),
]
# Bad documents whose fault a schema shows; the others are about several documents, or about numbers.
SHOWN = (
    "misspelt-key",
    "misspelt-kind",
    "misspelt-version",
    "kind-missing",
    "version-missing",
    "list-of-documents",
    "only-a-word",
    "unit-in-capitals",
    "seconds-for-a-window",
    "two-windows",
    "start-with-an-offset",
    "per-cent-with-its-sign",
    "target-twice",
    "no-target",
    "name-with-spaces",
    "misspelt-method",
    "good-and-bad",
    "no-total",
    "unknown-operator-in-selector",
    "negative-count",
    "two-conditions",
    "alert-policy-by-its-bare-name",
    "law-that-is-none",
    "recurrence-broken",
    "exclusion-with-an-unknown-effect",
    "hours-misspelt",
    "days-misspelt",
    "text-for-a-list",
    "unknown-field-in-a-condition",
)


def documents(path: Path) -> list[Any]:
    return [source.data for source in load(path)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_what_andon_takes_the_schema_takes(path: Path) -> None:
    """By the schema for all kinds, and by that of its own."""
    for document in documents(path):
        jsonschema.Draft202012Validator(combined()).validate(document)
        jsonschema.Draft202012Validator(schema_of(document["kind"])).validate(document)


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((HERE / "bad").glob("*.yaml")) if path.stem[3:] in SHOWN],
    ids=lambda path: path.stem,
)
def test_what_one_can_see_is_marked_by_the_schema(path: Path) -> None:
    """At least one of the documents of the file is no document to it."""
    validator = jsonschema.Draft202012Validator(combined())
    assert not all(validator.is_valid(document) for document in documents(path))


def test_every_kind_has_a_sound_schema_that_says_which_kind_it_is() -> None:
    """Tools tell kinds apart by apiVersion and kind."""
    for (version, kind), model in KINDS.items():
        schema = schema_of(kind)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"] == model.__doc__
        assert (schema["properties"]["apiVersion"]["const"], schema["properties"]["kind"]["const"]) == (version, kind)
    jsonschema.Draft202012Validator.check_schema(combined())
    assert len(combined()["oneOf"]) == len(KINDS)


def test_custom_values_say_what_they_look_like() -> None:
    """An editor shows the words and offers the examples."""
    text = json.dumps(combined())
    for words in ("m minute, h hour, d day, w week, M month", "IANA time zone", "local time, without a zone", "500ms"):
        assert words in text


def test_the_command_prints_one_or_writes_all(tmp_path: Path) -> None:
    """`andon schema`, with a kind, into a folder."""
    run = CliRunner()
    assert json.loads(run.invoke(app, ["schema"]).stdout) == combined()
    assert json.loads(run.invoke(app, ["schema", "--kind", "SLO"]).stdout) == schema_of("SLO")
    assert run.invoke(app, ["schema", "--out", str(tmp_path / "schemas")]).exit_code == 0
    written = {path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in tmp_path.glob("*/*")}
    assert written == schemas()
    refused = run.invoke(app, ["schema", "--kind", "SL0"])
    assert refused.exit_code == 1
