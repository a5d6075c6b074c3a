"""What is printed of what was found."""

import json
from typing import Any

import pytest

from pipeline.bench.cell import Cell, Run, paced
from pipeline.bench.machine import Machine, machine
from pipeline.bench.plan import plan
from pipeline.bench.report import Found, Refusal, as_json, as_markdown
from pipeline.bench.soak import Soak
from pipeline.bench.work import Step
from pipeline.errors import PermanentError

HERE = Machine(date="2026-11-22", cpu="A CPU", cores=2, ram_gib=23.5, python="3.11.7", commit="abc1234")


def run(**changes: Any) -> Run:
    """1 000 requests of 512 items in 10 s, 1.024 s of CPU time."""
    figures: dict[str, Any] = {
        "offered_items_s": None, "requests": 1000, "items": 512_000, "bytes": 200_000_000, "refused": 0,
        "sending_s": 8.0, "seconds": 10.0, "user_s": 1.0, "system_s": 0.024, "ack_ms_p50": 5.0, "ack_ms_p99": 13.0,
        "peak_mib": 370.0, "clients_cores": 0.4,
    }  # fmt: skip
    return Run(**(figures | changes))


def cell(collector: str, **changes: Any) -> Cell:
    half = run(offered_items_s=25_600.0)
    return Cell(
        collector=collector, signal="traces", size=512, full=run(**changes), half=half, curve=[run(offered_items_s=1e3)]
    )


def found() -> Found:
    return Found(
        machine=HERE,
        cells=[cell("andon"), cell("rotel", user_s=2.024)],
        steps=[Step(signal="traces", size=512, name="decode", us_per_item=0.5)],
        refusals=[Refusal(what="andon logs 512", why="UNIMPLEMENTED: not | stored")],
    )


def test_figures_follow_from_what_was_measured() -> None:
    """Per item, per request, per second."""
    one = run()
    assert (one.cpu_us_per_item, one.cpu_us_per_request) == (2.0, 1024.0)
    assert (one.items_s, one.acknowledged_items_s, one.mb_s) == (51_200.0, 64_000.0, 20.0)


def test_json_has_every_figure_and_the_ratio() -> None:
    """Programs read what people read, and more."""
    read = json.loads(as_json(found()))
    assert [one["andon_over_this"] for one in read["cells"]] == [None, pytest.approx(0.5)]
    assert read["cells"][0]["full"]["cpu_us_per_item"] == 2.0
    assert read["cells"][0]["curve"][0]["offered_items_s"] == 1000.0
    assert read["machine"]["commit"] == "abc1234"
    assert read["refusals"] == [{"what": "andon logs 512", "why": "UNIMPLEMENTED: not | stored"}]


def test_markdown_says_where_and_when_and_keeps_its_tables_whole() -> None:
    """A block for the results: machine, costs, waits, shares, the curve, and what was not measured."""
    text = as_markdown(found())
    assert text.startswith("## 2026-11-22: 2 cores of A CPU, 23.5 GiB\n\nPython 3.11.7, commit abc1234.\n")
    assert "| traces | 512 | andon | 2.00 | 1024 |  | 51,200 | 20.0 | 0.40 | 370 |" in text
    assert "| traces | 512 | rotel | 4.00 | 2048 | 0.50 | 51,200 | 20.0 | 0.40 | 370 |" in text
    assert "| traces | 512 | 0.50 (25%) | 2.00 |" in text
    assert "| traces | andon | max | 51,200 |" in text
    assert "| andon logs 512 | UNIMPLEMENTED: not \\| stored |" in text


def test_growth_compares_the_last_quarter_with_the_second() -> None:
    """The first quarter is warming up."""
    memory = [(30.0 * at, mib) for at, mib in enumerate([100, 200, 400, 400, 300, 300, 420, 300])]
    one = Soak(collector="andon", signals="traces", first_start_s=9, later_start_s=1, memory=memory, run=run())
    assert one.growth == pytest.approx(420 / 400)


def test_a_slow_pace_lasts_until_there_are_a_few_requests() -> None:
    """A percentile of two requests says nothing."""
    slow, fast = paced(1024.0, 512, 1.0), paced(51_200.0, 512, 1.0)
    assert (slow.rate, slow.seconds) == (2.0, 10.0)
    assert (fast.rate, fast.seconds) == (100.0, 1.0)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"signals": "traces,profiles"}, "signals: expected some of traces,logs,metrics, got 'profiles'"),
        ({"sizes": "5,many"}, "sizes: expected numbers of items from 1 to 10000, got 'many'"),
        ({"sizes": "0"}, "sizes: expected numbers of items from 1 to 10000, got '0'"),
        ({"soak": "ten"}, "soak: expected a duration such as 10s"),
    ],
    ids=["unknown signal", "not a number", "nothing to send", "not a duration"],
)
def test_what_cannot_be_measured_is_refused(words: dict[str, str], complaint: str) -> None:
    """Said at once, with what was expected."""
    asked: dict[str, Any] = {"signals": "traces", "sizes": "5", "quick": True, "soak": None}
    with pytest.raises(PermanentError, match=complaint):
        plan(**(asked | words))


def test_a_plan_is_what_was_asked_for() -> None:
    """Signals and sizes in the user's order."""
    made = plan(signals="metrics,traces", sizes="512, 5", quick=False, soak="10m")
    assert [signal.name for signal in made.signals] == ["metrics", "traces"]
    assert (made.sizes, made.soak_s, made.rates[0]) == ([512, 5], 600.0, 1000)


def test_the_machine_is_this_one() -> None:
    """Nothing about it is unknown where there is a checkout."""
    here = machine()
    assert here.cores >= 1
    assert here.ram_gib > 0
    assert here.cpu
