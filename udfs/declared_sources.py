"""Where in a message the fields of declared events are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import property_text

Properties: TypeAlias = Mapping[str, str]
PROPERTY: Final = "properties."
_CHANNELS: Final = {number: name for name, number in UserEvent.Channel.items() if number}


class Source:
    """Where a field is in a message."""

    __slots__ = ()

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return what stands there as a text; empty if nothing does.

        Args:
            message: the message.
            properties: its properties, which are slow to come by; looked up once for all fields.
        """
        raise NotImplementedError


class PropertySource(Source):
    """A property."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the property."""
        # In this order: an index alone would add the key to the message, and `get` takes twice the time.
        return properties[self._key] if self._key in properties else ""  # noqa: SIM401


class ItemSource(Source):
    """`item_id`."""

    __slots__ = ()

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the item."""
        return message.item_id


class CategorySource(Source):
    """`category`."""

    __slots__ = ()

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the category."""
        return message.category


class ValueSource(Source):
    """`value`."""

    __slots__ = ()

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the shortest form of the value."""
        return (property_text(message.value) or "") if message.HasField("value") else ""


class CurrencySource(Source):
    """`currency`."""

    __slots__ = ()

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the currency as it was given."""
        return message.currency


class ChannelSource(Source):
    """`channel`."""

    __slots__ = ()

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the channel's name in the contract; nothing for one that is not known."""
        return _CHANNELS.get(message.channel, "")


class NameSource(Source):
    """`name`."""

    __slots__ = ()

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the name."""
        return message.name


_SOURCES: Final[dict[str, Source]] = {
    "item_id": ItemSource(),
    "category": CategorySource(),
    "value": ValueSource(),
    "currency": CurrencySource(),
    "channel": ChannelSource(),
    "name": NameSource(),
}


def source_of(path: str) -> Source:
    """Return the source that a plan names. Raises ValueError for one that is none."""
    if path.startswith(PROPERTY) and len(path) > len(PROPERTY):
        return PropertySource(path[len(PROPERTY) :])
    source = _SOURCES.get(path)
    if source is None:
        message = f"a field is from {', '.join(_SOURCES)} or properties.KEY, not from {path!r}"
        raise ValueError(message)
    return source
