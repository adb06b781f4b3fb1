"""Tells an event with the id of another event from a repeat, by the time and the hash that are kept of an id."""

from __future__ import annotations

from bisect import bisect_left

from udfs.event import Event
from udfs.hashing import id_hash
from udfs.rejects import InvalidEventError, Reason, Stage
from udfs.seen_ids import SeenIds


def differing(event: Event, seen: SeenIds, tail: list[Event]) -> list[str]:
    """Name the fields in which an event differs from the earlier one with its id; none for a repeat.

    Times are compared as long as the id is remembered. If they are equal, the other folded fields are compared as long
    as the earlier event is in the tail; once it is committed or erased, the event counts as a repeat.

    Args:
        event: an event whose id is remembered.
        seen: the user's remembered ids.
        tail: the user's uncommitted events, in order.
    """
    if not seen.holds_at(id_hash(event.event_id), event.time_ms):
        return ["event_time_ms"]
    at = bisect_left(tail, event)
    if at == len(tail):
        return []
    earlier = tail[at]
    if earlier.time_ms != event.time_ms or earlier.event_id != event.event_id:
        return []
    compared = (
        ("type", earlier.type != event.type),
        ("value", earlier.value != event.value),
        ("category", earlier.category != event.category),
        ("currency", earlier.currency != event.currency),
    )
    return [name for name, differs in compared if differs]


def id_reused(event: Event, seen: SeenIds, tail: list[Event]) -> InvalidEventError:
    """Return the reason for an event that differs from the earlier one with its id; arguments as for `differing`."""
    fields = " and another ".join(differing(event, seen, tail))
    message = f"event_id was used before, by an event with another {fields}"
    return InvalidEventError(Reason.ID_REUSED, message, Stage.ORDER)
