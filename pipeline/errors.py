"""The errors that cross components, and what each asks of its receiver.

    AndonError
    ├── ConfigError       what a user wrote cannot work: every problem with file, line and path
    ├── PermanentError    trying again cannot help: bad data, bad request, a bug
    └── RetryableError    trying again may help: full, away, timed out

Nothing else decides about retry. `receivers/otlp/status.py` turns the last two into gRPC and HTTP statuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class AndonError(Exception):
    """Whatever Andon itself raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a file: where it stands, what was expected there, what came instead."""

    file: str
    line: int
    path: str
    expected: str
    got: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{place}: {self.path}" if self.path else place
        hint = f" - {self.hint}" if self.hint else ""
        return f"{where}: expected {self.expected}, got {self.got}{hint}"


class ConfigError(AndonError):
    """Configuration or objectives that cannot work; `problems` holds all that were found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PermanentError(AndonError):
    """The same input will fail the same way. `reason` is what counters call it, a word for each kind."""

    reason = "malformed"


class RetryableError(AndonError):
    """The same input may succeed later; `retry_after_s` says when to try, in seconds, where that is known.

    `reason` is what counters call it, a word for each kind.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, reason: str = "busy") -> None:
        self.retry_after_s = retry_after_s
        self.reason = reason
        super().__init__(message)
