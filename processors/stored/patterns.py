"""Parts of text by pattern, and what stands in their place.

In: texts, and patterns in RE2's syntax, which match in linear time whatever the text. Out: the texts with each match
replaced. RE2 marks the matches; only texts that hold one are touched by Python, where a preset may look closer: a run
of digits is a card number if it has a card's length, issuer and check digit.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

Replace = Callable[[str], str]
# What a match becomes: it may be replaced as a whole, in part, or stay.
Rewrite = Callable[[str, Replace], str]
# Noncharacters, which no text should hold (Unicode 23.7); one that does loses them where something in it is replaced.
OPEN, CLOSE, LOST = "\ufdd0", "\ufdd1", "\ufffd"
SHORTEST_CARD, LONGEST_CARD = 12, 25  # characters; 19 digits in groups of three have six separators
# Issuer and length: Visa, Mastercard, American Express, Discover, Diners, JCB, UnionPay, Maestro
CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|3(?:0[0-59]|[689]\d)\d{11,16}|35(?:2[89]|[3-8]\d)\d{12,15}|62\d{14,17}"
    r"|(?:50|5[6-8]|6\d)\d{10,17}"
)
SEPARATORS = " -"
OCTETS, LARGEST_OCTET, OCTET_DIGITS = 4, 255, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What to find, and what of it to replace."""

    expression: str
    rewrite: Rewrite | None = None  # as a whole, if nobody looks closer

    def replaced(self, texts: pa.StringArray, replace: Replace) -> pa.StringArray:
        """`texts` with each match replaced; the very same array where there is none."""
        hits = pc.match_substring_regex(texts, self.expression)
        if not pc.any(hits, min_count=0).as_py():
            return texts
        clean = texts.filter(hits)
        for mark in (OPEN, CLOSE):
            clean = pc.replace_substring(clean, mark, LOST)
        marked = pc.replace_substring_regex(clean, f"({self.expression})", f"{OPEN}\\1{CLOSE}")
        mended = [self._mended(text, replace) for text in marked.to_pylist()]
        return pc.replace_with_mask(texts, hits, pa.array(mended, pa.string()))

    def _mended(self, marked: str, replace: Replace) -> str:
        head, *parts = marked.split(OPEN)
        matches = [part.partition(CLOSE) for part in parts]
        return head + "".join(f"{self._rewritten(match, replace)}{rest}" for match, _, rest in matches)

    def _rewritten(self, match: str, replace: Replace) -> str:
        if self.rewrite is None or not match:
            return replace(match) if match else ""
        return self.rewrite(match, replace)


def any_of(expressions: Sequence[str]) -> str:
    """The expression that matches where any of `expressions` does."""
    return "|".join(f"(?:{expression})" for expression in expressions)


def cards(run: str, replace: Replace) -> str:
    """Digits in groups, in which every card number goes."""
    parts, done, begin = [], 0, 0
    while begin < len(run):
        end = _card_end(run, begin)
        if end:
            parts += [run[done:begin], replace(run[begin:end])]
            done = end
        begin = _next_group(run, max(begin, done))
    return "".join((*parts, run[done:]))


def _card_end(run: str, begin: int) -> int:
    """Where the longest card number that begins here ends, or 0."""
    last = min(len(run), begin + LONGEST_CARD)
    ends = [end for end in range(begin + SHORTEST_CARD, last + 1) if end == len(run) or run[end] in SEPARATORS]
    return next((end for end in reversed(ends) if is_card(run[begin:end])), 0)


def _next_group(run: str, begin: int) -> int:
    """Where the next group of digits begins, or the end."""
    while begin < len(run) and run[begin] not in SEPARATORS:
        begin += 1
    return begin + 1


def is_card(text: str) -> bool:
    """Whether the digits in `text` have an issuer, its length, and a check digit that is right (ISO/IEC 7812)."""
    digits = text.replace(" ", "").replace("-", "")
    if not CARD.fullmatch(digits):
        return False
    doubled = [2 * int(digit) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(number // 10 + number % 10 for number in doubled)) % 10 == 0


def address(dotted: str, replace: Replace) -> str:
    """Numbers with dots between: four octets are an address, anything else is a version or a name."""
    octets = dotted.split(".")
    fits = len(octets) == OCTETS and all(len(one) <= OCTET_DIGITS and int(one) <= LARGEST_OCTET for one in octets)
    return replace(dotted) if fits else dotted


def credentials(text: str, replace: Replace) -> str:
    """A scheme and its token; the scheme may be read."""
    scheme, token = text.split(maxsplit=1)
    return f"{scheme} {replace(token)}"


PRESETS: Mapping[str, Pattern] = {
    # `@` also as a URL spells it; card numbers in one, or in groups as they are printed
    "email": Pattern(expression=r"[\pL\pN._+-][\pL\pN._%+-]*(?:@|%40)(?:[\pL\pN-]+\.)+\pL{2,}"),
    "credit_card": Pattern(expression=r"[0-9]{3,}(?:[ -][0-9]{3,}){2,}|[0-9]{12,}", rewrite=cards),
    "bearer_token": Pattern(expression=r"(?i)\bbearer\s+[a-z0-9._~+/=-]+", rewrite=credentials),
    "jwt": Pattern(expression=r"\beyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    "ipv4": Pattern(expression=r"[0-9]+(?:\.[0-9]+){3,}", rewrite=address),
}
