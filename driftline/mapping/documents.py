"""Rows by a mapping as documents of the contract: a row's values are text, or any value of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from driftline.jsonlines import load_object, property_text
from driftline.mapping.device_clock import DeviceClock, corrected_ms
from driftline.mapping.keys import FIRST, OTHERS, PROPERTY
from driftline.mapping.spec import Mapping
from driftline.times import decimal_of, number_time_ms, other_form, parse_time_ms
from driftline.words import plain


class DocumentMaker:
    """Makes documents of the contract, by the mapping or, where its word chooses one, by a case of it."""

    def __init__(self, mapping: Mapping) -> None:
        self._by = mapping.by
        self._base = _CaseMaker(mapping)
        self._cases = {word: _CaseMaker(case) for word, case in mapping.cases.items()}

    def document(self, row: dict[str, Any], identity: Callable[[], Iterable[str]]) -> dict[str, Any] | None:
        """The document of a row, or None if the row is to be left out.

        Args:
            row: the value of every column that the mapping names; not changed.
            identity: returns what an id is made of, where the row has none.

        Raises:
            ValueError: what keeps the row from being an event; holds nothing of it but names of columns.
        """
        case = self._base
        if self._by and not is_empty(row[self._by]):
            case = self._cases.get(_cell(self._by, row[self._by]), case)
        document = case.document(row)
        if document is not None and "eventId" not in document:
            document["eventId"] = _row_id(identity())
        return document


class _CaseMaker:
    """Makes documents by one mapping, whatever the cases."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._zone = mapping.zone()
        self._clock = mapping.clock()
        self._leave_out = {column: frozenset(words) for column, words in mapping.leave_out.items()}
        self._types = mapping.types
        self._folded_types = _folded(mapping.types)
        self._fields = [
            (name, of[FIRST] if isinstance(of, dict) else [of] if isinstance(of, str) else of, isinstance(of, dict))
            for name, of in mapping.columns.items()
        ]

    def document(self, row: dict[str, Any]) -> dict[str, Any] | None:
        mapping = self._mapping
        if any(is_empty(row[column]) for column in mapping.leave_out_where_empty):
            return None
        for column, words in self._leave_out.items():
            if not is_empty(row[column]) and _cell(column, row[column]) in words:
                return None
        if mapping.whole_numbers:
            row = row | {column: _whole(column, row[column]) for column in mapping.whole_numbers}
        properties = self._properties(row)
        document: dict[str, Any] = {}
        for name, value in mapping.constants.items():
            _put(document, properties, name, value)
        for name, columns, first in self._fields:
            given = [column for column in columns if not is_empty(row[column])]
            if given and (first or len(given) == len(columns)):
                chosen = given[:1] if first else columns
                _put(document, properties, name, self._field(name, [(column, row[column]) for column in chosen]))
        if self._clock and (time_ms := self._corrected_ms(self._clock, row)) is not None:
            document["eventTimeMs"] = time_ms
        if properties:
            document["properties"] = properties
        return document

    def _properties(self, row: dict[str, Any]) -> dict[str, str]:
        """The properties that have the names of their columns, or of their keys in an object."""
        properties: dict[str, str] = {}
        for column in self._mapping.properties_of:
            for name, value in _object(column, row[column]).items():
                if text := property_text(value):
                    properties[name] = text
        for column in self._mapping.properties:
            if text := property_text(row[column]):
                properties[column] = text
        return properties

    def _field(self, name: str, given: list[tuple[str, Any]]) -> Any:
        """The value of a field that is made of these columns, none of which is empty."""
        table = self._mapping.values.get(name)
        if table is None and name == "value":
            return _product(given)
        only = given[0][1]
        if table is None and name.startswith(PROPERTY) and len(given) == 1:
            return only  # a property may be anything
        text = _cell(*given[0]) if len(given) == 1 else "-".join([_cell(column, value) for column, value in given])
        if name == "eventTimeMs":
            return self._time_ms(name, text)
        if name == "type":
            return self._types.get(text) or self._folded_types.get(plain(text), text)
        if table is not None and (text in table or OTHERS in table):
            return table[text if text in table else OTHERS]
        # A number is left as it is: it may be one that is no id.
        return text if len(given) > 1 or isinstance(only, str) else only

    def _corrected_ms(self, clock: DeviceClock, row: dict[str, Any]) -> int | None:
        """When the event happened by the receiver's clock; None where that cannot be told."""
        columns = clock.columns()
        if any(is_empty(row[column]) for column in columns.values()):
            return None
        device_ms, sent_ms, received_ms = (
            self._time_ms(f"{name} of device_clock", _cell(column, row[column])) for name, column in columns.items()
        )
        return corrected_ms(device_ms, sent_ms, received_ms, clock.tolerance_ms)

    def _time_ms(self, name: str, text: str) -> int:
        unit = self._mapping.time_unit
        try:
            return parse_time_ms(text, self._zone) if unit == "text" else number_time_ms(text, unit)
        except ValueError as error:
            message = f"{name} must be {error}{other_form(text, unit)}"
            raise ValueError(message) from None


def _put(document: dict[str, Any], properties: dict[str, str], name: str, value: Any) -> None:
    if not name.startswith(PROPERTY):
        document[name] = value
    elif text := property_text(value):
        properties[name[len(PROPERTY) :]] = text


def _folded(types: dict[str, str]) -> dict[str, str]:
    """The types by their words without case and separators; without words of which that leaves two types."""
    folded: dict[str, set[str]] = {}
    for word, of in types.items():
        folded.setdefault(plain(word), set()).add(of)
    return {word: of.pop() for word, of in folded.items() if len(of) == 1}


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: none, null, or a text of blanks."""
    return value is None or (isinstance(value, str) and not value.strip())


def _cell(column: str, value: Any) -> str:
    """The text of one value."""
    if value.__class__ is str:
        return value.strip()
    if not isinstance(value, (str, int, float)):
        message = f"column {column!r} must hold one value, not a list or an object"
        raise ValueError(message)
    return (property_text(value) or "").strip()


def _object(column: str, value: Any) -> dict[str, Any]:
    """The object of a column; of CSV, one that is written as JSON."""
    if is_empty(value):
        return {}
    if isinstance(value, str):
        try:
            value = load_object(value.encode(errors="replace"))
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        message = f"column {column!r} must hold an object"
        raise ValueError(message)
    return value


def _row_id(identity: Iterable[str]) -> str:
    """An id of a row that has none: the same for the same row, so that a repeated one is a duplicate."""
    from xxhash import xxh3_64_hexdigest  # noqa: PLC0415  (a machine that serves scores only does not have it)

    whole = chr(31).join(identity).encode(errors="backslashreplace")  # JSON may hold half of a surrogate pair
    return f"row-{xxh3_64_hexdigest(whole)}"


def _product(given: list[tuple[str, Any]]) -> float:
    """Price times quantity, exact in decimals."""
    product = Decimal(1)
    try:
        for column, value in given:
            product *= decimal_of(_cell(column, value))
    except ValueError:
        message = "value must be a number"
        raise ValueError(message) from None
    return float(product)


def _whole(column: str, value: Any) -> str | None:
    if is_empty(value):
        return None
    try:
        number = decimal_of(_cell(column, value))
    except ValueError:
        number = Decimal("0.5")
    if number != number.to_integral_value():
        message = f"column {column!r} must hold whole numbers"
        raise ValueError(message)
    return str(int(number))
