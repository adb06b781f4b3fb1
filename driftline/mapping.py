"""CSV files as events: a mapping, written in TOML, says which column is which field.

docs/events.md describes the keys; docs/mappings/ has examples for public formats.
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from driftline.documents import DOCUMENT_BYTES_MAX, Document, FileError, Text
from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.times import parse_time_ms
from driftline.words import type_number

_FIELDS = {one.json_name for one in UserEvent.DESCRIPTOR.fields} - {"properties"}
_UNITS_MS = {"s": Decimal(1_000), "ms": Decimal(1), "us": Decimal("0.001"), "ns": Decimal("0.000001")}
_KEYS: dict[str, tuple[type, ...]] = {
    "columns": (dict,),
    "constants": (dict,),
    "types": (dict,),
    "properties": (list,),
    "whole_numbers": (list,),
    "leave_out_where_empty": (list,),
    "time_unit": (str,),
    "time_zone": (str,),
    "delimiter": (str,),
}


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """Which columns of a CSV file make which fields of an event.

    Attributes:
        columns: field -> its column; several are multiplied for `value` and joined with `-` for other fields.
        constants: field -> what it is in every row.
        types: word of the file -> event type.
        properties: columns that become properties of their names.
        whole_numbers: columns of whole numbers that were written with a fraction, like 17850.0.
        leave_out_where_empty: columns without which a row is no event.
        time_unit: of eventTimeMs: s, ms, us, ns, or text for a date with a time of day.
        time_zone: of a text that names none, like UTC or Europe/London.
        delimiter: between cells.
    """

    columns: dict[str, str | list[str]]
    constants: dict[str, Any] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    properties: list[str] = field(default_factory=list)
    whole_numbers: list[str] = field(default_factory=list)
    leave_out_where_empty: list[str] = field(default_factory=list)
    time_unit: str = "ms"
    time_zone: str = ""
    delimiter: str = ","

    @classmethod
    def load(cls, path: Path) -> Mapping:
        """Read a mapping. Raises InputError naming what it cannot be used for."""
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            message = f"--mapping {path}: {error.strerror or error}"
            raise InputError(message) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            message = f"--mapping {path}: is not TOML: {error}"
            raise InputError(message) from None
        try:
            return cls._checked(given)
        except ValueError as error:
            message = f"--mapping {path}: {error}"
            raise InputError(message) from None

    @classmethod
    def _checked(cls, given: dict[str, Any]) -> Mapping:
        _known("key", given, _KEYS)
        for key, value in given.items():
            if not isinstance(value, _KEYS[key]):
                message = f"{key} must be a {_KEYS[key][0].__name__}"
                raise ValueError(message)
        _known("field in columns", given.get("columns", {}), _FIELDS)
        _known("field in constants", given.get("constants", {}), _FIELDS)
        for word in given.get("types", {}).values():
            if type_number(str(word)) is None:
                message = f"{word!r} in types is no event type; types are {', '.join(UserEvent.Type.keys()[1:])}"
                raise ValueError(message)
        unit = given.get("time_unit", "ms")
        if unit != "text" and unit not in _UNITS_MS:
            message = f"time_unit must be text, {', '.join(_UNITS_MS)}"
            raise ValueError(message)
        if len(given.get("delimiter", ",")) != 1:
            message = "delimiter must be one character"
            raise ValueError(message)
        both = {*given.get("columns", {}), *given.get("constants", {})}
        for needed in ("userId", "type", "eventTimeMs"):
            if needed not in both:
                message = f"columns or constants must name {needed}"
                raise ValueError(message)
        mapping = cls(**given)
        mapping.zone()
        return mapping

    def zone(self) -> ZoneInfo | None:
        """The zone of times that name none."""
        try:
            return ZoneInfo(self.time_zone) if self.time_zone else None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f"time_zone {self.time_zone!r} is not known; it is a name like UTC or Europe/London"
            raise ValueError(message) from None


def _known(what: str, given: Any, known: Any) -> None:
    for name in given:
        if name not in known:
            message = f"unknown {what} {name!r}; known are: {', '.join(sorted(known))}"
            raise ValueError(message)


def rows_of(text: Text, mapping: Mapping) -> Iterator[Document | tuple[Document, ValueError] | None]:
    """The rows of a CSV file as JSON documents.

    Yields a row as its document, with the error that keeps it from being one, or None where it is to be left out.

    Raises:
        FileError: the mapping names a column that the file does not have, or the file cannot be read on.
    """
    csv.field_size_limit(DOCUMENT_BYTES_MAX)
    reader = csv.reader(io.TextIOWrapper(text, encoding="utf-8", newline=""), delimiter=mapping.delimiter)
    try:
        header = next(reader, [])
        row = _Row(header, mapping)
        for cells in reader:
            if not any(cells):
                continue
            place = Document("line", reader.line_num, b"")
            try:
                document = row.document(cells)
            except ValueError as error:
                yield place, error
                continue
            yield None if document is None else place._replace(data=json.dumps(document).encode())
    except UnicodeDecodeError:
        message = f"is not UTF-8 behind line {reader.line_num}; convert it, for example with iconv -f LATIN1 -t UTF-8"
        raise FileError(message) from None
    except csv.Error as error:
        message = f"is not CSV behind line {reader.line_num}: {error}"
        raise FileError(message) from None


class _Row:
    """Makes a document of a row's cells."""

    def __init__(self, header: list[str], mapping: Mapping) -> None:
        self._header = header
        self._mapping = mapping
        self._zone = mapping.zone()
        sources = {name: [of] if isinstance(of, str) else of for name, of in mapping.columns.items()}
        named = [column for columns in sources.values() for column in columns]
        for column in (*named, *mapping.properties, *mapping.whole_numbers, *mapping.leave_out_where_empty):
            if column not in header:
                message = f"has no column {column!r}, which the mapping names; it has: {', '.join(header)}"
                raise FileError(message)
            if header.count(column) > 1:
                message = f"has the column {column!r}, which the mapping names, more than once"
                raise FileError(message)
        self._sources = sources

    def document(self, cells: list[str]) -> dict[str, Any] | None:
        """The document of a row, None if it is to be left out. Raises ValueError saying why it is none."""
        if len(cells) != len(self._header):
            message = f"has {len(cells)} cells; the first line has {len(self._header)}"
            raise ValueError(message)
        row = dict(zip(self._header, cells, strict=True))
        mapping = self._mapping
        if any(not row[column].strip() for column in mapping.leave_out_where_empty):
            return None
        for column in mapping.whole_numbers:
            row[column] = _whole(column, row[column])
        document = dict(mapping.constants)
        for name, columns in self._sources.items():
            given = [row[column].strip() for column in columns]
            if all(given):
                document[name] = self._field(name, given)
        properties = {column: row[column] for column in mapping.properties if row[column]}
        if properties:
            document["properties"] = properties
        if "eventId" not in document:
            document["eventId"] = _row_id(cells)
        return document

    def _field(self, name: str, given: list[str]) -> Any:
        if name == "value":
            return _product(given)
        text = "-".join(given)
        if name == "eventTimeMs":
            return self._time_ms(text)
        return self._mapping.types.get(text, text) if name == "type" else text

    def _time_ms(self, text: str) -> int:
        unit = self._mapping.time_unit
        try:
            if unit == "text":
                return parse_time_ms(text, self._zone)
            return int(_number(text) * _UNITS_MS[unit])
        except ValueError as error:
            wanted = error if unit == "text" else f"a number of {unit}"
            message = f"eventTimeMs must be {wanted}"
            raise ValueError(message) from None


def _row_id(cells: list[str]) -> str:
    """An id of a row that has none: the same for the same cells, so that a repeated row is a duplicate."""
    from udfs.hashing import hash64  # noqa: PLC0415  (loads the core)

    return f"row-{hash64(chr(31).join(cells)):016x}"


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 30:  # noqa: PLR2004  (no time and no amount)
        message = "not a number"
        raise ValueError(message)
    return number


def _product(given: list[str]) -> float:
    """Price times quantity, exact in decimals."""
    product = Decimal(1)
    try:
        for text in given:
            product *= _number(text)
    except ValueError:
        message = "value must be a number"
        raise ValueError(message) from None
    return float(product)


def _whole(column: str, text: str) -> str:
    if not text.strip():
        return text
    try:
        number = _number(text.strip())
    except ValueError:
        number = Decimal("0.5")
    if number != number.to_integral_value():
        message = f"column {column!r} must hold whole numbers"
        raise ValueError(message)
    return str(int(number))
