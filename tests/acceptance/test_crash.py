"""What was acknowledged is stored once, whatever dies and whenever: real processes, `kill -9`, real load."""

import random
import time

import psutil

from fixtures.load import Sender, are_there_once, settled
from fixtures.programs import House, Program, eventually

KILLS = 20
COUNTED = "SELECT sum(Valid) AS valid FROM sli_slices"


def test_h10_twenty_kills_at_random_lose_nothing_and_store_nothing_twice(house: House) -> None:
    """Workers, their supervisor and the engine, under load of three signals; the slices are in step with the spans."""
    chance = random.Random(20261125)
    programs = {"clickhouse": house.start("clickhouse")}
    programs["clickhouse"].wait_for_line("clickhouse http")
    house.run("migrate")
    programs["ingest"] = start_ingest(house)
    programs["ingest"].wait_for_line("ingest     ")
    with Sender(house) as sender:
        for _ in range(KILLS):
            sender.more(20)
            time.sleep(chance.random())
            strike(house, programs, chance.choice(["clickhouse", "ingest", "worker", "worker"]), chance)
        sender.more(20)
    assert min(len(numbers) for numbers in sender.acknowledged.values()) > 100
    stored = settled(house, sender)
    assert programs["ingest"].stop() == 0
    stored = settled(house, sender)
    assert are_there_once(stored)
    assert house.query(COUNTED)[0]["valid"] == len(stored["traces"])


def start_ingest(house: House) -> Program:
    return house.start("ingest", "--workers", "2")


def strike(house: House, programs: dict[str, Program], victim: str, chance: random.Random) -> None:
    """`kill -9`; a worker is started again by its supervisor, the others by us."""
    if victim == "worker":
        workers = psutil.Process(programs["ingest"].process.pid).children()
        if workers:
            chance.choice(workers).kill()
        return
    programs[victim].kill()
    programs[victim] = house.start("clickhouse") if victim == "clickhouse" else start_ingest(house)


def test_h09_sixty_seconds_without_the_engine_lose_nothing(house: House) -> None:
    """Receivers keep acknowledging, the page serves its last snapshot with its age, everything catches up by itself."""
    engine = house.start("clickhouse")
    engine.wait_for_line("clickhouse http")
    house.run("migrate")
    with (
        house.running("ingest", ready="ingest     "),
        house.running("evaluate", ready="evaluate   "),
        house.running("statuspage", ready="statuspage http"),
    ):
        with Sender(house, pause_s=0.05) as sender:
            eventually(lambda: "Checkout" in house.page())
            engine.kill()
            before, killed = sender.total, time.monotonic()
            while time.monotonic() - killed < 60:
                assert "Checkout" in house.page()
                time.sleep(1)
            assert sender.total > before + 600
            assert 'class="banner"' in house.page()
            engine = house.start("clickhouse")
            engine.wait_for_line("clickhouse http")
        stored = settled(house, sender)
        eventually(lambda: 'class="banner"' not in house.page())
    assert are_there_once(stored)
    assert house.query(COUNTED)[0]["valid"] == len(stored["traces"])
    assert engine.stop() == 0
