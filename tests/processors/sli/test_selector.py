"""The selector language: what makes no sense is refused while loading, with what was expected."""

from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.errors import ConfigError
from processors.sli.selector import Selector


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("where: {}", "where: expected at least", id="nothing selected"),
        pytest.param("where: {kid: server}", "did you mean 'kind'?", id="a field misspelled"),
        pytest.param("where: {http.route: /a}", "did you mean 'span.http.route'?", id="an attribute without its home"),
        pytest.param(
            "where: {kind: sever}", "expected kind to be one of unspecified, internal, server", id="no such kind"
        ),
        pytest.param("where: {outcome: ok}", "expected outcome to be one of success, failure", id="no such outcome"),
        pytest.param("where: {duration: 5}", "such as {lte: 500ms}", id="a duration by equality"),
        pytest.param(
            "where: {duration: {lte: fast}}", "expected a number, or a duration such as 500ms, got 'fast'", id="no time"
        ),
        pytest.param("where: {name: {}}", "expected at least one of eq, in, not_in", id="no operator"),
        pytest.param("where: {name: {equals: x}}", "expected one of", id="an operator misspelled"),
        pytest.param("where: {name: {in: []}}", "where.name.in: expected", id="one of none"),
        pytest.param("signal: log\nwhere: {name: x}", "signal: expected 'traces', 'metrics' or 'logs'", id="no signal"),
        pytest.param("signal: logs\nwhere: {name: x}", "where.name: expected a field: body, event", id="not of logs"),
        pytest.param("where: {name: {regex: 'a('}}", "regex: expected a regular expression as RE2", id="no pattern"),
        pytest.param("where: {name: {regex: '(?=a)'}}", "as RE2 takes it", id="what takes more than linear time"),
        pytest.param("where: {or: {name: x}}", "where.or: expected a list of at least 1 mapping", id="or of one"),
        pytest.param("where: {and: []}", "where.and: expected a list of at least 1 mapping", id="and of none"),
        pytest.param("where: {not: {or: [{nam: x}]}}", "where.not.or[0].nam: expected a field: name", id="deep down"),
        pytest.param(
            "where: {or: [{name: x}, {}]}", "where.or[1]: expected at least 1 condition", id="anything at all"
        ),
        pytest.param(f"where: {'{not: ' * 5}{{name: x}}{'}' * 5}", "at most 4 deep", id="too deep to be understood"),
        pytest.param("where: {outcome: {prefix: succ}}", "one of success, failure", id="a word by its beginning"),
        pytest.param("signal: metrics\nwhere: {value: 1}", "value to be compared by gt", id="a value by equality"),
        pytest.param("where: {name: x}\ngroupBy: duration", "groupBy: expected a field", id="a group for each time"),
        pytest.param("where: {name: x}\nsampling: tail", "acceptBias: true beside sampling: tail", id="biased"),
        pytest.param("where: {name: x}\ngroupBy: route", "groupBy: expected a field", id="a group that is no field"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_was_expected(tmp_path: Path, text: str, expected: str) -> None:
    """Every message names the place, the expectation and what came."""
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "s.yaml")[0].parse(Selector)
    assert expected in str(refused.value)


def test_plain_values_mean_equality() -> None:
    """`kind: server` is short for `kind: {eq: server}`."""
    assert Selector.model_validate({"where": {"kind": "server"}}) == Selector.model_validate(
        {"where": {"kind": {"eq": "server"}}}
    )


def test_only_a_selector_with_duration_is_about_time() -> None:
    """The page speaks of slow instead of failing."""
    assert Selector.model_validate({"where": {"duration": {"lte": "1s"}}}).times
    assert Selector.model_validate({"where": {"not": {"duration": {"gt": "1s"}}}}).times
    assert not Selector.model_validate({"where": {"outcome": "success"}}).times
