"""Files by a mapping: rows of CSV, and JSON documents in the words of another product, as documents of the contract."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from driftline.jsonlines import load_object, property_text
from driftline.times import parse_time_ms
from history.documents import DOCUMENT_BYTES_MAX, TOO_LONG, Document, FileError, Text, first_byte_of
from history.json_documents import documents_of
from history.mapping import UNITS_MS, Mapping

_EXPONENT_MAX = 30  # of a decimal number; no time and no amount is larger, or smaller

Row: TypeAlias = "Document | tuple[Document, ValueError] | None"


def rows_of(text: Text, mapping: Mapping, found: set[str]) -> Iterator[Row]:
    """The rows of a file as JSON documents.

    Yields a row as its document, with the error that keeps it from being one, or None where it is to be left out.

    Args:
        text: CSV, or JSON lines, objects or arrays: whichever it begins like.
        mapping: what makes documents of the rows.
        found: is filled with the columns that there were.

    Raises:
        FileError: the mapping names a column that the CSV file does not have, or the file cannot be read on.
    """
    first, text = first_byte_of(text)
    make_rows = _json_rows if first in (b"{", b"[") else _csv_rows
    yield from make_rows(text, mapping, found)


def _csv_rows(text: Text, mapping: Mapping, found: set[str]) -> Iterator[Row]:
    csv.field_size_limit(DOCUMENT_BYTES_MAX)
    reader = csv.reader(io.TextIOWrapper(text, encoding="utf-8", newline=""), delimiter=mapping.delimiter)
    try:
        header = next(reader, [])
        _check_header(header, mapping)
        found.update(header)
        make = _DocumentMaker(mapping)
        for cells in reader:
            if not any(cells):
                continue
            place = Document("line", reader.line_num, b"")
            if len(cells) != len(header):
                yield place, ValueError(f"has {len(cells)} cells; the first line has {len(header)}")
                continue
            yield make.row(place, dict(zip(header, cells, strict=True)), cells)
    except UnicodeDecodeError:
        message = f"is not UTF-8 behind line {reader.line_num}; convert it, for example with iconv -f LATIN1 -t UTF-8"
        raise FileError(message) from None
    except csv.Error as error:
        message = f"is not CSV behind line {reader.line_num}: {error}"
        raise FileError(message) from None


def _check_header(header: list[str], mapping: Mapping) -> None:
    for column in mapping.names():
        if column not in header:
            message = f"has no column {column!r}, which the mapping names; it has: {', '.join(header)}"
            raise FileError(message)
        if header.count(column) > 1:
            message = f"has the column {column!r}, which the mapping names, more than once"
            raise FileError(message)


def _json_rows(text: Text, mapping: Mapping, found: set[str]) -> Iterator[Row]:
    make, names = _DocumentMaker(mapping), mapping.names()
    for document in documents_of(text):
        place = document._replace(data=b"")
        try:
            enclosing, events = _events(document.data, mapping)
        except ValueError as error:
            yield place, error
            continue
        for event in events:
            if not isinstance(event, dict):
                yield place, ValueError(f"holds in {mapping.events} what is not an object")
                continue
            row = {name: _at(event, name) for name in names}
            row |= {name: _at(enclosing, name) for name, value in row.items() if value is None}
            found.update(name for name, value in row.items() if value is not None)
            yield make.row(place, row, [property_text(value) or "" for value in (event, *row.values())])


def _events(data: bytes, mapping: Mapping) -> tuple[dict[str, Any], list[Any]]:
    """A JSON document and the events in it. Raises ValueError saying why there are none."""
    if len(data) > DOCUMENT_BYTES_MAX:
        raise ValueError(TOO_LONG)
    try:
        document = load_object(data)
    except RecursionError:
        message = "is not JSON that can be read: nested too deeply"
        raise ValueError(message) from None
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


class _DocumentMaker:
    """Makes documents of the contract; a row's values are text, or any value of JSON."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._sources = mapping.sources()
        self._zone = mapping.zone()

    def row(self, place: Document, row: dict[str, Any], identity: Iterable[str]) -> Row:
        """The document of a row, the error that keeps it from being one, or None if it is to be left out.

        `identity` is what an id is made of, where the row has none.
        """
        try:
            document = self._document(row)
        except ValueError as error:
            return place, error
        if document is None:
            return None
        if "eventId" not in document:
            document["eventId"] = _row_id(identity)
        return place._replace(data=json.dumps(document).encode())

    def _document(self, row: dict[str, Any]) -> dict[str, Any] | None:
        mapping = self._mapping
        if any(_is_empty(row[column]) for column in mapping.leave_out_where_empty):
            return None
        for column in mapping.whole_numbers:
            row[column] = _whole(column, row[column])
        document = dict(mapping.constants)
        for name, columns in self._sources.items():
            if not any(_is_empty(row[column]) for column in columns):
                document[name] = self._field(name, [(column, row[column]) for column in columns])
        texts = ((column, property_text(row[column])) for column in mapping.properties)
        if properties := {column: text for column, text in texts if text}:
            document["properties"] = properties
        return document

    def _field(self, name: str, given: list[tuple[str, Any]]) -> Any:
        if name == "value":
            return _product(given)
        text = "-".join(_cell(column, value) for column, value in given)
        if name == "eventTimeMs":
            return self._time_ms(text)
        if name == "type":
            return self._mapping.types.get(text, text)
        only = given[0][1]
        return text if len(given) > 1 or isinstance(only, str) else only  # a number may be one that is no id

    def _time_ms(self, text: str) -> int:
        unit = self._mapping.time_unit
        try:
            if unit == "text":
                return parse_time_ms(text, self._zone)
            return int(_number(text) * UNITS_MS[unit])
        except ValueError as error:
            wanted = error if unit == "text" else f"a number of {unit}"
            message = f"eventTimeMs must be {wanted}"
            raise ValueError(message) from None


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _cell(column: str, value: Any) -> str:
    """The text of one value."""
    if not isinstance(value, (str, int, float)):
        message = f"column {column!r} must hold one value, not a list or an object"
        raise ValueError(message)
    return (property_text(value) or "").strip()


def _row_id(identity: Iterable[str]) -> str:
    """An id of a row that has none: the same for the same row, so that a repeated one is a duplicate."""
    from udfs.hashing import hash64  # noqa: PLC0415  (loads the core)

    whole = chr(31).join(identity).encode(errors="backslashreplace")  # JSON may hold half of a surrogate pair
    return f"row-{hash64(whole.decode()):016x}"


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > _EXPONENT_MAX:
        message = "not a number"
        raise ValueError(message)
    return number


def _product(given: list[tuple[str, Any]]) -> float:
    """Price times quantity, exact in decimals."""
    product = Decimal(1)
    try:
        for column, value in given:
            product *= _number(_cell(column, value))
    except ValueError:
        message = "value must be a number"
        raise ValueError(message) from None
    return float(product)


def _whole(column: str, value: Any) -> str | None:
    if _is_empty(value):
        return None
    try:
        number = _number(_cell(column, value))
    except ValueError:
        number = Decimal("0.5")
    if number != number.to_integral_value():
        message = f"column {column!r} must hold whole numbers"
        raise ValueError(message)
    return str(int(number))
