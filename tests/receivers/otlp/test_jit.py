"""Kernels are compiled when first called, and cached where files can be written."""

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
    assert jit._cache_folder() == tmp_path / "andon" / "kernels"
    assert (tmp_path / "andon" / "kernels").is_dir()


def test_the_cache_falls_back_to_a_private_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cached kernels are code: the folder is nobody else's."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = jit._cache_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
