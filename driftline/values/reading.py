"""What reads the values of a topic that are not a plain protobuf or JSON event."""

from __future__ import annotations

from typing import Any, Protocol

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import TOO_DEEP, event_of, load_object
from driftline.mapping.messages import MessageMapper
from driftline.mapping.spec import Mapping
from driftline.values.avro import AvroSchema, avro_document
from driftline.values.framing import Framing, ValuesFormat, unframed, without_indexes


class Schemas(Protocol):
    """Schemas by their ids; jobs/schema_registry.py has those of a registry."""

    def avro(self, schema_id: int) -> AvroSchema:
        """Return a schema, from memory wherever it was asked for before.

        Raises:
            ValueError: there is no schema of that id, or it is not Avro's; the record is poison.
            ServiceUnavailable: the registry did not answer, also when asked again.
        """


class ValueReader(Protocol):
    """Reads the values of a topic.

    Attributes:
        framed: whether they begin with a zero byte and a schema's id.
        time_units: those of the times that a mapping reads as numbers; None where there is no mapping, so milliseconds.
    """

    @property
    def framed(self) -> bool: ...  # noqa: D102

    @property
    def time_units(self) -> tuple[str, ...] | None: ...  # noqa: D102

    def event(self, value: bytes) -> UserEvent:
        """Return the event of a value.

        Raises:
            ValueError, DecodeError: it is none; the message holds nothing of it.
        """


class _Documents:
    """Makes events of documents of JSON: in the contract's words, or by a mapping."""

    def __init__(self, mapping: Mapping | None) -> None:
        self._mapper = None if mapping is None else MessageMapper(mapping)

    def event(self, document: dict[str, Any]) -> UserEvent:
        return event_of(document) if self._mapper is None else self._mapper.event_in(document)


class JsonValues:
    """JSON, framed or not."""

    def __init__(self, mapping: Mapping | None, framed: bool) -> None:
        self.framed = framed
        self.time_units = None if mapping is None else mapping.time_units()
        self._documents = _Documents(mapping)

    def event(self, value: bytes) -> UserEvent:
        """Return the event of a value; see ValueReader."""
        try:
            return self._documents.event(load_object(unframed(value).data if self.framed else value))
        except RecursionError:
            raise ValueError(TOO_DEEP) from None


class FramedProtobuf:
    """UserEvents of protobuf in a frame."""

    framed = True
    time_units = None

    def event(self, value: bytes) -> UserEvent:
        """Return the event of a value; see ValueReader."""
        return UserEvent.FromString(without_indexes(unframed(value).data))


class AvroValues:
    """Records of Avro in a frame."""

    framed = True

    def __init__(self, mapping: Mapping | None, schemas: Schemas) -> None:
        self.time_units = None if mapping is None else mapping.time_units()
        self._documents = _Documents(mapping)
        self._schemas = schemas

    def event(self, value: bytes) -> UserEvent:
        """Return the event of a value; see ValueReader."""
        schema_id, data = unframed(value)
        return self._documents.event(avro_document(data, self._schemas.avro(schema_id)))


def value_reader(
    values_format: ValuesFormat, mapping: Mapping | None, framing: Framing, schemas: Schemas | None = None
) -> ValueReader | None:
    """Return what reads the values of a topic; None for plain ones, which the decoder reads itself.

    Args:
        values_format: of the values, within their frame.
        mapping: of values in other words than the contract's.
        framing: what stands before a value.
        schemas: needed for Avro.

    Raises:
        ValueError: these do not go together.
    """
    if values_format == "avro":
        if framing != "confluent" or schemas is None:
            message = "avro needs the framing confluent and a schema registry: a value alone does not say its schema"
            raise ValueError(message)
        return AvroValues(mapping, schemas)
    if values_format == "protobuf":
        if mapping is not None:
            message = "a mapping reads json and avro; protobuf is always a UserEvent"
            raise ValueError(message)
        return None if framing == "none" else FramedProtobuf()
    return None if mapping is None and framing == "none" else JsonValues(mapping, framing == "confluent")
