"""The section `processors`: what cannot work is refused, with the place and the reason."""

import re
import textwrap
from pathlib import Path

import pytest

import processors.stored
from pipeline.config import load
from pipeline.errors import ConfigError
from processors.stored.config import ProcessorsConfig
from processors.stored.patterns import PRESETS

README = Path(processors.stored.__file__).with_name("README.md")
LONG_KEY = "hash_key: 0123456789abcdef, "


def parse(folder: Path, text: str) -> ProcessorsConfig:
    path = folder / "processors.yaml"
    path.write_text(text)
    return load(path)[0].parse(ProcessorsConfig)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample: {logs: {}}", "sample.logs: expected one of traces"),
        ("sample: {traces: {sampling_percentage: 0}}", "sample.traces.sampling_percentage: expected greater than 0"),
        ("sample: {traces: {sampling_percentage: 101}}", "expected less than or equal to 100, got 101"),
        ("sample: {traces: {}}", "sample.traces.sampling_percentage: expected a value here"),
        ("filter: {traces: [{where: {}}]}", "filter.traces[0].where: expected at least 1"),
        ("filter: {traces: [{where: {duration: 5}}]}", "expected duration to be compared by gt"),
        ("filter: {traces: [{where: {http.route: /}}]}", "did you mean 'span.http.route'?"),
        ("filter: {traces: [{where: {kind: server}, groupBy: name}]}", "traces[0].groupBy: expected one of where"),
        ("filter: {logs: [{where: {severity: {lt: info}}}]}", "expected a number, or a duration"),
        ("filter: {logs: [{where: {severity: inform}}]}", "expected severity to be one of unspecified, trace"),
        ("filter: {logs: [{where: {severity: {gte: 9}}}]}", "expected severity to be one of unspecified, trace"),
        ("filter: {logs: [{where: {body: {gt: 1}}}]}", "expected body to be compared by eq, in, not_in, prefix or regex"),
        ("filter: {logs: [{where: {or: [{body: {regex: 'a('}}]}}]}", "logs[0].where.or[0].body.regex: expected a regular"),
        ("filter: {logs: [{where: {span.x: 1}}]}", "expected a field: body, event_name, scope.name, scope.version, severity"),
        ("filter: {metrics: [{where: {value: {gt: 1}}}]}", "expected a field: name, unit, scope.name, scope.version, point"),
        ("redact: {attributes: [{keys: [service.name], action: mask}]}", "expected keys that leave service.name alone"),
        ("redact: {attributes: [{keys: [x, serv*], action: delete}]}", "'serv*' does not"),
        ("redact: {attributes: [{keys: ['*'], action: delete}]}", "expected keys that leave service.name alone"),
        ("redact: {attributes: [{keys: [''], action: delete}]}", "expected the key of an attribute"),
        ("redact: {attributes: [{keys: [x], action: drop}]}", "expected 'delete', 'mask' or 'hash', got 'drop'"),
        ("redact: {attributes: [{keys: [x], action: hash}]}", "redact: expected hash_key with at least 16 characters"),
        ("redact: {hash_key: short, values: [{preset: email, action: hash}]}", "got a mapping of hash_key, values"),
        ("redact: {values: [{preset: emial}]}", "redact.values[0].preset: expected one of email, credit_card"),
        ("redact: {values: [{pattern: '(?<=a)b'}]}", "expected a regular expression as RE2 takes it"),
        ("redact: {values: [{pattern: 'a*'}]}", "expected a regular expression that does not match the empty text"),
        ("redact: {values: [{}]}", "redact.values[0]: expected either preset or pattern"),
        ("redact: {values: [{preset: email, pattern: a}]}", "expected either preset or pattern"),
        ("redact: {fields: [attributes, bodies]}", "redact.fields: expected some of attributes, body, name"),
        ("redact: {values: [" + ", ".join(["{pattern: '(x{900}y){1,900}'}"] * 3) + "]}", "a regular expression as RE2"),
        ("redact: {values: [" + ", ".join(["{pattern: '[\\pL]{1,90}x{900}'}"] * 60) + "]}", "together they outgrow"),
        ("redact: {fields: []}", "redact.fields: expected at least 1"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_by_place_and_reason(tmp_path: Path, text: str, message: str) -> None:
    """Nothing that is asked for is silently not done."""
    with pytest.raises(ConfigError) as error:
        parse(tmp_path, text)
    assert message in str(error.value)


def test_a_short_hash_key_is_not_shown(tmp_path: Path) -> None:
    """It is a secret however bad it is."""
    with pytest.raises(ConfigError) as error:
        parse(tmp_path, "redact: {hash_key: pa55word, attributes: [{keys: [x], action: hash}]}")
    assert "pa55word" not in str(error.value)


def test_keys_beside_the_name_of_the_service_may_go(tmp_path: Path) -> None:
    """What is refused is no more than what must stay."""
    text = "redact: {attributes: [{keys: [service.version, 'service.name.*', '*.service.name'], action: delete}]}"
    assert parse(tmp_path, text).redact.attributes[0].keys[0] == "service.version"


@pytest.mark.parametrize(
    ("text", "all_of_it"),
    [
        ("{}", True),
        ("filter: {logs: [{where: {severity: debug}}]}", True),
        ("filter: {traces: [{where: {kind: client}}]}", False),
        ("sample: {traces: {sampling_percentage: 100}}", False),
        ("redact: {values: [{preset: email}]}", False),
        ("redact: {attributes: [{keys: [x], action: mask}]}", False),
    ],
)
def test_spans_can_be_counted_again_only_if_they_are_stored_as_they_came(
    tmp_path: Path, text: str, all_of_it: bool
) -> None:
    """The page asks this before it shows a query that claims to give its numbers."""
    assert parse(tmp_path, text).stores_all_spans is all_of_it


def test_the_example_of_the_readme_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people copy must work."""
    monkeypatch.setenv("ANDON_HASH_KEY", "0123456789abcdef")
    block = re.search(r"```yaml\nprocessors:\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    config = parse(tmp_path, textwrap.dedent(block[1]))
    assert config.sample.traces is not None
    assert config.redact.hash_key is not None


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_explained(preset: str) -> None:
    """By its name."""
    assert f"`{preset}`" in README.read_text()
