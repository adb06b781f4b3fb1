"""One simulated event, and its two encodings."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from driftline.event.v1.event_pb2 import UserEvent

CURRENCY = "EUR"
Properties = tuple[tuple[str, str], ...]


class SimulatedEvent(NamedTuple):
    """An event as text and numbers; an empty text is an absent field. Texts are ASCII that JSON need not escape."""

    event_id: str
    user_id: str
    type: str
    event_time_ms: int
    item_id: str
    category: str
    value: float | None
    currency: str
    channel: str
    name: str
    properties: Properties


def json_line(event: SimulatedEvent) -> str:
    """The event in the contract's JSON form, without a line end: what `driftline.jsonlines.format_event` gives.

    A second writer of that form, for speed: 0.8 us an event, where a UserEvent and format_event take 5.0 us, and
    simulating the event 1.9 us. tests/unit/simulator/test_history.py holds the two equal.
    """
    event_id, user_id, kind, time_ms, item_id, category, value, currency, channel, name, properties = event
    line = f'{{"eventId":"{event_id}","userId":"{user_id}","type":"{kind}","eventTimeMs":"{time_ms}"'
    if item_id:
        line += f',"itemId":"{item_id}"'
    if category:
        line += f',"category":"{category}"'
    if value is not None:
        line += f',"value":{value!r}'
        if currency:
            line += f',"currency":"{currency}"'
    line += f',"channel":"{channel}"'
    if name:
        line += f',"name":"{name}"'
    return line + (_properties_json(properties) if properties else "}")


def user_event(event: SimulatedEvent) -> UserEvent:
    """The event as protobuf."""
    return UserEvent(
        event_id=event.event_id,
        user_id=event.user_id,
        type=event.type,  # type: ignore[arg-type]  # the runtime takes names
        event_time_ms=event.event_time_ms,
        item_id=event.item_id,
        category=event.category,
        value=event.value,
        currency=event.currency,
        channel=event.channel,  # type: ignore[arg-type]
        name=event.name,
        properties=dict(event.properties),
    )


@lru_cache(maxsize=1_024)
def _properties_json(properties: Properties) -> str:
    pairs = ",".join(f'"{key}":"{text}"' for key, text in properties)
    return f',"properties":{{{pairs}}}}}'
