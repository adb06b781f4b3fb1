"""From rows of numbers to events."""

from __future__ import annotations

from collections.abc import Iterator

from console.simulator.records import CURRENCY, SimulatedEvent
from console.simulator.sessions import NO_VALUE, SURVEY_RESPONSE, TYPES, Events
from console.simulator.shoppers import CATEGORIES, CHANNELS, CUSTOM_NAMES, ITEM_IDS, PROPERTIES, Ints

_ROWS_A_CHUNK = 20_000
# A number of -1 is an absent field, and picks the last element.
_ITEMS = (*ITEM_IDS, "")
_CATEGORIES = (*CATEGORIES, "")


def name_events(users: Ints, events: Events, numbers: Ints, prefix: str) -> Iterator[SimulatedEvent]:
    """The events of the rows; an event's id is the prefix and its number."""
    for start in range(0, len(users), _ROWS_A_CHUNK):
        chunk = slice(start, start + _ROWS_A_CHUNK)
        kinds = events.kind[chunk]
        cents = events.cents[chunk]
        priced = (cents != NO_VALUE) & (kinds != SURVEY_RESPONSE)
        yield from map(
            SimulatedEvent._make,
            zip(
                [f"{prefix}{number:x}" for number in numbers[chunk].tolist()],
                [f"u{user}" for user in users[chunk].tolist()],
                map(TYPES.__getitem__, kinds.tolist()),
                events.time_ms[chunk].tolist(),
                map(_ITEMS.__getitem__, events.item[chunk].tolist()),
                map(_CATEGORIES.__getitem__, events.category[chunk].tolist()),
                [None if amount == NO_VALUE else amount / 100 for amount in cents.tolist()],
                map(("", CURRENCY).__getitem__, priced.tolist()),
                map(CHANNELS.__getitem__, events.channel[chunk].tolist()),
                map(CUSTOM_NAMES.__getitem__, events.name[chunk].tolist()),
                map(PROPERTIES.__getitem__, events.properties[chunk].tolist()),
                strict=True,
            ),
        )
