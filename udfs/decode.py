"""Decodes a Kafka record into a validated event, or tells why that is not possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from google.protobuf.message import DecodeError

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import parse_event
from driftline.limits import CATEGORY_BYTES_MAX, ID_BYTES_MAX, VALUE_MAX
from driftline.time_units import day_of, likely_times_ms, unit_note
from driftline.values.reading import ValueReader
from driftline.words import NameCounts
from udfs.declared_events import EventTypes
from udfs.event import CUSTOM, FORGET, PURCHASE, REFUND, SURVEY_RESPONSE, Event
from udfs.heal_orders import is_order
from udfs.money import AS_GIVEN, NO_CURRENCY, Currencies
from udfs.oversized import explain, marked_sizes
from udfs.pipeline import Gate
from udfs.plain_event import GivenEvent, read_plain
from udfs.rejects import InvalidEventError, Reason, Stage


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Decodes the records of one topic.

    Args:
        events_format: encoding of the values.
        event_bytes_max: size of the largest value that is decoded.
        clock_skew_ms_max: how far an event may be ahead of its record's timestamp, and of now.
        event_time_min_ms: the earliest time that an event may have; an earlier one is in another unit, or of a clock
            that was never set.
        event_time_max_ms: the latest.
        currencies: which currencies amounts may be in.
        gates: the gates that every event passes, in this order.
        values: reads the values where they are not a plain UserEvent in `events_format`.
        event_types: the types and fields that are declared; None without any.
        unknown_types: counts the event types that this version does not know and folds as CUSTOM.
    """

    events_format: Literal["protobuf", "json", "avro"]
    event_bytes_max: int
    clock_skew_ms_max: int
    event_time_min_ms: int
    event_time_max_ms: int
    currencies: Currencies = AS_GIVEN
    gates: Sequence[Gate] = ()
    event_types: EventTypes | None = None
    values: ValueReader | None = None
    unknown_types: NameCounts = field(default_factory=NameCounts, compare=False)

    def decode(self, key: bytes | None, value: bytes | None, timestamp_ms: int, now_ms: int) -> tuple[str, Event]:
        """Return the user's id and the event, whose type is counted where this version does not know it.

        Arguments and errors are those of `read`.
        """
        given = self._plain(value)
        if given is None:
            user_id, event, message = self.read(key, value, timestamp_ms, now_ms)
            if event.type == CUSTOM and (word := _unknown_type(message)):
                self.unknown_types(word)
            return user_id, event
        user_id = given.user_id
        event = self._gated(validated(given, self.currencies), user_id)
        self._check_record(event, user_id, key, timestamp_ms, now_ms)
        return user_id, event

    def _plain(self, value: bytes | None) -> GivenEvent | None:
        """Return what a usual event says; None where its message is needed."""
        declared = self.event_types is not None or self.values is not None or self.events_format != "protobuf"
        if declared or value is None or len(value) > self.event_bytes_max:
            return None
        return read_plain(value)

    def read(
        self, key: bytes | None, value: bytes | None, timestamp_ms: int, now_ms: int
    ) -> tuple[str, Event, UserEvent]:
        """Return the user's id, the event, and the message that it was made of.

        Args:
            key: the record's key; must be the user's id.
            value: the record's value; None for a tombstone.
            timestamp_ms: the record's timestamp; below 0 where the topic has none.
            now_ms: wall-clock time; only bounds how far ahead an event may be.

        Raises:
            InvalidEventError: the record is poison; carries the reason.
        """
        message = self._parse(key, value)
        user_id = message.user_id
        event = self._admitted(message, user_id)
        self._check_record(event, user_id, key, timestamp_ms, now_ms)
        return user_id, event, message

    def _check_record(self, event: Event, user_id: str, key: bytes | None, timestamp_ms: int, now_ms: int) -> None:
        """Compare an event with the key and the time of its record. Raises InvalidEventError."""
        if key != user_id.encode():
            raise InvalidEventError(Reason.KEY_MISMATCH, _key_mismatch(key, user_id))
        self._check_time(event, timestamp_ms, now_ms)

    def uncount(self, key: bytes | None, value: bytes | None) -> None:
        """Undo what `decode` has counted for a record that will be decoded again; nothing of a heal order."""
        if is_order(value):
            return
        message = self._parse(key, value)
        declared = self.event_types is not None and self.event_types.number_of(message) != 0
        if not declared and (word := _unknown_type(message)):
            self.unknown_types.uncount(word)

    def event_of(self, message: UserEvent, timestamp_ms: int, now_ms: int) -> Event:
        """Return the event of a message that was not read from a record; arguments and errors are those of `decode`."""
        event = self._admitted(message, message.user_id)
        self._check_time(event, timestamp_ms, now_ms)
        return event

    def _admitted(self, message: UserEvent, user_id: str) -> Event:
        """Return the event of a message, with its declared fields, after it has passed all gates."""
        event = validate(message, self.currencies)
        if self.event_types is not None:
            self.event_types.fill(message, event)
        return self._gated(event, user_id)

    def _gated(self, event: Event, user_id: str) -> Event:
        """Return an event that has passed all gates."""
        for gate in self.gates:
            gate.admit(user_id, event)
        return event

    def _check_time(self, event: Event, timestamp_ms: int, now_ms: int) -> None:
        """Refuse an event with an impossible time, and set when the event was known at the latest.

        A FORGET is never refused for its time if its record's timestamp can be right: that replaces an impossible time,
        because an order to erase must be carried out.

        Args:
            event: its `known_ms` is set, and the time of a FORGET where it is impossible.
            timestamp_ms: the record's timestamp; below 0 where there is none.
            now_ms: wall-clock time.

        Raises:
            InvalidEventError: INVALID_VALUE or CLOCK_SKEW.
        """
        time_ms = event.time_ms
        received_ms = timestamp_ms if 0 <= timestamp_ms < now_ms else now_ms
        within = self.event_time_min_ms <= time_ms <= self.event_time_max_ms
        ahead_ms = time_ms - received_ms
        if not within or ahead_ms > self.clock_skew_ms_max:
            if event.type == FORGET and self.event_time_min_ms <= timestamp_ms <= self.event_time_max_ms:
                event.time_ms = event.known_ms = received_ms
                return
            if not within:
                raise InvalidEventError(Reason.INVALID_VALUE, self._wrong_time(time_ms, timestamp_ms))
            text = f"event_time_ms is {ahead_ms} ms ahead of the record; the bound is {self.clock_skew_ms_max} ms"
            raise InvalidEventError(Reason.CLOCK_SKEW, text + self._unit_note(time_ms, timestamp_ms))
        if 0 <= timestamp_ms < time_ms:
            event.known_ms = timestamp_ms

    def _wrong_time(self, time_ms: int, timestamp_ms: int) -> str:
        early = time_ms < self.event_time_min_ms
        name, bound_ms = (
            ("event_time_min_ms", self.event_time_min_ms) if early else ("event_time_max_ms", self.event_time_max_ms)
        )
        text = f"event_time_ms is {'before' if early else 'after'} the bound {name} ({bound_ms}, {day_of(bound_ms)})"
        return text + self._unit_note(time_ms, timestamp_ms)

    def _unit_note(self, time_ms: int, timestamp_ms: int) -> str:
        """Say which unit a refused time looks like; empty if like none."""
        bounds_ms = (self.event_time_min_ms, self.event_time_max_ms)
        within_ms = likely_times_ms(timestamp_ms, bounds_ms, self.clock_skew_ms_max)
        return unit_note(time_ms, None if self.values is None else self.values.time_units, within_ms)

    def _parse(self, key: bytes | None, value: bytes | None) -> UserEvent:
        if value is None:
            raise InvalidEventError(Reason.UNDECODABLE, _TOMBSTONE, Stage.DECODE)
        if len(value) > self.event_bytes_max:
            raise self._too_large(len(value), len(key or b""))
        if self.values is not None:
            return self._read(self.values, value)
        try:
            if self.events_format == "json":
                return parse_event(value)
            return UserEvent.FromString(value)
        except (DecodeError, ValueError, RecursionError) as error:
            raise self._undecodable(value, error) from None

    def _read(self, values: ValueReader, value: bytes) -> UserEvent:
        """Return the message of a value that has a frame or is in other words."""
        if values.framed and (sizes := marked_sizes(value, self.event_bytes_max)) is not None:
            raise self._too_large(*sizes)  # a marker looks like a frame
        try:
            return values.event(value)
        except (DecodeError, ValueError) as error:
            raise self._undecodable(value, error) from None

    def _undecodable(self, value: bytes, error: Exception) -> InvalidEventError:
        if (sizes := marked_sizes(value, self.event_bytes_max)) is not None:
            return self._too_large(*sizes)
        # Protobuf's own message is not passed on: it might quote the payload, which may be personal.
        why = str(error) if isinstance(error, ValueError) else "the bytes are not a message of its schema"
        likeness = "" if self.values is not None and self.values.framed else _likeness(value, self.events_format)
        return InvalidEventError(
            Reason.UNDECODABLE, f"not a UserEvent in {self.events_format}: {why}{likeness}", Stage.DECODE
        )

    def _too_large(self, value_size: int, key_size: int) -> InvalidEventError:
        text = explain(value_size, key_size, self.event_bytes_max)
        return InvalidEventError(Reason.TOO_LARGE, text, Stage.DECODE)


