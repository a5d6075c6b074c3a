"""Values are explained where people look, and the schema knows each of them."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from fixtures.chart import CASES, CHART

WHOLE = {"resources", "behavior"}  # explained as one
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def flat(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each value by its whole name."""
    for key, value in values.items():
        if isinstance(value, dict) and value and key not in WHOLE:
            yield from flat(value, (*path, key))
        else:
            yield ".".join((*path, key)), value


def test_the_readme_has_every_value_with_its_default() -> None:
    """In the order of values.yaml within each table, and nothing that is none."""
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \| `(.*)` \|$", (CHART / "README.md").read_text(), re.MULTILINE)
    told = {name: json.loads(default) for name, _, default in rows}
    assert len(told) == len(rows)
    assert told == dict(flat(VALUES))


def test_the_schema_is_sound_and_takes_the_defaults() -> None:
    """By the standard it names, which Helm 3 knows too."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA, jsonschema.Draft7Validator)


def test_the_schema_knows_the_values_and_no_others() -> None:
    """Every mapping of values.yaml is closed, unless it is one that Andon or Kubernetes reads."""
    free = {name for name, value in flat(VALUES) if value == {} or name.rpartition(".")[2] in WHOLE}
    free |= {"ingest.spool", "global"}

    def check(schema: Mapping[str, Any], values: Mapping[str, Any], path: tuple[str, ...]) -> None:
        assert schema["additionalProperties"] is False, path
        assert set(schema["properties"]) - {"global"} == set(values), path
        for key, value in values.items():
            inner = (*path, key)
            if isinstance(value, dict) and ".".join(inner) not in free:
                check(schema["properties"][key], value, inner)

    check(SCHEMA, VALUES, ())


@pytest.mark.parametrize("case", CASES)
def test_no_case_says_a_default_again_or_a_secret(case: str) -> None:
    """What stands in the examples is what differs; passwords are nowhere."""
    defaults = dict(flat(VALUES))
    said = dict(flat(yaml.safe_load(CASES[case].read_text())))
    assert [name for name, value in said.items() if name in defaults and defaults[name] == value] == []
    assert [name for name in said if name.endswith(("password", "token"))] == []
