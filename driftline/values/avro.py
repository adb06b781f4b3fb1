"""Avro values as documents of JSON. Times stay the numbers that they are in their schema, decimals become text."""

from __future__ import annotations

import io
import json
import struct
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

AvroSchema: TypeAlias = Any  # as fastavro has parsed it
_KEPT: Final = frozenset(("decimal", "uuid"))  # logical types that say more than the number or bytes below them
_SHAPES: Final = ("fields", "items", "values", "type")  # where a schema holds others
_DAMAGED: Final = (EOFError, ValueError, LookupError, TypeError, ArithmeticError, struct.error, MemoryError)
_DEPTH_MAX: Final = 100


def parsed_avro(text: str, named: dict[str, Any] | None = None) -> AvroSchema:
    """Return the schema of a record, which is written in JSON.

    Args:
        text: the schema.
        named: the schemas that it refers to, by their names, as `named_avro` has filled it.

    Raises:
        ValueError: it is not a schema of Avro, or not one of a record.
    """
    schema = named_avro(text, {} if named is None else named)
    if not isinstance(schema, dict) or schema.get("type") != "record":
        message = "is of a schema of Avro that is not a record"
        raise ValueError(message)
    return schema


def named_avro(text: str, named: dict[str, Any]) -> AvroSchema:
    """Return any schema, and add what it names to `named`. Raises ValueError if it is not one of Avro."""
    from fastavro import parse_schema  # noqa: PLC0415  (for such topics only)
    from fastavro.schema import SchemaParseException, UnknownType  # noqa: PLC0415

    try:
        return parse_schema(_plain_schema(json.loads(text)), named_schemas=named)
    except (SchemaParseException, UnknownType, ValueError, TypeError, LookupError, RecursionError) as error:
        message = f"is of a schema that is not Avro: {type(error).__name__}"
        raise ValueError(message) from None


def avro_document(data: bytes, schema: AvroSchema) -> dict[str, Any]:
    """Return a record as a document of JSON. Raises ValueError if the bytes are not one, with nothing of them."""
    from fastavro import schemaless_reader  # noqa: PLC0415

    source = io.BytesIO(data)
    try:
        record = schemaless_reader(source, schema, None)
        document = _plain(record, 0)
    except (*_DAMAGED, RecursionError):
        message = "is not the Avro of its schema"
        raise ValueError(message) from None
    if source.tell() != len(data) or not isinstance(document, dict):
        message = "is not the Avro of its schema: bytes are left over"
        raise ValueError(message)
    return document


def _plain_schema(schema: Any) -> Any:
    """A schema without the logical types that would make objects of numbers."""
    if isinstance(schema, list):
        return [_plain_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain_schema(of) if key in _SHAPES else of for key, of in schema.items()}
    if plain.get("logicalType") not in _KEPT:
        plain.pop("logicalType", None)
    return plain


def _plain(value: Any, depth: int) -> Any:
    """A value as JSON has it. Bytes, which it does not have, are absent."""
    if depth > _DEPTH_MAX:
        raise ValueError
    if isinstance(value, dict):
        return {key: _plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, depth + 1) for one in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, UUID):
        return str(value)
    return None if isinstance(value, bytes) else value
