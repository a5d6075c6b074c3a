"""The store that SQL is measured on has what is asked for."""

from fixtures.store import Store
from pipeline.bench.questions import QUESTIONS, asked, seeds


def test_every_question_is_asked_of_all_objectives(store: Store) -> None:
    """An hour of them: two hundred promises, ten indicators a service, none twice."""
    store.client.command("ALTER TABLE slo_status REMOVE TTL")
    for statement in seeds(1, day_s=3_600):
        store.client.command(statement)
    found = [asked(store.client, question, sql) for question, sql in QUESTIONS.items()]
    assert [one.rows for one in found] == [200, 200, 1, 10]
    assert all(one.first_s > 0 < one.median_s for one in found)
    months = store.client.query("SELECT sum(MonthValid) AS valid, count() AS n FROM sla_report(month = '2026-11')")
    assert months.to_pylist() == [{"valid": 200 * 360 * 100, "n": 200}]
