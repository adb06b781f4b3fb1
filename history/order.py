"""Whether a file is a history: the job calls an event late that stands too far behind its user's newest."""

from __future__ import annotations

from driftline.event.v1.event_pb2 import UserEvent

_USERS_MAX = 1_000_000  # whose newest time is remembered, some 150 MB


class OrderWatch:
    """Counts the events that a job would find too far behind in the order in which they come.

    Call it with each event. Repeats are counted like any other event; the job finds them to be duplicates first.

    Args:
        now_ms: wall-clock time: what is far ahead of it is no user's newest event, for the job refuses it.
        disorder_ms, clock_skew_ms_max: the job's settings.
    """

    def __init__(self, now_ms: int, *, disorder_ms: int, clock_skew_ms_max: int) -> None:
        self.behind = 0
        self._disorder_ms = disorder_ms
        self._latest_ms = now_ms + clock_skew_ms_max
        self._newest_ms: dict[str, int] = {}

    def __call__(self, event: UserEvent) -> None:
        """Take the next event."""
        user_id, time_ms = event.user_id, event.event_time_ms
        newest_ms = self._newest_ms.get(user_id, 0)
        if newest_ms < time_ms <= self._latest_ms:
            if len(self._newest_ms) >= _USERS_MAX and user_id not in self._newest_ms:
                self._newest_ms.clear()
            self._newest_ms[user_id] = time_ms
        elif time_ms < newest_ms - self._disorder_ms and event.type != UserEvent.FORGET:
            self.behind += 1

    def warning(self) -> str:
        """One line that says how many and what to do; empty if there were none."""
        if not self.behind:
            return ""
        return (
            f"events more than {self._disorder_ms // 1000:,} s behind their user's newest in the order of the files, "
            f"which the job calls late unless they repeat another: {self.behind:,}; sort the files by time of arrival "
            "or of the event, or raise disorder_ms"
        )
