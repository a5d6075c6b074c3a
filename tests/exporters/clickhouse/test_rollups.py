"""Minutes and hours are the slices summed, whatever comes twice."""

from fixtures.store import Store


def row(slice_s: int, good: int, valid: int) -> dict[str, object]:
    return {"Indicator": "works", "Generation": "g", "Group": "", "Slice": slice_s, "Good": good, "Valid": valid}


def sums(store: Store, table: str) -> dict[str, int]:
    return store.client.query(
        f"SELECT sum(Good) AS good, sum(Valid) AS valid, sum(ValidExtra) AS extra FROM {table}"
    ).to_pylist()[0]


def test_an_insert_that_comes_again_adds_nothing_to_minutes_and_hours(store: Store) -> None:
    """A chunk is replayed after a crash; the views behind the table must know it again too."""
    for _ in range(3):
        store.client.write("sli_slices", [row(60, 1, 2), row(70, 3, 4)], token="one")
    store.client.write("sli_slices", [row(60, 1, 2), row(70, 3, 4)], token="two")
    expected = {"good": 8, "valid": 12, "extra": 0}
    assert sums(store, "sli_slices") == sums(store, "sli_minutes") == sums(store, "sli_hours") == expected


def test_minutes_and_hours_begin_where_clocks_say(store: Store) -> None:
    """Slices on both sides of an edge."""
    store.client.write("sli_slices", [row(3590, 1, 1), row(3600, 1, 1)], token="edge")
    minutes = store.client.query("SELECT toUnixTimestamp(Minute) AS at FROM sli_minutes ORDER BY at").to_pylist()
    hours = store.client.query("SELECT toUnixTimestamp(Hour) AS at FROM sli_hours ORDER BY at").to_pylist()
    assert ([one["at"] for one in minutes], [one["at"] for one in hours]) == ([3540, 3600], [0, 3600])
