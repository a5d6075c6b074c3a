"""What one request, and one item in it, may be: the bounds that keep a sender from costing others.

In: settings. Out: the words that the kernel reads. Promised: a count and a decoding under the same limits cut the same.
"""

from dataclasses import dataclass

import numpy as np

from receivers.otlp.arrays import Words

MAX_DEPTH = 100  # nested messages, as in every protobuf runtime
LONGEST_PAIR = 1 << 8  # bytes of an attribute that the kernel takes as a whole, without asking for limits
MOST_ATTRIBUTES = 1 << 16
# No signal's own messages are nested deeper, so within an attribute's plain value nobody needs to count.
LEAST_DEPTH = 8

ATTRIBUTES, KEY_BYTES, TEXT_BYTES, DEPTH, EARLIEST, LATEST = range(6)
ANY_TIME = (0, np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Attributes of one owner, bytes of an attribute's key and of any other text, nested messages."""

    attributes: int = 1024
    key_bytes: int = 1024
    text_bytes: int = 256 << 10
    depth: int = MAX_DEPTH

    def __post_init__(self) -> None:
        texts = min(self.key_bytes, self.text_bytes) >= LONGEST_PAIR
        if not texts or not 0 < self.attributes <= MOST_ATTRIBUTES or not LEAST_DEPTH <= self.depth <= MAX_DEPTH:
            raise ValueError(
                f"expected texts of at least {LONGEST_PAIR} bytes, 1 to {MOST_ATTRIBUTES} attributes "
                f"and a depth of {LEAST_DEPTH} to {MAX_DEPTH}, got {self}"
            )

    def words(self, timely: tuple[int, int] = ANY_TIME) -> Words:
        """For the kernel; items outside of `timely`, in nanoseconds since the epoch, are to be left out."""
        return np.array([self.attributes, self.key_bytes, self.text_bytes, self.depth, *timely], np.int64)


DEFAULT = Limits()
