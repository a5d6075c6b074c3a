"""What a request's SQL asks for, as far as HTTP must know it before the engine parses it.

In: the text of a query as it came. Out: where an INSERT's data begins, and the name of the output format.
Nothing here decides what is allowed: that is the engine's own parser, so a misreading can refuse a statement
or label its result wrongly, but never let one through.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|\#[\ !][^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<word>\w+)
    |(?P<sign>.)""",
    re.DOTALL | re.VERBOSE,
)
_GAP = re.compile(rb"[ \t\f]*(?:\r?\n)?")  # blanks and at most one line end part a format's name from its data


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token outside parentheses: `word` holds its upper case where it is a bare word, else nothing."""

    word: bytes
    text: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """An INSERT that carries data: its text up to FORMAT, the format of the data, and the offset where they begin."""

    sql: bytes
    format: str
    data_at: int


def first_word(text: bytes) -> bytes:
    """The first keyword in upper case, or nothing where the text begins otherwise."""
    first = next(_tokens(text), None)
    return first.word if first else b""


def split_insert(text: bytes) -> Insert | None:
    """Part an INSERT from the data behind it; None for other statements, and where the rows come from elsewhere."""
    if first_word(text) != b"INSERT":
        return None
    tokens = _tokens(text)
    for token in tokens:
        if token.word in {b"SELECT", b"WITH", b"INFILE"}:
            return None
        if token.word == b"VALUES":
            return Insert(sql=text[: token.start], format="Values", data_at=token.end)
        if token.word == b"FORMAT":
            return _formatted(text, token, next(tokens, None))
    return None


def output_format(text: bytes, default: str) -> str:
    """The format that a query's FORMAT clause names, else `default`."""
    tokens = list(_tokens(text))
    for at in reversed(range(len(tokens) - 1)):
        rest = tokens[at + 2 :]
        is_last_clause = not rest or rest[0].text == b";" or rest[0].word == b"SETTINGS"
        if tokens[at].word == b"FORMAT" and tokens[at + 1].word and is_last_clause:
            return tokens[at + 1].text.decode()
    return default


def _formatted(text: bytes, keyword: Token, name: Token | None) -> Insert | None:
    if name is None or not name.word:
        return None
    gap = _GAP.match(text, name.end)
    assert gap is not None
    return Insert(sql=text[: keyword.start], format=name.text.decode(), data_at=gap.end())


def _tokens(text: bytes) -> Iterator[Token]:
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        depth -= token == b")"
        if depth <= 0 and match["skip"] is None:
            yield Token(word=(match["word"] or b"").upper(), text=token, start=match.start(), end=match.end())
        depth += token == b"("
