"""Kernels are compiled when first called, and cached where files can be written."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from receivers.otlp import jit


def test_nothing_is_compiled_while_importing() -> None:
    """A command that decodes nothing does not pay for the decoder."""
    compiled = "assert bool(wire.scan.signatures) is"
    script = f"from receivers.otlp import signals, wire; {compiled} False; signals.warm_up(); {compiled} True"
    run = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], timeout=120, check=False)
    assert run.returncode == 0


def test_the_cache_goes_below_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the package's own folder is read-only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jit._folder_of_our_own() == tmp_path / "andon" / "kernels"
    assert (tmp_path / "andon" / "kernels").is_dir()


def test_the_cache_falls_back_to_a_private_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cached kernels are code: the folder is nobody else's."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = jit._folder_of_our_own()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0


def test_the_cache_needs_nobodys_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container runs as a number that has no name and no home."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as it is for an unknown user
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert jit._folder_of_our_own().parent == tmp_path


def test_a_cache_that_can_only_be_read_is_copied_to_where_it_may_grow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As it is in an image; what is there already stays, for a neighbour may have made more of it."""
    asked, ours = tmp_path / "image", tmp_path / "cache/andon/kernels"
    for folder in (asked / "otlp", ours / "otlp"):
        folder.mkdir(parents=True)
    (asked / "otlp/scan.nbi").write_bytes(b"index")
    (asked / "otlp/scan.nbc").write_bytes(b"code")
    (ours / "otlp/scan.nbi").write_bytes(b"a newer index")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert jit.cache_folder(str(asked)) == str(asked)
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).startswith(str(asked)))
    assert jit.cache_folder(str(asked)) == str(ours)
    assert {file.name: file.read_bytes() for file in (ours / "otlp").iterdir()} == {
        "scan.nbi": b"a newer index",
        "scan.nbc": b"code",
    }
