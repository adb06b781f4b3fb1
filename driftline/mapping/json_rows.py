"""JSON documents by a mapping: the events in them, each as the values of the columns that the mapping names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from driftline.jsonlines import TOO_DEEP, load_object, property_text
from driftline.mapping.spec import Mapping


class JsonRow(NamedTuple):
    """An event in a document.

    Attributes:
        event: the event as it was found.
        row: column -> its value, None where it has none.
    """

    event: dict[str, Any]
    row: dict[str, Any]

    def identity(self) -> list[str]:
        """Return what its id is made of, where it has none: all of it, and what was around it."""
        return [property_text(value) or "" for value in (self.event, *self.row.values())]


def json_rows_of(data: bytes, mapping: Mapping, names: list[str]) -> Iterator[JsonRow | ValueError]:
    """Yield the events of a JSON document in UTF-8; see `rows_of_document`. Raises ValueError also if it is no JSON."""
    try:
        document = load_object(data)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    yield from rows_of_document(document, mapping, names)


def rows_of_document(document: dict[str, Any], mapping: Mapping, names: list[str]) -> Iterator[JsonRow | ValueError]:
    """Yield the events of a document, or the error in place of one that is none.

    Args:
        document: a JSON object.
        mapping: says where the events are.
        names: the columns, `mapping.names()`.

    Raises:
        ValueError: the document has something else where its events should be.
    """
    for event in _events(document, mapping):
        if not isinstance(event, dict):
            yield ValueError(f"holds in {mapping.events or mapping.root} what is not an object")
            continue
        row = {name: _at(event, name) for name in names}
        if event is not document:
            row |= {name: _at(document, name) for name, value in row.items() if value is None}
        yield JsonRow(event, row)


def _events(document: dict[str, Any], mapping: Mapping) -> list[Any]:
    where = mapping.root or mapping.events
    found = _at(document, where) if where else None
    if found is None:
        return [document]
    if mapping.root:
        return [found]
    if not isinstance(found, list):
        message = f"{where} must be a list"
        raise ValueError(message)
    return found


def _at(document: dict[str, Any], path: str) -> Any:
    """What stands under a key, or under the keys of a path with dots; None if nothing does."""
    if path in document:
        return document[path]
    key, _, rest = path.partition(".")
    inner = document.get(key)
    return _at(inner, rest) if rest and isinstance(inner, dict) else None
