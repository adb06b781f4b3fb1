"""What a record of the lake says, in columns for people, or why it is no event. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from driftline.event.v1.event_pb2 import UserEvent
from driftline.limits import FIRST_DECLARED_TYPE, TIME_MS_MAX
from history.lake.layout import FIELD_PREFIX, TYPED, FieldKind, schema_of
from udfs.decode import Decoder
from udfs.event import CUSTOM, Event
from udfs.heal_orders import is_order
from udfs.joined import SEPARATOR
from udfs.rejects import InvalidEventError

HEAL_ORDER: Final = "HEAL_ORDER"  # the reason of an order of `driftline heal`, which is a record of the topic, too
_TEXTS: Final = frozenset(("text", "strings"))  # kinds of declared fields; all others are numbers
_TYPES: Final[dict[int, str]] = {number: name for name, number in UserEvent.Type.items() if number}
_CHANNELS: Final[dict[int, str]] = {number: name for name, number in UserEvent.Channel.items() if number}
_CUSTOM_NAME: Final = _TYPES[CUSTOM]


class Record(NamedTuple):
    """A record of a topic as it was.

    Attributes:
        partition, offset: where it is.
        record_time_ms: its timestamp; below 0 where the topic has none.
        key, payload: None where it has none.
        headers: of several with one name, the last.
    """

    partition: int
    offset: int
    record_time_ms: int
    key: bytes | None
    payload: bytes | None
    headers: Mapping[str, bytes | None]


class Typer:
    """Makes typed columns of records.

    Args:
        decoder: of the job that is to read the records: it says what is an event.
        plan_events: the plan's "events", whose types and fields have names.

    Attributes:
        declared: the kind of each declared field, by name. A field that is a number in one type of events and a text in
            another is a text.
        names: of the columns, those of `layout.TYPED` and then `field_<name>` of the declared fields.
    """

    def __init__(self, decoder: Decoder, plan_events: Sequence[Mapping[str, Any]] = ()) -> None:
        self._decoder = decoder
        self.declared = declared_kinds(plan_events)
        fields = sorted(self.declared)
        self.names: list[str] = [*TYPED.names, *(FIELD_PREFIX + name for name in fields)]
        self._own_types = {
            int(event["number"]): str(event["name"])
            for event in plan_events
            if int(event["number"]) >= FIRST_DECLARED_TYPE
        }
        place = {name: len(TYPED.names) + at for at, name in enumerate(fields)}
        self._fields = {int(event["number"]): _places(event, place, self.declared) for event in plan_events}
        self._blank: list[Any] = [None] * len(fields)
        self._nothing: list[Any] = [None] * (len(TYPED.names) - 1)

    def row(self, key: bytes | None, payload: bytes | None, record_time_ms: int, now_ms: int) -> list[Any]:
        """Return a record's values of the columns `names`.

        Args:
            key: of the record.
            payload: of the record; None for a tombstone.
            record_time_ms: of the record; below 0 where the topic has none.
            now_ms: wall-clock time; only bounds how far ahead an event may be.
        """
        if is_order(payload):
            return [*self._nothing, HEAL_ORDER, *self._blank]
        try:
            user_id, event, message = self._decoder.read(key, payload, record_time_ms, now_ms)
        except InvalidEventError as error:
            return [*self._nothing, error.reason.value, *self._blank]
        row: list[Any] = [
            user_id,
            event.event_id,
            self._own_types.get(event.type) or _TYPES.get(message.type, _CUSTOM_NAME),
            event.time_ms,
            message.item_id or None,
            message.category or None,
            message.value if message.HasField("value") else None,
            message.currency or None,
            _CHANNELS.get(message.channel),
            message.name or None,
            dict(message.properties) or None,
            None,
            *self._blank,
        ]
        if event.type in self._fields:
            self._fill(row, event)
        return row

    def columns(
        self,
        keys: Iterable[bytes | None],
        payloads: Iterable[bytes | None],
        record_times_ms: Iterable[int],
        now_ms: int,
    ) -> dict[str, list[Any]]:
        """Return the columns of records, by name; arguments are those of `row`."""
        columns: list[list[Any]] = [[] for _ in self.names]
        for key, payload, time_ms in zip(keys, payloads, record_times_ms, strict=True):
            for column, value in zip(columns, self.row(key, payload, time_ms, now_ms), strict=True):
                column.append(value)
        return dict(zip(self.names, columns, strict=True))

    def table(self, records: Sequence[Record], now_ms: int) -> pa.Table:
        """Return records as rows of a lake's file, in their order."""
        schema = schema_of(self.declared)
        raw = {name: [getattr(record, name) for record in records] for name in Record._fields}
        raw["headers"] = [list(headers.items()) for headers in raw["headers"]]
        typed = self.columns(raw["key"], raw["payload"], raw["record_time_ms"], now_ms)
        typed["properties"] = [None if found is None else list(found.items()) for found in typed["properties"]]
        columns = raw | typed
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)

    def _fill(self, row: list[Any], event: Event) -> None:
        """Set the declared fields, as they are folded: what an event lacks has the default."""
        numbers, texts = self._fields[event.type]
        for (place, as_text), number in zip(numbers, event.numbers, strict=True):
            row[place] = repr(number) if as_text else number
        for place, text in zip(texts, event.texts, strict=True):
            row[place] = text.replace(SEPARATOR, ",")


def filed_ms(event_time_ms: int | None, record_time_ms: int) -> int:
    """Return the time by which a record is filed: that of its event, or its own where it is no event."""
    return min(max(0, record_time_ms if event_time_ms is None else event_time_ms), TIME_MS_MAX)


def declared_kinds(plan_events: Sequence[Mapping[str, Any]]) -> dict[str, FieldKind]:
    """Return the kind of each field that a plan's "events" declare, by name."""
    found: dict[str, FieldKind] = {}
    for event in plan_events:
        for field in event.get("fields") or []:
            name = str(field["name"])
            found[name] = "text" if field["kind"] in _TEXTS or found.get(name) == "text" else "number"
    return found


_Places = tuple[tuple[tuple[int, bool], ...], tuple[int, ...]]


def _places(event: Mapping[str, Any], place: Mapping[str, int], declared: Mapping[str, FieldKind]) -> _Places:
    """Return where the numbers of a type's events go, and whether as texts, and where their texts go."""
    numbers, texts = [], []
    for field in event.get("fields") or []:
        name = str(field["name"])
        if field["kind"] in _TEXTS:
            texts.append(place[name])
        else:
            numbers.append((place[name], declared[name] == "text"))
    return tuple(numbers), tuple(texts)
