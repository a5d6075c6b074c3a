"""The one contract between components: a life, and a batch handed on.

An assembly builds components, starts them from the last to the first, so that whoever consumes is there before
whoever produces, and shuts them down the other way round.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import pyarrow as pa

BatchT_contra = TypeVar("BatchT_contra", contravariant=True)


class Component(Protocol):
    """Something that is started once and shut down."""

    def start(self) -> None:
        """Be ready to work when this returns, or raise."""
        ...

    def shutdown(self) -> None:
        """Finish what was accepted, then stop. Safe before `start`, and twice."""
        ...


class Consumer(Protocol[BatchT_contra]):
    """Something that takes batches."""

    def consume(self, batch: BatchT_contra) -> None:
        """Take the whole batch or raise: `RetryableError` to be asked again, `PermanentError` never to be."""
        ...


class Query(Protocol):
    """Reading from the store: all that readers know of ClickHouse."""

    def __call__(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Rows of a SELECT. `{name:Type}` in `sql` is bound by the server from `parameters`.

        Raises:
            RetryableError: the store is away.
            PermanentError: the store refuses the query.
        """
        ...


class Write(Protocol):
    """Writing small, derived rows to the store. Ingest sends its batches through `Consumer`s instead."""

    def __call__(self, table: str, rows: Sequence[Mapping[str, Any]], *, token: str) -> None:
        """Insert `rows`, each holding every column of `table`, once for all time per (table, token).

        Raises:
            RetryableError: the store is away; the same call may be made again.
            PermanentError: the store refuses the rows.
        """
        ...
