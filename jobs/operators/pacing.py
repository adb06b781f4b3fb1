"""How much of its time an operator gives to users who are due: fresh events come first."""

from __future__ import annotations

from typing import Final

CALLS_OF_REST: Final = 4  # after a call, as long as four of it: a fifth of the thread's time at most
# Users may wait so long to be checked, for what is published of them then hurries nobody. Those who waited longer are
# more than a fifth of the thread's time can check, so they get half of it.
BEHIND_MS_MAX: Final = 600_000
REST_MS_MAX: Final = 200  # a call that would be followed by a longer rest is an exception


class Pacing:
    """The turns of a task's timers, which Flink would otherwise serve all before the next block and barrier.

    Attributes:
        longest_ms: of the calls so far.
    """

    def __init__(self) -> None:
        self.longest_ms = 0
        self._rest_until_ms = 0

    def rest_until(self, at_ms: int) -> int:
        """Return when the next call may begin; `at_ms` where it is now.

        A rest that would end later than the longest one from now is ignored: the clock was set back.
        """
        until_ms = self._rest_until_ms
        return until_ms if at_ms < until_ms <= at_ms + REST_MS_MAX else at_ms

    def ended(self, at_ms: int, call_ms: int, behind_ms: int) -> int:
        """Note a call, and return when the next one may begin.

        Args:
            at_ms: when it began.
            call_ms: how long it took.
            behind_ms: how long the users whom it has checked had been due.
        """
        rest_ms = call_ms * (CALLS_OF_REST if behind_ms < BEHIND_MS_MAX else 1)
        self._rest_until_ms = at_ms + min(call_ms + rest_ms, max(call_ms, REST_MS_MAX))
        self.longest_ms = max(self.longest_ms, call_ms)
        return self._rest_until_ms
