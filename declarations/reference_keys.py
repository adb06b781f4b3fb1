"""Tables of the keys of declarations, made of the models that check them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from declarations.value_types import Strict

_HEAD: Final = "| key | is | default | meaning |\n|---|---|---|---|"
_DURATION: Final = "smhdw"  # of its pattern
_EXPRESSION_LENGTH: Final = 4_000
_PLAIN: Final = {"object": "keys", "boolean": "`true`, `false`", "number": "number"}


def key_table(model: type[Strict], *, only: Collection[str] = (), without: Collection[str] = ()) -> str:
    """Return a table of a model's keys in their order, with what each accepts; of those in `only`, if there are any."""
    schema = model.model_json_schema()
    required = schema.get("required", [])
    rows = [
        f"| `{key}` | {accepted(each)} | {_default(key in required, each)} | {each.get('description', '')} |"
        for key, each in schema["properties"].items()
        if key not in without and (not only or key in only)
    ]
    return "\n".join([_HEAD, *rows])


def keys_of(model: type[Strict]) -> list[str]:
    """Return a model's keys in their order, as they are written."""
    return list(model.model_json_schema()["properties"])


def accepted(schema: Mapping[str, Any]) -> str:
    """Return in words what a JSON schema accepts."""
    if "anyOf" in schema:
        found = [each for each in schema["anyOf"] if each.get("type") != "null"]
        if [each.get("type") for each in found] == ["string", "array"]:
            return "name, or list of names"
        return " or ".join(dict.fromkeys(accepted(each) for each in found))
    if "$ref" in schema:
        return f"[see below](#{str(schema['$ref']).rpartition('/')[2].lower()})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{_yaml(each)}`" for each in schema.get("enum", [schema.get("const")]))
    return _of_type(schema)


def _of_type(schema: Mapping[str, Any]) -> str:
    kind = schema["type"]
    if kind == "array":
        items = schema["items"]
        if _DURATION in items.get("pattern", ""):
            return "list of durations"
        return f"list of {'names' if items.get('type') == 'string' else 'numbers'}"
    if kind == "integer":
        return f"whole number, {schema['minimum']:,} to {schema['maximum']:,}"
    if kind != "string":
        return _PLAIN[kind]
    if schema.get("maxLength") == _EXPRESSION_LENGTH:
        return "[expression](#expressions)"
    return "duration" if _DURATION in schema.get("pattern", "") else "text"


def _default(required: bool, schema: Mapping[str, Any]) -> str:
    if required:
        return "required"
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else f"`{_yaml(default)}`"


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
