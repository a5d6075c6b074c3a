"""Documents that cannot work, each with what a newcomer is told of it beside it.

`ANDON_WRITE_GOLDEN=1` writes the messages anew; read each as somebody would who sees OpenSLO for the first time.
"""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.check import check_file
from pipeline.config import MAX_FILE_BYTES
from pipeline.errors import ConfigError

BAD = sorted((Path(__file__).parent / "documents" / "bad").glob("*.yaml"))


def told(path: Path) -> str:
    """What `andon check` says of a file, by its name alone."""
    with pytest.raises(ConfigError) as caught:
        check_file(path)
    return f"{caught.value}\n".replace(f"{path.parent}/", "")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_what_is_wrong_is_told_in_these_words(path: Path) -> None:
    """Compared exactly: wording is part of the product."""
    golden = path.with_suffix(".txt")
    if os.environ.get("ANDON_WRITE_GOLDEN"):
        golden.write_text(told(path))
    assert told(path) == golden.read_text()


def test_every_message_has_its_document() -> None:
    """A golden file that nothing is compared with says nothing."""
    texts = (Path(__file__).parent / "documents" / "bad").glob("*.txt")
    assert sorted(path.stem for path in texts) == [path.stem for path in BAD]


def test_a_folder_tells_all_problems_by_file_and_line(tmp_path: Path) -> None:
    """One run tells everything, in the order in which one would read."""
    for path in BAD[:30]:
        shutil.copy(path, tmp_path / path.name)
    with pytest.raises(ConfigError) as caught:
        check_file(tmp_path)
    places = [(problem.file, problem.line) for problem in caught.value.problems]
    assert places == sorted(places)
    assert {Path(file).name for file, _ in places} >= {path.name for path in BAD[:20]}


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """Even where the limit cuts a character in two."""
    path = tmp_path / "huge.yaml"
    path.write_text(f"#{'é' * (MAX_FILE_BYTES // 2 + 1)}\n")
    assert told(path) == f"huge.yaml: expected at most {MAX_FILE_BYTES} bytes, got more\n"


def test_aliases_do_not_multiply_without_end(tmp_path: Path) -> None:
    """A few hundred bytes of YAML can stand for more than fits into memory."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]" for before, one in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    path = tmp_path / "laughs.yaml"
    path.write_text("\n".join(lines))
    assert "expected at most 100000 values in a document, got more" in told(path)
