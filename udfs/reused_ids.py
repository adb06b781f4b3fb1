"""Tells an event with the id of another event from a repeat, by the time and the hash that are kept of an id."""

from __future__ import annotations

from udfs.event import Event
from udfs.hashing import id_hash
from udfs.rejects import InvalidEventError, Reason, Stage
from udfs.seen_ids import SeenIds


def differing(event: Event, seen: SeenIds, earlier: Event | None) -> list[str]:
    """Name the fields in which an event differs from the earlier one with its id; none for a repeat.

    Times are compared as long as the id is remembered. If they are equal, the other folded fields are compared as long
    as the earlier event is not committed; once it is, or is erased, the event counts as a repeat.

    Args:
        event: an event whose id is remembered.
        seen: the user's remembered ids.
        earlier: the uncommitted event with its time and id; None if there is none.
    """
    if not seen.holds_at(id_hash(event.event_id), event.time_ms):
        return ["event_time_ms"]
    if earlier is None:
        return []
    compared = (
        ("type", earlier.type != event.type),
        ("value", earlier.value != event.value),
        ("category", earlier.category != event.category),
        ("currency", earlier.currency != event.currency),
    )
    return [name for name, differs in compared if differs]


def id_reused(fields: list[str]) -> InvalidEventError:
    """Return the reason for an event that differs in these fields from the earlier one with its id."""
    message = f"event_id was used before, by an event with another {' and another '.join(fields)}"
    return InvalidEventError(Reason.ID_REUSED, message, Stage.ORDER)
