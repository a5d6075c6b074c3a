"""Install the programs that tests need, where that can be done; say so where it cannot.

Debian's Chromium, and its Node with npm, which takes root; Helm and the reference loader of Compose files, built from
their Go modules beside our virtual environment, which takes Go and some minutes, once. Where something is missing the
tests that need it skip with the reason, and under CI they fail.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGES = {"chromium": "chromium", "node": "nodejs", "npm": "npm"}  # program: Debian package
GO_PROGRAMS = {  # program, as `go install` names it: the version of its module
    "helm": "helm.sh/helm/v4/cmd/helm@v4.3.1",
}
TIMEOUT_S, BUILD_TIMEOUT_S = 600, 2400


def main() -> int:
    """Install what is missing."""
    return packages() or go_programs()


def packages() -> int:
    """Debian's packages."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing:
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"not installed, and tests that need it will skip: {', '.join(missing)} (needs root on Debian)")
        return 0
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", *missing]):
        if status := done(command, environment, TIMEOUT_S):
            return status
    return 0


def go_programs() -> int:
    """Programs built from Go modules, each in the version that is named."""
    folder = Path(sys.prefix) / "bin"
    missing = {name: module for name, module in GO_PROGRAMS.items() if not built(folder, name, module)}
    if not missing:
        return 0
    if shutil.which("go") is None:
        print(f"not built, and tests that need it will skip: {', '.join(missing)} (needs Go)")
        return 0
    for name, module in missing.items():
        print(f"building {name}, once; this takes some minutes", flush=True)
        if status := done(["go", "install", module], {"GOBIN": str(folder), "CGO_ENABLED": "0"}, BUILD_TIMEOUT_S):
            return status
        (folder / f".{name}.built").write_text(module)
    return 0


def built(folder: Path, name: str, module: str) -> bool:
    """Whether the program is there, of this version."""
    note = folder / f".{name}.built"
    return (folder / name).exists() and note.exists() and note.read_text() == module


def done(command: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> int:
    """The exit status; what it printed, if it failed."""
    said = os.environ | dict(environment)
    run = subprocess.run(command, env=said, timeout=timeout_s, check=False, capture_output=True, text=True)
    if run.returncode:
        print(run.stdout[-2000:], run.stderr[-2000:], sep="\n")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
