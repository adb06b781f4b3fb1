"""JSON Schemas of the contract's messages in the proto3 JSON mapping, made from the contract itself."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

_INTEGERS_AS_TEXT = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
_NUMBERS = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}
_SIMPLE: dict[int, dict[str, Any]] = {
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
}


def add_schema(message: Descriptor, schemas: dict[str, Any]) -> dict[str, str]:
    """Add the message and all that it holds to `schemas`, by name; return a reference to it.

    The mapping leaves out fields that have their default, so none is required.
    """
    if message.name not in schemas:
        schemas[message.name] = schema = {"type": "object", "properties": {}, "additionalProperties": False}
        schema["properties"] = {field.json_name: _field(field, schemas) for field in message.fields}
    return {"$ref": f"#/components/schemas/{message.name}"}


def _field(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return {"type": "object", "additionalProperties": _single(value, schemas)}
    if field.label == FieldDescriptor.LABEL_REPEATED:
        return {"type": "array", "items": _single(field, schemas)}
    return _single(field, schemas)


def _single(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    if field.message_type is not None:
        return dict(add_schema(field.message_type, schemas))
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.cpp_type in _INTEGERS_AS_TEXT:
        return {"type": "string", "pattern": "^-?[0-9]+$", "description": "a 64-bit integer"}
    if field.cpp_type in _NUMBERS:
        return {"type": "number"}
    return dict(_SIMPLE[field.cpp_type])


def _enum(enum: EnumDescriptor) -> dict[str, Any]:
    return {"type": "string", "enum": [value.name for value in enum.values]}
