"""Install the programs that tests need, where that can be done; say so where it cannot.

Debian's Chromium, Node with npm, Java with Maven, and curl, which takes root: where one is missing the tests that need
it skip with the reason, and under CI they fail. With `built` also what takes Go and minutes to build from its modules,
once, beside our virtual environment: Helm, the reference loader of Compose files, an OpenTelemetry Collector. Else the
few tests that need those skip.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGES = {  # program: Debian package
    "chromium": "chromium",
    "curl": "curl",
    "javac": "default-jdk-headless",
    "mvn": "maven",
    "node": "nodejs",
    "npm": "npm",
}
GO_PROGRAMS = {  # program: the package it is built from
    "helm": "helm.sh/helm/v4/cmd/helm@v4.3.1",
    "compose-load": "github.com/compose-spec/compose-go/v2/cmd@v2.16.2",
}
COLLECTOR_BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.155.0"
COLLECTOR = Path(__file__).parents[1] / "sdk-examples" / "collector" / "builder.yaml"
BIN = Path(sys.prefix) / "bin"
TIMEOUT_S, BUILD_TIMEOUT_S = 600, 2400


def main() -> int:
    """Install what is missing."""
    return packages() or ("built" in sys.argv[1:] and (go_programs() or collector()))


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
    missing = {name: package for name, package in GO_PROGRAMS.items() if not is_built(name, package)}
    if missing and shutil.which("go") is None:
        print(f"not built: {', '.join(missing)} (needs Go)")
        return 1
    for name, package in missing.items():
        print(f"building {name}, once; this takes some minutes", flush=True)
        if status := build(name, package):
            return status
    return 0


def collector() -> int:
    """The collector of the example, of the parts that it names; where that fails the example says so itself."""
    parts = COLLECTOR.read_text()
    if is_built("otelcol", parts) or shutil.which("go") is None:
        return 0
    print("building otelcol, once; this takes a minute or two", flush=True)
    with tempfile.TemporaryDirectory(dir=BIN) as folder:
        command = ["go", "run", COLLECTOR_BUILDER, "--config", str(COLLECTOR)]
        if done(command, {}, BUILD_TIMEOUT_S, folder) == 0:
            Path(folder, "build", "otelcol").rename(BIN / "otelcol")
            note_of("otelcol").write_text(parts)
    return 0


def build(name: str, package: str) -> int:
    """Build one; Go names it after its last folder."""
    with tempfile.TemporaryDirectory(dir=BIN) as folder:
        status = done(["go", "install", package], {"GOBIN": folder, "CGO_ENABLED": "0"}, BUILD_TIMEOUT_S)
        for program in Path(folder).iterdir():
            program.rename(BIN / name)
            note_of(name).write_text(package)
    return status


def is_built(name: str, package: str) -> bool:
    """Whether the program is there, of this version."""
    return (BIN / name).exists() and note_of(name).exists() and note_of(name).read_text() == package


def note_of(name: str) -> Path:
    """Where it is written down what a program was built from."""
    return BIN / f".{name}.built"


def done(command: Sequence[str], environment: Mapping[str, str], timeout_s: float, cwd: str | None = None) -> int:
    """The exit status; what it printed, if it failed."""
    said = os.environ | dict(environment)
    run = subprocess.run(command, cwd=cwd, env=said, timeout=timeout_s, check=False, capture_output=True, text=True)
    if run.returncode:
        print(run.stdout[-2000:], run.stderr[-2000:], sep="\n")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
