"""What a FORGET leaves of a timeline (docs/decisions/0014-erasure.md)."""

from __future__ import annotations

from udfs.event import Event


def left_by_forget(
    waiting: list[Event], first_committed_ms: int, forget_ms: int, late_ms: int, clock_skew_ms_max: int
) -> list[Event] | None:
    """Return the events that are left, without anything committed; None where nothing is to be erased.

    Uncommitted events are erased one by one. A committed profile cannot be taken apart, so one that holds any event
    from before the FORGET is erased as a whole. Events older than `late_ms` count as committed, even if they still wait
    in the tail for a slower partition. If the FORGET itself is older than that, events that are dated after it by at
    most the clock skew count as before it, because they arrived before it.

    Args:
        waiting: the uncommitted events.
        first_committed_ms: the time of the first committed event; after all times where there is none.
        forget_ms: the time of the FORGET.
        late_ms: events that are older are late.
        clock_skew_ms_max: how far an event may be dated ahead.
    """
    through_ms = forget_ms + clock_skew_ms_max if forget_ms < late_ms else forget_ms
    kept = [event for event in waiting if event.known_ms > forget_ms and event.time_ms > through_ms]
    if len(kept) == len(waiting) and first_committed_ms > through_ms:
        return None
    return [event for event in kept if event.time_ms >= late_ms or forget_ms >= late_ms]
