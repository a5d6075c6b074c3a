"""Documentation that can be wrong is tested: a setting without a line in a README, or a dead link, is red."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline.assembly import AndonConfig
from pipeline.config import keys_of, models_in
from pipeline.rehearse.timeline import Timeline
from processors.sli.selector import OPERATORS, Selector
from processors.slo.documents import KINDS

ROOT = Path(__file__).parents[2]
READMES = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", "node_modules"} & set(path.relative_to(ROOT).parts)
)
# Where the settings of a section are explained: beside the code that reads them.
HOMES = {
    "receivers": "receivers/otlp/README.md",
    "processors": "processors/stored/README.md",
    "spool": "pipeline/README.md",
    "clickhouse": "exporters/clickhouse/README.md",
    "embedded": "exporters/clickhouse/README.md",
    "objectives": "pipeline/README.md",
    "evaluate": "processors/incidents/README.md",
    "statuspage": "statuspage/README.md",
    "telemetry": "pipeline/README.md",
}


def settings(model: type[BaseModel]) -> set[str]:
    """Every key below a model, by its last name."""
    fields = keys_of(model)
    return set(fields) | {
        key for info in fields.values() for inner in models_in(info.annotation) for key in settings(inner)
    }


@pytest.mark.parametrize("section", sorted(keys_of(AndonConfig)))
def test_every_setting_is_explained_in_the_readme_of_its_component(section: str) -> None:
    """A key of `andon.yaml` that nobody can look up does not exist."""
    text = (ROOT / HOMES[section]).read_text()
    keys = {section} | {
        key for model in models_in(AndonConfig.model_fields[section].annotation) for key in settings(model)
    }
    assert sorted(key for key in keys if f"`{key}`" not in text and f"{key}:" not in text) == []


def test_every_word_of_the_selector_language_is_explained() -> None:
    """Fields and operators are what users write most."""
    text = (ROOT / "processors/sli/README.md").read_text()
    assert sorted(word for word in [*OPERATORS, *keys_of(Selector)] if f"`{word}`" not in text) == []


def test_every_setting_of_a_timeline_is_explained() -> None:
    """Who rehearses an outage writes a timeline."""
    text = (ROOT / "tests/scenarios/README.md").read_text()
    assert sorted(key for key in settings(Timeline) if f"`{key}`" not in text) == []


def test_every_kind_of_document_is_explained() -> None:
    """Each kind stands in the README of promises or of agreements."""
    text = (ROOT / "processors/slo/README.md").read_text() + (ROOT / "processors/sla/README.md").read_text()
    assert sorted(kind for _, kind in KINDS if kind not in text) == []


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(readme: Path) -> None:
    """A relative link names a file that is there."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", readme.read_text())
    assert [link for link in links if "://" not in link and not (readme.parent / link).exists()] == []


def test_every_component_has_a_readme() -> None:
    """A folder of code is introduced where it stands."""
    folders = {
        path.parent for package in ("receivers", "processors", "exporters") for path in (ROOT / package).rglob("*.py")
    }
    components = {folder for folder in folders if any(path.name != "__init__.py" for path in folder.glob("*.py"))}
    components |= {ROOT / "pipeline", ROOT / "statuspage", ROOT / "sdk-examples"}
    covered = {folder for folder in components if any((up / "README.md").exists() for up in (folder, folder.parent))}
    assert sorted(str(folder.relative_to(ROOT)) for folder in components - covered) == []
