"""What Confluent's serializers put before a value: a zero byte, a schema's id, and for protobuf which message it is.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

ValuesFormat: TypeAlias = Literal["protobuf", "json", "avro"]
Framing: TypeAlias = Literal["none", "confluent"]

FRAMING_BYTES: Final = 5  # a zero byte, then four bytes of a schema's id
_VARINT_BYTES_MAX: Final = 5  # of a number of 32 bits
_INDEXES_MAX: Final = 100  # messages within messages; no schema nests them that deep


class Framed(NamedTuple):
    """A value without its frame."""

    schema_id: int
    data: bytes


def unframed(value: bytes) -> Framed:
    """Return the value in a frame. Raises ValueError if there is none."""
    if len(value) < FRAMING_BYTES or value[0] != 0:
        message = "has no Schema Registry framing (a zero byte and a schema id)"
        raise ValueError(message)
    return Framed(int.from_bytes(value[1:FRAMING_BYTES], "big"), value[FRAMING_BYTES:])


def without_indexes(data: bytes) -> bytes:
    """Return a protobuf message without the indexes that say which of its schema's messages it is.

    They are a count and as many indexes, in zigzag varints; a single zero stands for the first message.

    Raises:
        ValueError: the indexes are damaged.
    """
    count, at = _zigzag(data, 0)
    if not 0 <= count <= _INDEXES_MAX:
        message = "has damaged message indexes behind its Schema Registry framing"
        raise ValueError(message)
    for _ in range(count):
        _, at = _zigzag(data, at)
    return data[at:]


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins here, and where the next one does."""
    number = 0
    for place, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004  (the bit that says that more follows)
            return (number >> 1) ^ -(number & 1), at + place + 1
    message = "has damaged message indexes behind its Schema Registry framing"
    raise ValueError(message)
