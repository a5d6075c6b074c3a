"""Request bodies, read and inflated within bounds.

In: an ASGI `receive`, and the body's Content-Encoding. Out: the body as a list of chunks, never joined.
Promised: no body grows beyond its cap, not while it inflates either; all bodies in memory together stay below theirs;
a sender who falls silent is dropped.
"""

import asyncio
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any, Self

import lz4.frame  # type: ignore[import-untyped]

from exporters.clickhouse.embedded.errors import Code, refusal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_PIECE_BYTES = 1 << 20


class Budget:
    """Bytes that all bodies may hold together."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Raises: EngineError where no room is left."""
        with self._lock:
            if size > self._free:
                raise refusal(Code.TOO_MANY_SIMULTANEOUS_QUERIES, "Too many bytes of requests at once, try again later")
            self._free -= size

    def give_back(self, size: int) -> None:
        with self._lock:
            self._free += size


class Body:
    """One request's body. It belongs in a `with`, which gives its bytes back to the budget."""

    def __init__(self, budget: Budget, *, cap: int, silence_s: float) -> None:
        self._budget = budget
        self._cap = cap
        self._silence_s = silence_s
        self._taken = 0
        self._chunks: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._chunks.clear()
        self._budget.give_back(self._taken)

    async def read(self, receive: Receive) -> None:
        """Take the whole body as it comes.

        Raises:
            EngineError: too large, too slow, or cut off.
        """
        size, more = 0, True
        while more:
            chunk, more = await self._next(receive)
            size = self._keep(chunk, size, self._chunks)

    def inflated(self, encoding: str) -> list[bytes]:
        """The chunks of the body without their Content-Encoding. Takes long: not for an event loop.

        Raises:
            EngineError: too large once inflated, or not of this encoding.
        """
        if encoding in {"", "identity"}:
            return self._chunks
        size, inflated = 0, list[bytes]()
        for piece in _inflate(self._chunks, encoding):
            size = self._keep(piece, size, inflated)
        return inflated

    async def _next(self, receive: Receive) -> tuple[bytes, bool]:
        try:
            message = await asyncio.wait_for(receive(), self._silence_s)
        except TimeoutError:
            raise refusal(Code.SOCKET_TIMEOUT, f"no byte of the body came for {self._silence_s:g} s") from None
        if message["type"] == "http.disconnect":
            raise refusal(Code.ABORTED, "the client left before its body ended")
        return message.get("body", b""), message.get("more_body", False)

    def _keep(self, piece: bytes, size: int, chunks: list[bytes]) -> int:
        size += len(piece)
        if size > self._cap:
            raise refusal(
                Code.TOO_MANY_BYTES, f"expected at most {self._cap} bytes in a body, inflated or not, got more"
            )
        self._budget.take(len(piece))
        self._taken += len(piece)
        if piece:
            chunks.append(piece)
        return size


def _inflate(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    try:
        yield from _DECODERS[encoding](chunks)
    except KeyError:
        known = ", ".join(_DECODERS)
        raise refusal(Code.UNKNOWN_COMPRESSION_METHOD, f"expected Content-Encoding {known}, got {encoding}") from None
    except (zlib.error, RuntimeError, EOFError) as exc:
        raise refusal(Code.CANNOT_DECOMPRESS, f"the body is not {encoding}: {exc}") from exc


def _inflate_zlib(chunks: Iterable[bytes], window_bits: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(window_bits)
    for chunk in chunks:
        rest = chunk
        while rest:
            yield decoder.decompress(rest, _PIECE_BYTES)
            rest = decoder.unconsumed_tail
    if not decoder.eof:
        raise EOFError("it ends too early")


def _inflate_lz4(chunks: Iterable[bytes]) -> Iterator[bytes]:
    decoder = lz4.frame.LZ4FrameDecompressor()
    for chunk in chunks:
        yield decoder.decompress(chunk, _PIECE_BYTES)
        while not decoder.needs_input and not decoder.eof:
            yield decoder.decompress(b"", _PIECE_BYTES)
    if not decoder.eof:
        raise EOFError("it ends too early")


_DECODERS: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {
    "gzip": lambda chunks: _inflate_zlib(chunks, zlib.MAX_WBITS | 16),
    "deflate": lambda chunks: _inflate_zlib(chunks, zlib.MAX_WBITS),
    "lz4": _inflate_lz4,
}
