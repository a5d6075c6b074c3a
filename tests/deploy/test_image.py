"""The image and the Compose file: linted, and what they name is there. To build one takes an engine that tests lack."""

import fnmatch
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.chart import CHART, asked
from fixtures.toolchains import ROOT, tool
from pipeline.check import check_file

TEXT = (ROOT / "Dockerfile").read_text()
COMPOSE = ROOT / "deploy/compose"
PINNED = re.compile(r"[\w./-]+(:\d+\.\d+\.\d+[\w.-]*|@sha256:[0-9a-f]{64})$")  # a whole version, or a digest


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments on one line, comments left out."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            name = rest.split(" AS ")[1]
        found.setdefault(name, []).append((word, rest))
    return found


def lineage(name: str) -> list[tuple[str, str]]:
    """The instructions that make a stage, with those of the stages it begins from."""
    own = stages()[name]
    base = own[0][1].split(" AS ")[0]
    return (lineage(base) if base in stages() else []) + own


def test_the_dockerfile_lints() -> None:
    """By hadolint, with no rule ignored."""
    linted = subprocess.run(
        [tool("hadolint"), "--no-color", str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "hadolint ignore" not in TEXT


def test_the_base_is_a_whole_version_that_our_own_code_runs_on() -> None:
    """Of a stage or of this base every stage begins."""
    (base,) = [
        rest.removeprefix("BASE=") for word, rest in instructions() if word == "ARG" and rest.startswith("BASE=")
    ]
    assert PINNED.fullmatch(base)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["requires-python"].removeprefix(">=")
    assert base.startswith(f"python:{wanted}.")
    froms = {rest.split(" AS ")[0] for word, rest in instructions() if word == "FROM"}
    assert froms - set(stages()) == {"${BASE}"}


@pytest.mark.parametrize("target", ["server", "embedded"])
def test_what_runs_is_nobody_and_says_how_it_is(target: str) -> None:
    """A number for a user, which is how Kubernetes knows that it is not root; the same as the chart's."""
    made = lineage(target)
    values = yaml.safe_load((CHART / "values.yaml").read_text())["securityContext"]
    users = [rest for word, rest in made if word == "USER"]
    assert users == [f"{values['runAsUser']}:{values['runAsGroup']}"]
    assert [word for word, _ in made].count("HEALTHCHECK") == 1
    assert ("ENTRYPOINT", '["andon"]') in made
    assert not [rest for word, rest in made if word == "ADD" or "chmod 777" in rest]
    assert [rest for word, rest in made if word == "COPY"][-1].endswith(" /opt/andon /opt/andon")


def test_only_the_embedded_image_has_the_engine() -> None:
    """Which is as large as everything else together."""
    engine = [name for name, made in stages().items() if any("[embedded,report]" in rest for _, rest in made)]
    assert engine == ["environment-embedded"]
    assert "COPY --from=environment-embedded /opt/andon /opt/andon" in TEXT
    assert lineage("server")[-1] == ("COPY", "--from=environment /opt/andon /opt/andon")


def test_each_environment_lists_what_it_is_made_of() -> None:
    """After its last package."""
    for name in ("environment", "environment-embedded"):
        (run,) = [rest for word, rest in stages()[name] if word == "RUN" and " install " in rest]
        assert run.rindex("cyclonedx-py environment") > run.rindex("/wheels/andon-")


def test_kernels_are_read_where_they_were_compiled() -> None:
    """For the same processor, and from the same folder, or all would be compiled again."""
    said = [" ".join(rest for word, rest in lineage(stage) if word == "ENV") for stage in ("environment", "runtime")]
    for name in ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        first, second = (re.findall(rf"{name}=(\S*)", text) for text in said)
        assert first == second != []
    (run,) = [rest for word, rest in stages()["environment"] if "receivers.otlp.kernels" in rest]
    assert run.index("touch --date") < run.index("receivers.otlp.kernels")


def test_the_build_is_given_what_it_copies_and_little_else() -> None:
    """The list of what is not ignored holds all that is copied and all that the wheel is made of."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [path for word, rest in stages()["wheel"] if word == "COPY" for path in rest.split()[:-1]]
    assert sorted(copied) == sorted(allowed)
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    parts = {path.partition("/")[0] for path in [*hatch["packages"], *hatch["force-include"]]}
    assert parts < set(copied)
    assert all((ROOT / path).exists() for path in copied)


def test_no_image_is_pulled_by_a_name_of_a_registry() -> None:
    """Whose mirror it is, is for who builds to say."""
    compose = (COMPOSE / "compose.yaml").read_text()
    images = re.findall(r"image: *(\S+)", compose) + re.findall(r"ARG BASE=(\S+)", TEXT)
    assert images
    assert all(PINNED.fullmatch(image) and "." not in image.split("/")[0].split(":")[0] for image in images)


def compose() -> dict[str, Any]:
    """The Compose file."""
    loaded: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return loaded


def ours() -> dict[str, dict[str, Any]]:
    """Its services that run Andon."""
    return {name: one for name, one in compose()["services"].items() if one["image"].startswith("andon:")}


def loaded(file: Path, text: str) -> subprocess.CompletedProcess[str]:
    """What the loader of Docker Compose itself says of such a file."""
    file.write_text(text)
    command = [tool("compose-load"), "-format", "json", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_compose_itself_takes_the_file_and_would_not_take_any(tmp_path: Path) -> None:
    """By the specification's schema: no unknown key; and not before the passwords are said."""
    file, text = tmp_path / "compose.yaml", (COMPOSE / "compose.yaml").read_text()
    filled = re.sub(r"\$\{\w+:\?[^}]*\}", "1", text)
    taken = loaded(file, filled)
    assert taken.returncode == 0, taken.stderr
    assert set(json.loads(taken.stdout)["services"]) == set(compose()["services"])
    for wrong, why in ((text, "say it in .env"), (filled.replace("read_only:", "readonly:"), "readonly")):
        refused = loaded(file, wrong)
        assert refused.returncode != 0
        assert why in refused.stderr


def test_what_the_compose_file_names_is_there() -> None:
    """Services, networks, volumes, files, the target of the image."""
    whole = compose()
    for one in whole["services"].values():
        assert set(one["networks"]) <= set(whole["networks"])
        assert set(one.get("depends_on", {})) <= set(whole["services"])
        for volume in one["volumes"]:
            source = volume.partition(":")[0]
            assert (COMPOSE / source).exists() if source.startswith(".") else source in whole["volumes"]
    assert {one["build"]["target"] for one in ours().values()} <= set(stages())
    assert (COMPOSE / next(iter(ours().values()))["build"]["context"] / "Dockerfile").resolve() == ROOT / "Dockerfile"


def test_what_compose_runs_is_as_closed_as_a_pod() -> None:
    """Doors on this machine only; the store is on no network that leads outside."""
    for one in ours().values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["user"] == "65532:65532"
        assert "mem_limit" in one
    ports = [port for one in compose()["services"].values() for port in one.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert compose()["services"]["clickhouse"]["networks"] == ["store"]
    assert compose()["networks"]["store"] == {"internal": True}


def test_compose_holds_no_secret_and_gives_each_program_its_own() -> None:
    """The page has no password that writes; what .env.example asks for is all that is asked for, and empty there."""
    text = (COMPOSE / "compose.yaml").read_text()
    example = dict(re.findall(r"^(\w+)=(.*)$", (COMPOSE / ".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(example)
    assert set(example.values()) == {""}
    assert "ANDON_WRITER_PASSWORD" not in ours()["statuspage"]["environment"]
    for one in ours().values():
        (config,) = [volume.partition(":")[0] for volume in one["volumes"] if ":/etc/andon/andon.yaml" in volume]
        assert asked((COMPOSE / config).read_text()) <= set(one["environment"])


def test_the_configurations_of_compose_pass_andon_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both, with their objectives; the users file has the users that they name."""
    for name in ("ANDON_WRITER_PASSWORD", "ANDON_READER_PASSWORD", "ANDON_OTLP_TOKEN"):
        monkeypatch.setenv(name, "123456")
    monkeypatch.chdir(COMPOSE)
    for name in ("andon.yaml", "statuspage.yaml"):
        assert check_file(COMPOSE / name).startswith("valid; slo: 1 service")
    users = set(re.findall(r"<(andon|sre)>", (COMPOSE / "users.xml").read_text()))
    named = {
        re.search(r"username: (\w+)", (COMPOSE / name).read_text())[1] for name in ("andon.yaml", "statuspage.yaml")
    }
    assert users == named


def test_git_ignores_the_filled_in_environment() -> None:
    """Or a password would be committed one day."""
    patterns = (ROOT / ".gitignore").read_text().splitlines()
    assert any(fnmatch.fnmatch(".env", pattern) for pattern in patterns)
    assert not os.path.lexists(COMPOSE / ".env")
