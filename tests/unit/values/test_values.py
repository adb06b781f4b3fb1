"""Values in a frame of a Schema Registry, and in Avro, through the decoder."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event
from driftline.mapping.spec import Mapping
from driftline.values.avro import AvroSchema, avro_document, parsed_avro
from driftline.values.framing import unframed, without_indexes
from driftline.values.reading import value_reader
from jobs.pipeline import decoder_of
from tests.builders import NOW, T0, job_settings, message
from udfs.decode import Decoder
from udfs.event import PURCHASE, Event
from udfs.rejects import InvalidEventError, Reason

SENT = message(type=PURCHASE, value=9.5, currency="EUR", category="shoes", properties={"brand": "acme"})
EXPECTED = ("u1", decoder_of(job_settings()).decode(b"u1", SENT.SerializeToString(), T0, NOW)[1])
MAPPING = Mapping.of({"columns": {"userId": "who.id", "type": "what", "eventTimeMs": "at", "value": "paid"}})
ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "who", "type": {"type": "record", "name": "Who", "fields": [{"name": "id", "type": "long"}]}},
        {"name": "what", "type": {"type": "enum", "name": "What", "symbols": ["view", "purchase"]}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "paid", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}]},
    ],
}
EVENT = {
    "type": "record",
    "name": "UserEvent",
    "namespace": "shop",
    "fields": [
        *({"name": name, "type": "string"} for name in ("event_id", "user_id", "type", "category", "currency")),
        {"name": "event_time_ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "value", "type": ["null", "double"], "default": None},
        {"name": "properties", "type": {"type": "map", "values": "string"}},
    ],
}


class Registry:
    """Two schemas in memory."""

    def avro(self, schema_id: int) -> AvroSchema:
        if schema_id not in {7, 8}:
            message = "is of a schema that the registry does not have"
            raise ValueError(message)
        return parsed_avro(json.dumps(EVENT if schema_id == 7 else ORDER))


def frame(data: bytes, schema_id: int = 7) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big") + data


def avro(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    schemaless_writer(sink, parse_schema(schema), record)
    return sink.getvalue()


def decoder(values_format: Any, mapping: Mapping | None = None, framing: Any = "confluent") -> Decoder:
    plain = decoder_of(job_settings(event_bytes_max=10_000))
    values = value_reader(values_format, mapping, framing, Registry())
    return replace(plain, events_format=values_format, values=values)


def decoded(decoding: Decoder, value: bytes) -> tuple[str, Event]:
    return decoding.decode(b"u1", value, T0, NOW)


def refused(decoding: Decoder, value: bytes) -> InvalidEventError:
    with pytest.raises(InvalidEventError) as caught:
        decoded(decoding, value)
    assert caught.value.reason in {Reason.UNDECODABLE, Reason.TOO_LARGE}
    return caught.value


AS_RECORD = {
    "event_id": SENT.event_id,
    "user_id": "u1",
    "type": "purchase",
    "category": "shoes",
    "currency": "EUR",
    "event_time_ms": datetime.fromtimestamp(T0 / 1000, UTC),
    "value": 9.5,
    "properties": {"brand": "acme"},
}


@pytest.mark.parametrize("indexes", [b"\0", b"\2\0", b"\4\2\6", b"\2\x80\x02"])
def test_protobuf_is_read_from_its_frame(indexes: bytes) -> None:
    assert decoded(decoder("protobuf"), frame(indexes + SENT.SerializeToString())) == EXPECTED


def test_json_is_read_from_its_frame() -> None:
    assert decoded(decoder("json"), frame(format_event(SENT).encode())) == EXPECTED


def test_avro_is_read_by_the_schema_that_its_frame_names() -> None:
    assert decoded(decoder("avro"), frame(avro(EVENT, AS_RECORD))) == EXPECTED


def test_a_mapping_reads_json_and_avro_alike() -> None:
    record = {"who": {"id": 5}, "what": "purchase", "at": T0, "paid": Decimal("12.50")}
    from_avro = decoder("avro", MAPPING).decode(b"5", frame(avro(ORDER, record), 8), T0, NOW)
    as_json = json.dumps(record | {"paid": "12.50"}, separators=(",", ":")).encode()
    assert decoder("json", MAPPING).decode(b"5", frame(as_json), T0, NOW) == from_avro
    assert decoder("json", MAPPING, "none").decode(b"5", as_json, T0, NOW) == from_avro
    assert (from_avro[0], from_avro[1].type, from_avro[1].value) == ("5", PURCHASE, 12.5)


def test_a_schema_of_every_kind_becomes_json() -> None:
    kinds: dict[str, Any] = {
        "day": {"type": "int", "logicalType": "date"},
        "us": {"type": "long", "logicalType": "timestamp-micros"},
        "id": {"type": "string", "logicalType": "uuid"},
        "raw": "bytes",
        "tags": {"type": "array", "items": "string"},
        "none": ["null", "string"],
        "flag": "boolean",
        "ratio": "float",
    }
    schema = {"type": "record", "name": "All", "fields": [{"name": name, "type": of} for name, of in kinds.items()]}
    record = {
        "day": date(2026, 1, 1),
        "us": datetime(2026, 1, 1, tzinfo=UTC),
        "id": UUID(int=5),
        "raw": b"\xff",
        "tags": ["a", "b"],
        "none": None,
        "flag": True,
        "ratio": 0.5,
    }
    found = avro_document(avro(schema, record), parsed_avro(json.dumps(schema)))
    assert found == record | {"day": 20_454, "us": T0 * 1000, "id": str(UUID(int=5)), "raw": None}
    json.dumps(found)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not Avro"),
        ('"string"', "not a record"),
        ('{"type":"enum","name":"E","symbols":["a"]}', "not a record"),
        ('{"type":"record","name":"R","fields":[{"name":"f","type":"Unknown"}]}', "not Avro: UnknownType"),
        ('{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}', "not Avro"),
        ("[" * 100_000, "not Avro"),
    ],
)
def test_what_is_no_schema_of_a_record_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parsed_avro(text)


@pytest.mark.parametrize(
    ("values_format", "value", "why"),
    [
        ("json", b"{}", "has no Schema Registry framing"),
        ("protobuf", SENT.SerializeToString(), "has no Schema Registry framing"),
        ("avro", b"\0\0\0\0", "has no Schema Registry framing"),
        ("protobuf", frame(b"\x01" + SENT.SerializeToString()), "damaged message indexes"),
        ("protobuf", frame(b"\xff" * 9), "damaged message indexes"),
        ("protobuf", frame(b"\x08\0"), "damaged message indexes"),
        ("protobuf", frame(b""), "damaged message indexes"),
        ("protobuf", frame(b"\0\xff\xff"), "the bytes are not a message of its schema"),
        ("json", frame(b"{"), "is not JSON"),
        ("json", frame(b'{"x":' + b"[" * 9_000), "nested too deeply"),
        ("avro", frame(b"", 9), "a schema that the registry does not have"),
        ("avro", frame(b"\x06ab"), "is not the Avro of its schema"),
        ("avro", frame(avro(EVENT, AS_RECORD) + b"x"), "bytes are left over"),
        ("avro", frame(b"\x02a\x02\xff" + b"\0" * 9), "is not the Avro of its schema"),
    ],
)
def test_what_cannot_be_read_says_why(values_format: str, value: bytes, why: str) -> None:
    assert why in str(refused(decoder(values_format), value))


@pytest.mark.parametrize("values_format", ["protobuf", "json", "avro"])
def test_a_marker_of_an_oversized_value_is_no_frame(values_format: str) -> None:
    assert refused(decoder(values_format), b"\x0020000 2").reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("values_format", "mapping", "framing", "why"),
    [
        ("avro", None, "none", "avro needs the framing confluent"),
        ("protobuf", MAPPING, "none", "a mapping reads json and avro"),
        ("protobuf", MAPPING, "confluent", "a mapping reads json and avro"),
    ],
)
def test_what_does_not_go_together_is_refused(values_format: Any, mapping: Any, framing: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        value_reader(values_format, mapping, framing, Registry())
    with pytest.raises(ValueError, match="a schema registry"):
        value_reader("avro", None, "confluent")


@pytest.mark.parametrize("values_format", ["protobuf", "json"])
def test_plain_values_are_left_to_the_decoder(values_format: Any) -> None:
    assert value_reader(values_format, None, "none") is None


def test_unknown_types_of_a_mapping_are_counted_once() -> None:
    decoding = decoder("json", MAPPING, "none")
    value = json.dumps({"who": {"id": "u1"}, "what": "song", "at": T0}).encode()
    assert decoded(decoding, value)[1].type == UserEvent.CUSTOM
    assert decoding.unknown_types.counts == {"song": 1}
    decoding.uncount(b"u1", value)
    assert decoding.unknown_types.total == 0


@given(data=st.binary(max_size=200), schema_id=st.sampled_from([7, 8, 9]))
def test_any_bytes_are_an_event_or_a_typed_error(data: bytes, schema_id: int) -> None:
    for values_format in ("protobuf", "json", "avro"):
        for value in (data, frame(data, schema_id), frame(b"\0" + data, schema_id)):
            try:
                decoder(values_format).decode(b"u1", value, T0, NOW)
            except InvalidEventError as error:
                assert error.reason in Reason


@given(at=st.integers(0, 60), byte=st.integers(0, 255))
def test_a_damaged_record_is_an_event_or_a_typed_error(at: int, byte: int) -> None:
    damaged = bytearray(avro(EVENT, AS_RECORD))
    damaged[at % len(damaged)] = byte
    try:
        decoder("avro").decode(b"u1", frame(bytes(damaged)), T0, NOW)
    except InvalidEventError as error:
        assert error.reason in Reason


@given(schema_id=st.integers(0, 2**32 - 1), data=st.binary())
def test_a_frame_holds_what_was_put_into_it(schema_id: int, data: bytes) -> None:
    assert unframed(frame(data, schema_id)) == (schema_id, data)
    assert without_indexes(b"\0" + data) == data
