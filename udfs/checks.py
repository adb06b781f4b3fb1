"""When a user is looked at without an event, and which age has been reached by then. Pure: the clock is an argument.

A user has one valid entry in the shard's due queue, `Timeline.check_at_ms`: for the quiet check of the session or for
the next age, whichever is earlier. Entries are never taken out: where a user is queued again for an earlier time, the
older entry comes up some day and is found to be past (`is_current`).

The wall clock decides when somebody is looked at; what is evaluated is as of the newest event and the age alone
(docs/decisions/0034-time-as-an-input.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from udfs.hashing import hash64
from udfs.timeline import Timeline

_SPREAD: Final = 32  # users whose newest events came in one burst are spread over this part of an age
# A wait is at most so many times as long as the silence before it; then the user is looked at in vain, and waits again.
# Otherwise one who comes every two hours would leave an entry at each visit for an age of two months.
_WAIT_PER_SILENCE: Final = 8


class Checks:
    """Says when users are due. All times are in milliseconds of wall-clock time, but for ages, in seconds.

    Args:
        gap_ms: the session gap.
        user_ttl_ms: after as much silence the fold forgets a user; older ages than that are not used.
        ages_s: the declared ages.
        sessions: whether sessions are published.

    Attributes:
        wanted: whether anybody is looked at.
        rest_ms: nobody is looked at before nothing has come from them for this long: the session gap or the first age,
            whichever is shorter. Who is far behind the wall clock, in a backlog, has more events to come.
    """

    __slots__ = ("_ages_ms", "_gap_ms", "_sessions", "rest_ms", "wanted")

    def __init__(self, gap_ms: int, user_ttl_ms: int, ages_s: Sequence[int], *, sessions: bool) -> None:
        self._gap_ms = gap_ms
        self._sessions = sessions
        self._ages_ms: list[int] = sorted([age_s * 1_000 for age_s in ages_s if age_s * 1_000 <= user_ttl_ms])
        self.rest_ms = min([gap_ms, *self._ages_ms[:1]])
        self.wanted = sessions or bool(self._ages_ms)

    def is_current(self, timeline: Timeline, due_ms: int) -> bool:
        """Whether the entry that was due at `due_ms` counts: the user has neither been checked since nor queued anew.

        An entry that is later than `check_at_ms` counts, because one who was active is queued again without a write.
        """
        return 0 < timeline.check_at_ms <= due_ms

    def is_active(self, timeline: Timeline, now_ms: int) -> bool:
        """Whether something has come from the user so lately that nothing is to be evaluated yet."""
        return timeline.last_arrival_ms + self.rest_ms > now_ms

    def is_quiet(self, timeline: Timeline, now_ms: int) -> bool:
        """Whether the user's sessions are to be published, because nothing has come for the session gap."""
        return self._sessions and timeline.last_arrival_ms + self._gap_ms <= now_ms

    def reached_s(self, timeline: Timeline, now_ms: int) -> int:
        """Return the largest age that the user has reached; 0 where none is."""
        silence_ms = now_ms - timeline.newest_ms
        reached_ms = 0
        for age_ms in self._ages_ms:
            if age_ms > silence_ms:
                break
            reached_ms = age_ms
        return reached_ms // 1_000

    def next_ms(self, user_id: str, timeline: Timeline, now_ms: int) -> int:
        """Return when the user is due next, as things are; 0: not before another event.

        That is when the session may be closed as quiet, where that is still to come, or a little after the next age.
        """
        arrived_ms = timeline.last_arrival_ms
        quiet_ms = arrived_ms + self._gap_ms
        due_ms = quiet_ms if self._sessions and quiet_ms > now_ms else 0
        written_ms = timeline.age_s * 1_000
        for age_ms in self._ages_ms:
            if age_ms > written_ms:
                reached_ms = timeline.newest_ms + age_ms + _delay_ms(user_id, age_ms)
                aged_ms = max(reached_ms, arrived_ms + self.rest_ms)
                return min(due_ms, aged_ms) if due_ms else aged_ms
        return due_ms

    def next_after_ms(self, user_id: str, timeline: Timeline, now_ms: int) -> int:
        """Return the same for a user who has been checked now: perhaps earlier, with nothing to evaluate by then."""
        silence_ms = max(now_ms - timeline.last_arrival_ms, self.rest_ms)
        return min(self.next_ms(user_id, timeline, now_ms), now_ms + _WAIT_PER_SILENCE * silence_ms)


def _delay_ms(user_id: str, age_ms: int) -> int:
    """Return how long after an age a user is due, always the same for a user."""
    return hash64(user_id) % (age_ms // _SPREAD + 1)
