"""How hard the spool is pressed: when a client that was refused is asked to come again.

In: every refusal for want of room, and that there was room again. Out: a time that doubles with how long the spool has
been full, from `retry_after` to `max_retry_after`, and begins anew once there has been room for `max_retry_after`: by
then everybody who was sent away has been back. Pure but for its state; whoever holds it guards it.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Pressure:
    """All times in nanoseconds. `full_since_ns` is the first refusal of a time without lasting room."""

    retry_after_ns: int
    max_retry_after_ns: int
    full_since_ns: int | None = None
    room_since_ns: int | None = None

    def refused(self, now_ns: int) -> int:
        """There was no room; when to come again, from now."""
        if self.full_since_ns is None or self._is_over(now_ns):
            self.full_since_ns = now_ns
        self.room_since_ns = None
        return self.after_ns(now_ns)

    def relieved(self, now_ns: int) -> None:
        """There is room again."""
        if self.room_since_ns is None:
            self.room_since_ns = now_ns

    def after_ns(self, now_ns: int) -> int:
        """What a refused client would be told now; nothing while the spool is not pressed.

        As if one client had come since the beginning, each time when it was asked to, and had to wait twice as long.
        """
        if self.full_since_ns is None or self._is_over(now_ns):
            return 0
        after_ns, told_ns = self.retry_after_ns, self.full_since_ns + self.retry_after_ns
        while 0 < after_ns < self.max_retry_after_ns and told_ns <= now_ns:
            after_ns *= 2
            told_ns += after_ns
        return min(after_ns, max(self.retry_after_ns, self.max_retry_after_ns))

    def _is_over(self, now_ns: int) -> bool:
        return self.room_since_ns is not None and now_ns - self.room_since_ns >= self.max_retry_after_ns
