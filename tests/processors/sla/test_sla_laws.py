"""The ready-made agreements: each loads, can work, and counts as its provider does."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from fixtures.documents import around
from fixtures.grids import grid_of
from processors.sla import documents
from processors.sla.credit import credit
from processors.sla.documents import Agreement
from processors.slo.documents import load_objectives
from processors.slo.law import deliver
from processors.slo.windows import month

LAWS = Path(documents.__file__).parent / "laws"
AROUND = around("checkout-availability")
MARCH = month("UTC").bounds(datetime(2026, 3, 15, tzinfo=UTC))
MINUTES = 44_640


def agreement(name: str, folder: Path) -> Agreement:
    (folder / "around.yaml").write_text(AROUND)
    (folder / "agreement.yaml").write_text((LAWS / f"{name}.yaml").read_text())
    objectives = load_objectives(folder)
    assert [promise.name for promise in objectives.promises] == [name]
    return objectives.agreements[0]


def test_every_law_file_is_tested() -> None:
    """A new one needs a line below."""
    assert sorted(path.stem for path in LAWS.glob("*")) == ["aws-style", "azure-style", "google-style"]


@pytest.mark.parametrize("name", ["aws-style", "azure-style", "google-style"])
def test_every_law_file_names_its_source_and_asks_to_check_it(name: str) -> None:
    """We are no lawyers."""
    text = (LAWS / f"{name}.yaml").read_text()
    assert "# Source: " in text
    assert "# CHECK THE ORIGINAL" in text


@pytest.mark.parametrize(
    ("name", "bad", "delivered", "share"),
    [
        ("aws-style", [(50, 100)] * 85, 1 - Fraction(85, 2 * MINUTES), "0"),
        ("aws-style", [(50, 100)] * 90 + [(0, 0)] * 20, 1 - Fraction(90, 2 * MINUTES), "0.1"),
        ("google-style", [(90, 100)] * 500, Fraction(1), "0"),
        ("google-style", [(89, 100)] * 500, 1 - Fraction(500, MINUTES), "0.25"),
        ("google-style", [(0, 99)] * 500, Fraction(1), "0"),
        ("azure-style", [(1, 100)] * 500, Fraction(1), "0"),
        ("azure-style", [(0, 100)] * 500, 1 - Fraction(500, MINUTES), "0.25"),
    ],
)
def test_the_same_trouble_under_each_providers_terms(
    tmp_path: Path, name: str, bad: list[tuple[int, int]], delivered: Fraction, share: str
) -> None:
    """Each minute has 100 requests; what is bad comes first."""
    terms = agreement(name, tmp_path).spec
    whole = [*bad, *[(100, 100)] * (MINUTES - len(bad))]
    found = deliver(terms.counting, grid_of(whole))
    assert terms.credits
    owed = credit(terms.credits, found.ratio, terms.window, MARCH)
    assert (found.ratio, owed.share) == (delivered, Fraction(share))
