"""The examples of READMEs work as they stand: documents are valid, commands exist with the options they are given."""

import re
import shlex
from pathlib import Path

import click
import pytest
from typer.main import get_command

from pipeline.assembly import AndonConfig
from pipeline.check import check_file
from pipeline.cli import app
from pipeline.config import load

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
READMES = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", "node_modules"} & set(path.relative_to(ROOT).parts)
)
ANDON = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?andon (.*?)\s*&?\s*(?:#.*)?$", re.MULTILINE)


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_WRITER_PASSWORD", "w")
    monkeypatch.setenv("ANDON_READER_PASSWORD", "r")


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def test_the_first_promise_of_the_readme_is_valid(tmp_path: Path) -> None:
    """What a newcomer copies must pass `andon check`."""
    first = README.read_text().partition("## Write your first promise")[2]
    config, objectives = blocks(first, "yaml")
    (tmp_path / "slo").mkdir()
    (tmp_path / "slo" / "checkout.yaml").write_text(objectives)
    (tmp_path / "andon.yaml").write_text(config)
    assert "1 service, 1 indicator, 1 promise" in check_file(tmp_path / "andon.yaml")


def test_what_is_to_be_set_for_browsers_is_valid(tmp_path: Path) -> None:
    """A section of `andon.yaml` by itself."""
    sending = README.read_text().partition("## Send your own")[2].partition("\n## ")[0]
    for number, text in enumerate(blocks(sending, "yaml")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        load(file)[0].parse(AndonConfig)


def commands() -> list[tuple[str, str]]:
    """Every `andon …` in a block for shells, and where it stands."""
    found = []
    for path in READMES:
        for block in blocks(path.read_text(), "(?:sh|bash|console)"):
            joined = block.replace("\\\n", " ")
            found += [(str(path.relative_to(ROOT)), match[1]) for match in ANDON.finditer(joined)]
    return found


@pytest.mark.parametrize(("readme", "line"), commands(), ids=lambda value: value[:60])
def test_a_command_of_a_readme_exists_with_its_options(readme: str, line: str) -> None:
    """What is copied must be understood; whether it works is for the tests of the command to say."""
    arguments = shlex.split(line, comments=True)
    arguments = arguments[: next((n for n, word in enumerate(arguments) if word in {"|", ">", "&&", ";"}), None)]
    command, context = get_command(app), click.Context(get_command(app), info_name="andon")
    while isinstance(command, click.Group):
        name, command, arguments = command.resolve_command(context, arguments)
        assert command is not None
        context = click.Context(command, parent=context, info_name=name)
    command.parse_args(context, arguments)
