"""JSON documents by a mapping: the events in them, each as the values of the columns that the mapping names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from driftline.jsonlines import load_object, property_text
from driftline.mapping.spec import Mapping


class JsonRow(NamedTuple):
    """An event in a document.

    Attributes:
        row: column -> its value, None where it has none.
        identity: what its id is made of, where it has none.
    """

    row: dict[str, Any]
    identity: list[str]


def json_rows_of(data: bytes, mapping: Mapping, names: list[str]) -> Iterator[JsonRow | ValueError]:
    """Yield the events of a JSON document, or the error in place of one that is none.

    Args:
        data: the document in UTF-8.
        mapping: says where the events are.
        names: the columns, `mapping.names()`.

    Raises:
        ValueError: the document is not JSON, or has something else where its events should be.
    """
    enclosing, events = _events(data, mapping)
    for event in events:
        if not isinstance(event, dict):
            yield ValueError(f"holds in {mapping.events or mapping.root} what is not an object")
            continue
        row = {name: _at(event, name) for name in names}
        if event is not enclosing:
            row |= {name: _at(enclosing, name) for name, value in row.items() if value is None}
        yield JsonRow(row, [property_text(value) or "" for value in (event, *row.values())])


def _events(data: bytes, mapping: Mapping) -> tuple[dict[str, Any], list[Any]]:
    try:
        document = load_object(data)
    except RecursionError:
        message = "is not JSON that can be read: nested too deeply"
        raise ValueError(message) from None
    if mapping.root:
        event = _at(document, mapping.root)
        return document, [document if event is None else event]
    events = _at(document, mapping.events) if mapping.events else None
    if events is None:
        return document, [document]
    if not isinstance(events, list):
        message = f"{mapping.events} must be a list"
        raise ValueError(message)
    return document, events


def _at(document: dict[str, Any], path: str) -> Any:
    """What stands under a key, or under the keys of a path with dots; None if nothing does."""
    if path in document:
        return document[path]
    key, _, rest = path.partition(".")
    inner = document.get(key)
    return _at(inner, rest) if rest and isinstance(inner, dict) else None
