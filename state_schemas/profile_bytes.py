"""Reads the committed profile and the fields of events of states from before tails were kept in chunks."""

from __future__ import annotations

from array import array

from driftline.state.v1.state_pb2 import SeriesTable, UserState, WeightMap
from udfs.event import Event
from udfs.packed_profile import set_values
from udfs.plan.layout import Layout
from udfs.profile import NOTHING, Profile


def declared(message: UserState, first: Profile, layout: Layout) -> Profile:
    """Return the committed profile of a message that names a layout.

    Args:
        message: of the user.
        first: what the message's fields for every layout hold: the first text and map.
        layout: that the message names.
    """
    profile = layout.blank()
    profile.texts = [first.texts[0], *message.texts]
    profile.maps = [first.maps[0], *[_map(weights) for weights in message.maps]]
    profile.series = [list(array("d", series)) if series else NOTHING for series in message.series]
    profile.tables = [_table(table) for table in message.tables]
    set_values(profile.values, message.value_slots, array("d", message.value_floats).tolist())
    return profile


def _map(stored: WeightMap) -> dict[str, float]:
    return dict(zip(stored.keys, array("d", stored.weights), strict=True))


def _table(stored: SeriesTable) -> dict[str, list[float]]:
    return {key: list(array("d", series)) for key, series in zip(stored.keys, stored.series, strict=True)}


def with_fields(message: UserState, tail: list[Event], layout: Layout) -> list[Event]:
    """Return the events of a tail with their declared fields, which the message has event by event."""
    numbers, texts = array("d", message.tail_numbers), list(message.tail_texts)
    if not numbers and not texts:
        return tail
    number_at = text_at = 0
    for event in tail:
        fields = layout.types.get(layout.name_of(event.type))
        if fields is not None:
            number_end, text_end = number_at + len(fields.numbers), text_at + len(fields.texts)
            event.numbers = tuple(numbers[number_at:number_end])
            event.texts = tuple(texts[text_at:text_end])
            number_at, text_at = number_end, text_end
    return tail
