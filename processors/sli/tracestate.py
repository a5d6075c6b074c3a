"""W3C tracestate with OpenTelemetry's member `ot`: what upstream samplers said, and what this one has to say.

In: a tracestate as it came, however broken. Out: the upstream threshold and the explicit randomness, where they are
valid, and the same tracestate with another threshold. Promised: other members and sub-keys stay, in their order, as far
as the limits allow; `ot` comes first, and neither `th` nor `rv` is ever what has to go.

Sources: OpenTelemetry tracestate-handling and tracestate-probability-sampling; W3C Trace Context, 3.3.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import frexp
from typing import Self

RANDOMNESS_BITS = 56
DIGITS = RANDOMNESS_BITS // 4
EVERYTHING = 1 << RANDOMNESS_BITS  # the adjusted count of what is kept with the least probability
PRECISION = 4  # hex digits, as SDKs are advised
MAX_MEMBERS, MAX_LENGTH, LARGE_MEMBER = 32, 512, 128
MAX_OT = 256
NEVER = 63  # the exponent of what was recorded, but not by its chance
_TH, _RV, _P = re.compile(r"[0-9a-fA-F]{1,14}"), re.compile(r"[0-9a-fA-F]{14}"), re.compile(r"[0-9]{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceState:
    """One tracestate, taken apart."""

    threshold: int | None
    randomness: int | None
    exponent: int | None  # what samplers said before there were thresholds
    others: tuple[str, ...]  # sub-keys of `ot` but `th`
    members: tuple[str, ...]  # but `ot`

    @classmethod
    def parse(cls, text: str) -> Self:
        """`text`, of which the first `ot`, `th` and `rv` count."""
        members = [member.strip(" \t") for member in text.split(",")]
        ours = next((member for member in members if member.startswith("ot=")), "ot=")
        pairs = [pair for pair in ours.removeprefix("ot=").split(";") if pair]
        th, rv, p = (_first(pairs, key, shape) for key, shape in (("th:", _TH), ("rv:", _RV), ("p:", _P)))
        return cls(
            threshold=None if th is None else int(th.ljust(DIGITS, "0"), 16),
            randomness=None if rv is None else int(rv, 16),
            exponent=None if p is None or int(p) > NEVER else int(p),
            others=tuple(pair for pair in pairs if not pair.startswith("th:")),
            members=tuple(member for member in members if member and not member.startswith("ot=")),
        )

    @property
    def weight(self) -> Fraction | None:
        """How many spans this one stands for; None where nobody said."""
        if self.threshold is not None:
            return adjusted_count(self.threshold)
        if self.exponent is not None:
            return Fraction(0 if self.exponent == NEVER else 1 << self.exponent)
        return None

    def written(self, threshold: int) -> str:
        """The tracestate that says `threshold`."""
        first = [pair for pair in self.others if pair.startswith("rv:")]
        rest = [pair for pair in self.others if not pair.startswith("rv:")]
        ours = f"ot=th:{spelled(threshold)}"
        for pair in (*first[:1], *rest):
            if len(ours) + len(pair) < MAX_OT:
                ours = f"{ours};{pair}"
        return _within_limits(ours, self.members)


def _first(pairs: list[str], key: str, shape: re.Pattern[str]) -> str | None:
    """What stands after the first `key`, if it has the `shape`."""
    value = next((pair.removeprefix(key) for pair in pairs if pair.startswith(key)), "")
    return value if shape.fullmatch(value) else None


def _within_limits(ours: str, members: tuple[str, ...]) -> str:
    """Members that are too many go from the end; of too long a list, large ones go first (W3C 3.3.1.5)."""
    kept = list(members[: MAX_MEMBERS - 1])
    room = MAX_LENGTH - len(ours)
    if sum(len(member) + 1 for member in kept) > room:
        kept = [member for member in kept if len(member) <= LARGE_MEMBER]
    while sum(len(member) + 1 for member in kept) > room:
        kept.pop()
    return ",".join((ours, *kept))


def spelled(threshold: int) -> str:
    """A threshold as hex digits, without the zeros at the end."""
    return f"{threshold:0{DIGITS}x}".rstrip("0") or "0"


def threshold_of(percentage: float) -> int:
    """What the least kept randomness is, so that `percentage` of all traces is kept, to PRECISION digits."""
    probability = Fraction(percentage) / 100
    # A digit more for each leading `f`, so that small probabilities stay as exact as large ones.
    digits = min(PRECISION + frexp(float(probability))[1] // -4, DIGITS - 2) if probability < 1 else PRECISION
    unit = 1 << (RANDOMNESS_BITS - 4 * max(digits, 1))
    return min(round((1 - probability) * EVERYTHING / unit) * unit, EVERYTHING - unit)


def adjusted_count(threshold: int) -> Fraction:
    """How many spans one that was kept by `threshold` stands for."""
    return Fraction(EVERYTHING, EVERYTHING - threshold)
