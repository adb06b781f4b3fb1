"""What makes events of a file that is not in the contract's words: a mapping, written in TOML.

docs/events.md describes the keys; docs/mappings/ has examples for public formats. history/rows.py applies one.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.words import type_number

_FIELDS = {field.json_name for field in UserEvent.DESCRIPTOR.fields} - {"properties", "typeWord"}
UNITS_MS = {"s": Decimal(1_000), "ms": Decimal(1), "us": Decimal("0.001"), "ns": Decimal("0.000001")}
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
    "events": (str,),
}


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """Which columns of a CSV file, or keys of JSON documents, make which fields of an event.

    Attributes:
        columns: field -> its column; several are multiplied for `value` and joined with `-` for other fields. In JSON
            a column is a key, or the keys down to it with dots between them.
        constants: field -> what it is in every row.
        types: word of the file -> event type.
        properties: columns that become properties of their names.
        whole_numbers: columns of whole numbers that were written with a fraction, like 17850.0.
        leave_out_where_empty: columns without which a row is no event.
        time_unit: of eventTimeMs: s, ms, us, ns, or text for a date with a time of day.
        time_zone: of a text that names none, like UTC or Europe/London.
        delimiter: between cells.
        events: where in a JSON document the list of its events is. What they lack is looked for in the document around
            them; one without the list is an event itself.
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
    events: str = ""

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
        for name, of in given.get("columns", {}).items():
            if not of or not (isinstance(of, str) or _are_texts(of)):
                message = f"{name} in columns must be the name of a column, or a list of them"
                raise ValueError(message)
        for key in ("properties", "whole_numbers", "leave_out_where_empty"):
            if not _are_texts(given.get(key, [])):
                message = f"{key} must be a list of columns"
                raise ValueError(message)
        _known("field in constants", given.get("constants", {}), _FIELDS)
        for word in given.get("types", {}).values():
            if type_number(str(word)) is None:
                message = f"{word!r} in types is no event type; types are {', '.join(UserEvent.Type.keys()[1:])}"
                raise ValueError(message)
        unit = given.get("time_unit", "ms")
        if unit != "text" and unit not in UNITS_MS:
            message = f"time_unit must be text, {', '.join(UNITS_MS)}"
            raise ValueError(message)
        if len(given.get("delimiter", ",")) != 1:
            message = "delimiter must be one character"
            raise ValueError(message)
        named = {*given.get("columns", {}), *given.get("constants", {})}
        for needed in ("userId", "type", "eventTimeMs"):
            if needed not in named:
                message = f"columns or constants must name {needed}"
                raise ValueError(message)
        mapping = cls(**given)
        mapping.zone()
        return mapping

    def sources(self) -> dict[str, list[str]]:
        """The columns of each field."""
        return {name: [of] if isinstance(of, str) else of for name, of in self.columns.items()}

    def names(self) -> list[str]:
        """Every column that is named, in order."""
        named = [column for columns in self.sources().values() for column in columns]
        return list(dict.fromkeys((*named, *self.properties, *self.whole_numbers, *self.leave_out_where_empty)))

    def zone(self) -> ZoneInfo | None:
        """The zone of times that name none."""
        try:
            return ZoneInfo(self.time_zone) if self.time_zone else None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f"time_zone {self.time_zone!r} is not known; it is a name like UTC or Europe/London"
            raise ValueError(message) from None


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _known(what: str, given: Any, known: Any) -> None:
    for name in given:
        if name not in known:
            message = f"unknown {what} {name!r}; known are: {', '.join(sorted(known))}"
            raise ValueError(message)
