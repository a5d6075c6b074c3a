"""How incidents speak: short sentences for people who worry, made of counted shares and measured times.

In: shares as `Fraction`, times as `timedelta`. Out: English. Pure.
"""

from datetime import timedelta
from fractions import Fraction

ALL, NEARLY_ALL = Fraction(1), Fraction(19, 20)
COARSE = Fraction(2, 5)  # from here on "1 in 2" is too coarse
LARGE_PARTS = ((9, 10), (4, 5), (3, 4), (2, 3), (3, 5), (1, 2))
ROUNDED_FROM = 20
RAREST = 1_000
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def portion(share: Fraction) -> tuple[str, bool]:
    """A share of one as people say it, and whether a plural verb follows: `about 1 in 14`, False."""
    if share >= ALL:
        return "all", True
    if share >= NEARLY_ALL:
        return "nearly all", True
    if share >= COARSE:
        part, whole = min(LARGE_PARTS, key=lambda parts: abs(share - Fraction(*parts)))
        return f"about {part} in {whole}", part > 1
    one_in = round(1 / share) if share else RAREST
    if one_in >= RAREST:
        return f"fewer than 1 in {RAREST:,}", True
    return f"about 1 in {_rounded(one_in)}", False


def _rounded(number: int) -> int:
    """Two significant digits, for what is only about right."""
    return number if number <= ROUNDED_FROM else round(number, 2 - len(str(number)))


def happening(share: Fraction, what: str, *, slow: bool) -> str:
    """`about 1 in 3 checkout requests is failing`."""
    text, plural = portion(share)
    return f"{text} {what} {'are' if plural else 'is'} {'slow' if slow else 'failing'}"


def happened(share: Fraction, what: str, *, slow: bool) -> str:
    """`about 1 in 3 checkout requests failed`."""
    text, plural = portion(share)
    return f"{text} {what} {('were slow' if plural else 'was slow') if slow else 'failed'}"


def sentence(text: str) -> str:
    """The text with a capital."""
    return text[:1].upper() + text[1:]


def spoken(length: timedelta) -> str:
    """Two units at most: `18 s`, `3 min 20 s`, `2 h 5 min`; cut, not rounded."""
    left = max(0, int(length.total_seconds()))
    parts = []
    for unit, seconds in UNITS:
        amount, left = divmod(left, seconds)
        parts.append(f"{amount} {unit}" if amount else "")
    first = next((index for index, part in enumerate(parts) if part), len(parts) - 1)
    return " ".join(part for part in parts[first : first + 2] if part) or "0 s"
