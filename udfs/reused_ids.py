"""Another event under the id of one before, told from a repeat without keeping more of an id than its time."""

from __future__ import annotations

from bisect import bisect_left

from udfs.event import Event
from udfs.hashing import id_hash
from udfs.rejects import InvalidEventError, Reason, Stage
from udfs.seen_ids import SeenIds


def differing(event: Event, seen: SeenIds, tail: list[Event]) -> list[str]:
    """Name the fields in which an event differs from the one that has used its id; none for a repeat.

    Times are compared for as long as the id is remembered; of events of one time, what is folded of them while the
    other waits in the tail, and nothing once it is committed or forgotten.

    Args:
        event: its id is held.
        seen: the user's remembered ids.
        tail: the user's events that wait, in their order.
    """
    if not seen.holds_at(id_hash(event.event_id), event.time_ms):
        return ["event_time_ms"]
    at = bisect_left(tail, event)
    if at == len(tail):
        return []
    used = tail[at]
    if used.time_ms != event.time_ms or used.event_id != event.event_id:
        return []
    compared = (
        ("type", used.type != event.type),
        ("value", used.value != event.value),
        ("category", used.category != event.category),
        ("currency", used.currency != event.currency),
    )
    return [name for name, differs in compared if differs]


def id_reused(event: Event, seen: SeenIds, tail: list[Event]) -> InvalidEventError:
    """Why an event is refused that differs from the one that has used its id; arguments are those of `differing`."""
    fields = " and another ".join(differing(event, seen, tail))
    text = f"event_id was used before, by an event with another {fields}"
    return InvalidEventError(Reason.ID_REUSED, text, Stage.ORDER)