# A tombstone does not erase a user: an erasure needs an id and an event time, so that it is folded in any order.
_TOMBSTONE = "the record has no value (tombstone); to erase a user, send a FORGET event"
_FRAMING_BYTES = 5  # a zero byte, then four bytes of a schema's id
_COMPRESSED = "looks compressed: leave compression to Kafka (compression.type)"
_UTF_16 = "looks like UTF-16: send plain UTF-8"
_BEGINNINGS = (
    (b"\x1f\x8b", _COMPRESSED),
    (b"\x28\xb5\x2f\xfd", _COMPRESSED),
    (b"\xef\xbb\xbf", "begins with a byte order mark: send plain UTF-8"),
    (b"\xff\xfe", _UTF_16),
    (b"\xfe\xff", _UTF_16),
)


def _likeness(value: bytes, events_format: str) -> str:
    """Say what undecodable bytes look like, if that tells their producer what to change; else empty."""
    if len(value) > _FRAMING_BYTES and value[0] == 0:
        framing = "Schema Registry framing (a zero byte and a schema id)"
        return f"; looks like {framing}: submit the job with events_framing=confluent"
    for beginning, cause in _BEGINNINGS:
        if value.startswith(beginning):
            return "; " + cause
    if events_format == "protobuf" and value.lstrip()[:1] in (b"{", b"["):
        return "; looks like JSON: submit the job with events_format=json"
    if events_format == "json" and value[:1] == b"\x0a" and value[2:3].isalnum():
        return "; looks like protobuf: submit the job with events_format=protobuf"
    return ""


