"""Which spans are stored: every one that somebody will ask about, and of the rest a consistent share of traces.

In: a batch of spans as columns. Out: which to keep, and the tracestate that each kept one is stored with. A span is
kept if it failed or if an indicator calls it bad, which is also what being slower than an indicator's threshold is;
else if the randomness of its trace is not below the threshold. Promised: nothing but the trace decides about the rest,
so any batch, worker or other sampler decides alike, and a larger share holds all of a smaller one.

The threshold that is written says how many spans a stored one stands for. One that was kept by rule would have been
kept by any share, so it stands for as many as it did when it came; one that was kept by its trace has passed whichever
threshold was higher, the upstream one or ours. So weights summed over the store estimate without bias what came, and
what was bad is not estimated but there. An upstream threshold that its own randomness does not pass means nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from processors.sli.columns import Mask, SpanColumns
from processors.sli.indicator import Indicator
from processors.sli.mask import failed, good_and_valid
from processors.sli.tracestate import EVERYTHING, TraceState

Thresholds = npt.NDArray[np.uint64]
TRACE_ID_DIGITS = 32
UPSTREAM, OURS, NONE = 0, 1, 2  # which threshold is written
CHOICES = 3
WORDS = TRACE_ID_DIGITS // 8
LOW_56 = np.uint64(EVERYTHING - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is kept of one batch, and why."""

    kept: Mask
    tracestates: pa.StringArray  # of the kept
    failed: int
    bad: int  # and not failed
    sampled: int
    dropped: int
    inconsistent: int  # upstream thresholds that were not believed


class Sampler:
    """A fixed threshold, and the indicators whose bad spans are kept."""

    def __init__(self, threshold: int, indicators: Sequence[Indicator]) -> None:
        self._threshold = np.uint64(threshold)
        self._indicators = tuple(indicators)

    def sample(self, columns: SpanColumns, wanted: Mask) -> Sample:
        """The sample of the `wanted` spans."""
        error = failed(columns) | columns.words("status").mask(lambda status: status == "error")
        by_rule = error | self._bad(columns)
        states = _States(columns.record.column("TraceState"))
        chance, identified = randomness(columns.record.column("TraceId"))
        chance = states.explicit(chance)
        believed = chance >= states.upstream
        by_rule |= ~identified
        raised = (self._threshold > states.upstream) | ~believed
        passed = ~raised | (chance >= self._threshold)
        kept = wanted & (by_rule | passed)
        choice = np.where(raised & ~by_rule, OURS, np.where(believed, UPSTREAM, NONE))
        return Sample(
            kept=kept,
            tracestates=states.written(choice, kept, int(self._threshold)),
            failed=_count(kept & error),
            bad=_count(kept & by_rule & ~error),
            sampled=_count(kept & ~by_rule),
            dropped=_count(wanted & ~kept),
            inconsistent=_count(wanted & ~believed),
        )

    def _bad(self, columns: SpanColumns) -> Mask:
        """What any indicator counts against its promise."""
        bad = np.zeros(len(columns), np.bool_)
        for indicator in self._indicators:
            good, valid = good_and_valid(indicator, columns)
            bad |= valid & ~good
        return bad


class _States:
    """The tracestates of one batch, each distinct one parsed once."""

    def __init__(self, column: pa.StringArray) -> None:
        encoded = column.dictionary_encode()
        self._codes = encoded.indices.to_numpy()
        self._states = [TraceState.parse(text) for text in encoded.dictionary.to_pylist()]
        self.upstream: Thresholds = self._numbers([state.threshold for state in self._states])

    def explicit(self, chance: Thresholds) -> Thresholds:
        """`chance`, but where a tracestate says its own."""
        said = [state.randomness for state in self._states]
        if all(one is None for one in said):
            return chance
        has = np.array([one is not None for one in said])[self._codes]
        chosen: Thresholds = np.where(has, self._numbers(said), chance)
        return chosen

    def written(self, choice: npt.NDArray[np.int64], kept: Mask, ours: int) -> pa.StringArray:
        """What each kept span says, each distinct one written once."""
        wanted = (self._codes * CHOICES + choice)[kept]
        texts = [""] * (len(self._states) * CHOICES)
        for number in np.flatnonzero(np.bincount(wanted, minlength=len(texts))).tolist():
            state, chosen = self._states[number // CHOICES], number % CHOICES
            texts[number] = state.written((state.threshold or 0, ours, 0)[chosen])
        return pa.array(texts, pa.string()).take(pa.array(wanted))

    def _numbers(self, said: Sequence[int | None]) -> Thresholds:
        numbers: Thresholds = np.array([one or 0 for one in said], np.uint64)[self._codes]
        return numbers


def randomness(trace_ids: pa.StringArray) -> tuple[Thresholds, Mask]:
    """(the least significant 56 bits of each trace id, where there is one)."""
    identified: Mask = pc.equal(pc.binary_length(trace_ids), TRACE_ID_DIGITS).to_numpy(zero_copy_only=False)
    if not identified.all():
        trace_ids = pc.if_else(pa.array(identified), trace_ids, "0" * TRACE_ID_DIGITS)
    if not len(trace_ids):
        return np.zeros(0, np.uint64), identified
    begin = np.frombuffer(trace_ids.buffers()[1], np.int32)[trace_ids.offset]
    words = np.frombuffer(trace_ids.buffers()[2], ">u8", len(trace_ids) * WORDS, begin).reshape(-1, WORDS)
    high, low = (_eight_digits(words[:, place].astype(np.uint64)) for place in (-2, -1))
    return (high << np.uint64(32) | low) & LOW_56, identified


def _eight_digits(text: Thresholds) -> Thresholds:
    """The number that eight hex digits spell, all of them at once in one word."""
    digits = (text & _words(0x0F)) + (text >> np.uint64(6) & _words(0x01)) * np.uint64(9)
    for width in (4, 8, 16):
        digits = (digits | digits >> np.uint64(width)) & _words((1 << 2 * width) - 1, 4 * width)
    return digits


def _words(pattern: int, width: int = 8) -> np.uint64:
    """`pattern` in every `width` bits."""
    return np.uint64(sum(pattern << place for place in range(0, 64, width)))


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
