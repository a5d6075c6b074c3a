"""Strict YAML: every mistake is found, and said where it stands."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.config import Config, DurationNs, Endpoint, SizeBytes, load, parse_duration, parse_size, written
from pipeline.errors import ConfigError


class Door(Config):
    endpoint: Endpoint = "127.0.0.1:4317"
    hold: DurationNs = written("3s")
    room: SizeBytes = written("64MiB")
    token: SecretStr = SecretStr("")
    mode: Literal["fast", "safe"] = "safe"


class House(Config):
    door: Door = Door()
    windows: list[Door] = []  # noqa: RUF012
    floors: int = 1
    heated: bool = False


def refused(folder: Path, text: str) -> str:
    (folder / "house.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load(folder / "house.yaml")[0].parse(House)
    return str(error.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "door:\n  endpont: x\n",
            "house.yaml:2: door.endpont: expected one of endpoint, hold, mode, room, token, got 'endpont' - "
            "did you mean 'endpoint'?",
            id="a key misspelled",
        ),
        pytest.param(
            "door:\n  endpoint: 4317\n",
            "house.yaml:2: door.endpoint: expected HOST:PORT such as 127.0.0.1:4317, got 4317",
            id="a port alone",
        ),
        pytest.param(
            "door: {hold: 5}\n",
            "house.yaml:1: door.hold: expected a duration such as 10s, 500ms, 1h30m or 28d, got 5",
            id="a duration without a unit",
        ),
        pytest.param(
            "door: {room: 64MB}\n",
            "house.yaml:1: door.room: expected a size such as 512KiB, 64MiB or 2GiB, got '64MB'",
            id="a size in the wrong unit",
        ),
        pytest.param("floors: '2'\n", "house.yaml:1: floors: expected a whole number, got '2'", id="text for a number"),
        pytest.param("heated: yes\n", "house.yaml:1: heated: expected true or false, got 'yes'", id="yes is text"),
        pytest.param(
            "door: []\n", "house.yaml:1: door: expected a mapping, got a list of 0", id="a list for a mapping"
        ),
        pytest.param(
            "door:\n  mode: quick\n",
            "house.yaml:2: door.mode: expected 'fast' or 'safe', got 'quick'",
            id="no such word",
        ),
        pytest.param(
            "windows:\n  - {}\n  - hold: soon\n",
            "house.yaml:3: windows[1].hold: expected a duration",
            id="deep in a list",
        ),
        pytest.param(
            "floors: 1\nfloors: 2\n", "house.yaml:2: floors: expected each key once, got 'floors' again", id="twice"
        ),
        pytest.param(
            "floors: [1\n",
            "house.yaml:2: expected valid YAML, with ',' or ']', got the end of the file",
            id="broken YAML",
        ),
        pytest.param(
            "floors: ${env:NO_SUCH_NAME}\n", "the environment variable 'NO_SUCH_NAME', got none set", id="no env"
        ),
    ],
)
def test_a_mistake_is_refused_with_file_line_path_expectation_and_what_came(
    tmp_path: Path, text: str, message: str
) -> None:
    """The message alone must be enough to mend it."""
    assert message in refused(tmp_path, text)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Nobody should have to run it three times to mend three lines."""
    lines = refused(tmp_path, "floors: x\nheated: 3\ndoor:\n  hold: 1\n").splitlines()
    assert [line.split(":")[1] for line in lines] == ["1", "2", "4"]


def test_environment_variables_fill_in_and_keep_the_type_they_read_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the collector: `${env:N}` unquoted is what the text reads as, quoted it is text."""
    monkeypatch.setenv("N", "3")
    (tmp_path / "house.yaml").write_text(
        'floors: ${env:N}\ndoor: {token: "x${env:N}", endpoint: "127.0.0.1:${env:N}"}\n'
    )
    house = load(tmp_path / "house.yaml")[0].parse(House)
    assert (house.floors, house.door.token.get_secret_value(), house.door.endpoint) == (3, "x3", "127.0.0.1:3")


def test_a_value_from_the_environment_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a secret."""
    monkeypatch.setenv("SECRET", "hunter2")
    assert "hunter2" not in refused(tmp_path, "floors: ${env:SECRET}\n")


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    """And names the file."""
    with pytest.raises(ConfigError, match=r"house\.yaml: expected a readable UTF-8 file"):
        load(tmp_path / "house.yaml")


@given(st.integers(1, 10**6), st.sampled_from(["ns", "us", "ms", "s", "m", "h", "d", "w"]))
def test_durations_are_exact(amount: int, unit: str) -> None:
    """Whole nanoseconds, no floats on the way."""
    assert parse_duration(f"{amount}{unit}") == amount * parse_duration(f"1{unit}")
    assert parse_duration(f"1{unit}{amount}ns") == parse_duration(f"1{unit}") + amount


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "-1s", "1.5ns", "1x", None, 3])
def test_what_is_no_duration_is_refused(text: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)


def test_sizes_are_powers_of_two() -> None:
    """MiB, as it says."""
    assert parse_size("64MiB") == 64 << 20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("08", 8),
        ("010", 10),
        ("-1", -1),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("190:20:30", "190:20:30"),
        ("1e3", 1000.0),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.2.3", "1.2.3"),
        ("yes", "yes"),
        ("2026-10-01", "2026-10-01"),
        ("true", True),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    """Nobody who writes 010 means eight."""
    path = tmp_path / "plain.yaml"
    path.write_text(f"value: {text}\n")
    (document,) = load(path)
    read = document.data["value"]
    assert (type(read), read) == (type(value), value)
