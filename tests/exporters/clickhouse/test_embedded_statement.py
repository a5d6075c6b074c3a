"""What HTTP must know of a statement: where an INSERT's data begin, and the format of a result."""

import pytest

from exporters.clickhouse.embedded.statement import first_word, output_format, split_insert

INSERTS = {
    "data begin after the format's line": (b"INSERT INTO t FORMAT CSV\n1,2\n", "CSV", b"1,2\n"),
    "data begin after one blank": (b"INSERT INTO t (a) FORMAT TSV 1", "TSV", b"1"),
    "only one line end is left out": (b"INSERT INTO t FORMAT RowBinary\r\n\n\x00", "RowBinary", b"\n\x00"),
    "nothing may follow": (b"INSERT INTO t FORMAT Native", "Native", b""),
    "values are data": (b"INSERT INTO t VALUES (1), (2)", "Values", b" (1), (2)"),
    "settings stand before the format": (b"INSERT INTO t SETTINGS a = 1 FORMAT CSV 1", "CSV", b"1"),
    "lower case": (b"insert into t format csv 1", "csv", b"1"),
    "a comment first": (b"/* FORMAT x */ -- FORMAT y\nINSERT INTO t FORMAT CSV 1", "CSV", b"1"),
    "a column called format": (b"INSERT INTO t (format, `FORMAT x`) FORMAT CSV 1", "CSV", b"1"),
    "quotes in a name": (b"INSERT INTO `t\\` FORMAT x` FORMAT CSV 1", "CSV", b"1"),
}


@pytest.mark.parametrize(("text", "data_format", "data"), INSERTS.values(), ids=INSERTS)
def test_insert_is_parted_from_its_data(text: bytes, data_format: str, data: bytes) -> None:
    """The text, the format and the data of an INSERT are told apart as ClickHouse does."""
    insert = split_insert(text)
    assert insert is not None
    assert (insert.format, text[insert.data_at :]) == (data_format, data)
    assert text.startswith(insert.sql)


WITHOUT_DATA = {
    "a select": b"SELECT 1 FORMAT CSV",
    "rows from a select": b"INSERT INTO t SELECT 1 FORMAT CSV",
    "rows from a file": b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
    "no format at all": b"INSERT INTO t",
    "no name behind the keyword": b"INSERT INTO t FORMAT 'x'",
    "an insert in a string": b"'INSERT INTO t FORMAT CSV 1'",
    "nothing": b"",
}


@pytest.mark.parametrize("text", WITHOUT_DATA.values(), ids=WITHOUT_DATA)
def test_statement_without_data_is_left_whole(text: bytes) -> None:
    """What carries no data of its own goes to the engine as it is."""
    assert split_insert(text) is None


FORMATS = {
    "none named": (b"SELECT 1", "TabSeparated"),
    "at the end": (b"SELECT 1 FORMAT JSON", "JSON"),
    "before a semicolon": (b"SELECT 1 format JSON ; ", "JSON"),
    "before settings": (b"SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "JSON"),
    "behind settings": (b"SELECT 1 SETTINGS max_threads = 1 FORMAT JSON", "JSON"),
    "a column of that name": (b"SELECT format FROM t", "TabSeparated"),
    "in a string": (b"SELECT 'x FORMAT JSON'", "TabSeparated"),
    "in a subquery's comment": (b"SELECT (1 /* FORMAT JSON */)", "TabSeparated"),
}


@pytest.mark.parametrize(("text", "name"), FORMATS.values(), ids=FORMATS)
def test_last_format_clause_names_the_result(text: bytes, name: str) -> None:
    """The format of a result is what its FORMAT clause says, else the default."""
    assert output_format(text, "TabSeparated") == name


def test_first_word_skips_blanks_and_comments() -> None:
    """Comments of all three kinds and blanks come before the first keyword."""
    assert first_word(b" \n/* a */-- b\n#! c\n select 1") == b"SELECT"
    assert first_word(b"\\i file") == b""