def _unknown_type(message: UserEvent) -> str:
    """The word or number of a valid event's type if this version does not know it; else empty."""
    if message.type == CUSTOM:
        return message.type_word
    return "" if 0 < message.type <= REFUND else f"number {message.type}"


def _key_mismatch(key: bytes | None, user_id: str) -> str:
    wanted = "the record's key must be the bare user_id in UTF-8"
    if not key:
        return f"{wanted}, but there is no key"
    if len(key) > _FRAMING_BYTES and key[0] == 0:
        return f"{wanted}, but the key looks like Schema Registry framing (a zero byte and a schema id)"
    if key.strip() == b'"' + user_id.encode() + b'"':
        return f"{wanted}, but the key is the user id in JSON quotes"
    if key[:1] in (b"{", b"["):
        return f"{wanted}, but the key looks like JSON"
    if key.strip().lower() == user_id.strip().lower().encode():
        return f"{wanted}, but the key differs from it in case or blanks"
    return f"{wanted}, but the key is another"


def validate(message: UserEvent, currencies: Currencies = AS_GIVEN) -> Event:
    """Return the event of a message, with a known type and with its amount as it is added up.

    Its time is not compared with any clock or bound.

    Raises:
        InvalidEventError: MISSING_FIELD or INVALID_VALUE.
    """
    given = GivenEvent()
    given.event_id, given.user_id = message.event_id, message.user_id
    kind = given.type = int(message.type)
    given.time_ms, given.category, given.value = message.event_time_ms, message.category, message.value
    if kind == SURVEY_RESPONSE:
        given.has_value = message.HasField("value")
    elif kind == CUSTOM:
        given.named = bool(message.name)
    elif kind == PURCHASE or kind == REFUND:  # noqa: PLR1714, SIM109  (compiled, it compares numbers)
        given.currency = message.currency
    return validated(given, currencies)


def validated(given: GivenEvent, currencies: Currencies = AS_GIVEN) -> Event:
    """Return the event of what was given, as `validate`."""
    time_ms, category, kind = given.time_ms, given.category, given.type
    _check_id("event_id", given.event_id)
    _check_id("user_id", given.user_id)
    if kind == 0:
        raise InvalidEventError(Reason.MISSING_FIELD, "type is missing")
    if time_ms <= 0:
        if time_ms == 0:
            raise InvalidEventError(Reason.MISSING_FIELD, "event_time_ms is missing")
        raise InvalidEventError(Reason.INVALID_VALUE, "event_time_ms is negative; it must be above 0")
    value = given.value
    if not -VALUE_MAX <= value <= VALUE_MAX:  # false for NaN, too
        what = "finite" if not math.isfinite(value) else f"within {VALUE_MAX:g} of 0"
        raise InvalidEventError(Reason.INVALID_VALUE, f"value must be {what}")
    if len(category) * 4 > CATEGORY_BYTES_MAX and len(category.encode()) > CATEGORY_BYTES_MAX:
        raise InvalidEventError(Reason.INVALID_VALUE, f"category is over {CATEGORY_BYTES_MAX} bytes")
    if kind == SURVEY_RESPONSE and not given.has_value:
        raise InvalidEventError(Reason.MISSING_FIELD, "value is missing; a SURVEY_RESPONSE needs one")
    if kind == CUSTOM and not given.named:
        raise InvalidEventError(Reason.MISSING_FIELD, "name is missing; a CUSTOM event needs one")
    if not 0 < kind <= REFUND:
        kind = CUSTOM
    currency = NO_CURRENCY
    if kind == PURCHASE or kind == REFUND:  # noqa: PLR1714, SIM109  (compiled, it compares numbers)
        if value < 0.0:  # some shops send a refund as a purchase with a negative value
            kind, value = REFUND, -value
        value, currency = currencies.amount(value, given.currency)
    return Event(time_ms, given.event_id, kind, value, category, time_ms, currency)


def _check_id(field: str, text: str) -> None:
    if not text:
        raise InvalidEventError(Reason.MISSING_FIELD, f"{field} is missing")
    if len(text) * 4 > ID_BYTES_MAX and len(text.encode()) > ID_BYTES_MAX:
        raise InvalidEventError(Reason.INVALID_VALUE, f"{field} is over {ID_BYTES_MAX} bytes")
