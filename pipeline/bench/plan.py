"""What to measure and for how long, from what a user typed.

In: words of the command line. Out: a `Plan`, or a `PermanentError` that says what was expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipeline.bench.bodies import MAX_SIZE, SIGNALS, Signal
from pipeline.clock import NS_PER_S
from pipeline.config import parse_duration
from pipeline.errors import PermanentError

CURVE_SIZE = 512
QUICK_RATES = (10_000,)
RATES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
LEAST_REQUESTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which signals in bodies of which sizes, how long each pace lasts, at which rates. `soak_s` 0 is no soak."""

    signals: Sequence[Signal]
    sizes: Sequence[int]
    warm_up_s: float
    seconds: float
    rates: Sequence[int]
    soak_s: float


def plan(*, signals: str, sizes: str, quick: bool, soak: str | None) -> Plan:
    """The plan a user asked for.

    Raises:
        PermanentError: naming what cannot be.
    """
    return Plan(
        signals=[SIGNALS[name] for name in named(signals)],
        sizes=[size_of(word) for word in sizes.split(",")],
        warm_up_s=0.5 if quick else 3.0,
        seconds=1.0 if quick else 10.0,
        rates=QUICK_RATES if quick else RATES,
        soak_s=seconds_of(soak) if soak else 0.0,
    )


def named(signals: str) -> list[str]:
    names = [name.strip() for name in signals.split(",")]
    for name in names:
        if name not in SIGNALS:
            raise PermanentError(f"signals: expected some of {','.join(SIGNALS)}, got {name!r}")
    return names


def size_of(word: str) -> int:
    if not word.strip().isdecimal() or not 1 <= int(word) <= MAX_SIZE:
        raise PermanentError(f"sizes: expected numbers of items from 1 to {MAX_SIZE}, got {word!r}")
    return int(word)


def seconds_of(duration: str) -> float:
    try:
        return float(Fraction(parse_duration(duration), NS_PER_S))
    except ValueError as error:
        raise PermanentError(f"soak: expected {error}, got {duration!r}") from error
