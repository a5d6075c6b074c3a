"""How many events a sampled one stands for, as its sampler said in the tracestate: sums of whole numbers.

    weight w = 2^56 / (2^56 - T), T the threshold `ot=th:…`; before there were thresholds 2^p, and nothing for p = 63

In: tracestates of spans. Out: for each what it adds to the sums of its slice, beside the 1 that it is. Promised: the
sums merge in any order, and give the ratio, how many unsampled events would tell as much (n_eff), and how many events
nobody said a weight of: those count once, for the specification leaves their count undefined. Weights beyond MOST count
as MOST, so that sums of squares cannot pass 64 bits before 16 million such events came in one sum.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.sli.columns import Codes, Mask, SpanColumns
from processors.sli.tracestate import TraceState

MILLION = 1_000_000
MOST = 1 << 20
TRACESTATE = "TraceState"

Sums = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What one event adds: (w - 1) in millionths, w² - 1, and whether anybody said so."""

    extra: int = 0
    square: int = 0
    said: bool = False
    nothing: bool = False  # it stands for no event at all
    capped: bool = False


UNSAID = Weight()


@lru_cache(maxsize=10_000)
def weight_of(tracestate: str) -> Weight:
    """What an event with that tracestate adds."""
    weight = TraceState.parse(tracestate).weight
    if weight is None:
        return UNSAID
    if weight == 0:
        return Weight(said=True, nothing=True)
    most = min(weight, Fraction(MOST))
    return Weight(extra=round((most - 1) * MILLION), square=round(most * most - 1), said=True, capped=weight > MOST)


class Weights:
    """The weights of one batch of spans, each distinct tracestate read once."""

    def __init__(self, codes: Codes, weights: list[Weight]) -> None:
        self._codes = codes
        self._extra = np.array([one.extra for one in weights], np.uint64)
        self._square = np.array([one.square for one in weights], np.uint64)
        self._said = np.array([one.said for one in weights], np.bool_)
        self._capped = np.array([one.capped for one in weights], np.bool_)
        nothing = np.array([one.nothing for one in weights], np.bool_)
        self.something: Mask | None = ~nothing[codes] if nothing.any() else None

    def beyond(self, rows: npt.NDArray[np.int64]) -> int:
        """The sum of (w - 1) of some rows, in millionths."""
        return int(self._extra[self._codes[rows]].sum())

    def squares(self, rows: npt.NDArray[np.int64]) -> int:
        """The sum of w² - 1 of some rows."""
        return int(self._square[self._codes[rows]].sum())

    def said(self, rows: npt.NDArray[np.int64]) -> int:
        """How many of some rows have a weight that somebody said."""
        return int(np.count_nonzero(self._said[self._codes[rows]]))

    def capped(self, rows: npt.NDArray[np.int64]) -> int:
        """How many of some rows stand for more than they count for."""
        return int(np.count_nonzero(self._capped[self._codes[rows]]))


def weights_of(columns: SpanColumns) -> Weights | None:
    """The weights of a batch; None, at next to no cost, where no span has a tracestate."""
    states = columns.record.column(TRACESTATE)
    if not _has_text(states):
        return None
    encoded = states.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return Weights(codes, [weight_of(text) for text in encoded.dictionary.to_pylist()])


def _has_text(texts: pa.StringArray) -> bool:
    if not len(texts):
        return False
    ends = np.frombuffer(texts.buffers()[1], np.int32)
    return bool(ends[texts.offset + len(texts)] > ends[texts.offset])
