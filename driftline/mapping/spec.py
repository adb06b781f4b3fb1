"""A mapping: which columns of a CSV file, or keys of JSON documents, make which fields of an event. Written in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from driftline.errors import InputError
from driftline.mapping.checks import checked
from driftline.mapping.device_clock import DeviceClock
from driftline.mapping.keys import FIRST, LISTS, TABLES

Columns: TypeAlias = "str | list[str] | dict[str, list[str]]"


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """Which columns of a CSV file, or keys of JSON documents, make which fields of an event.

    A field is one of the contract by its name in JSON, or `properties.NAME`.

    Attributes:
        columns: field -> its column; several are multiplied for `value` and joined with `-` for other fields, and of
            `{"first": [...]}` the first that is not empty counts. In JSON a column is a key, or the keys down to it
            with dots between them.
        constants: field -> what it is where its column is empty, or in every row.
        types: word of the file -> event type, or the name of a type of one's own. Case and separators do not matter.
        values: field -> word of the file -> what it becomes; `*` stands for all other words.
        properties: columns that become properties of their names.
        properties_of: columns of JSON objects whose keys all become properties of their names.
        whole_numbers: columns of whole numbers that were written with a fraction, like 17850.0.
        leave_out_where_empty: columns without which a row is no event.
        leave_out: column -> words; a row with one of them is no event.
        device_clock: the columns whose times correct the device's clock (device_clock.py), in the unit of eventTimeMs;
            empty: it is not corrected. Where one of them is empty, eventTimeMs is what `columns` says.
        time_unit: of eventTimeMs: s, ms, us, ns, or text for a date with a time of day.
        time_zone: of a text that names none, like UTC or Europe/London.
        delimiter: between cells.
        root: where in a JSON document the event itself is. What it lacks is looked for in the document around it; one
            without the root is the event itself.
        events: the same for a list of events.
        by: the column whose word chooses one of `cases`.
        cases: word -> the mapping of rows with it; all others have this one.
    """

    columns: dict[str, Columns]
    constants: dict[str, Any] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    properties: list[str] = field(default_factory=list)
    properties_of: list[str] = field(default_factory=list)
    whole_numbers: list[str] = field(default_factory=list)
    leave_out_where_empty: list[str] = field(default_factory=list)
    leave_out: dict[str, list[str]] = field(default_factory=dict)
    device_clock: dict[str, Any] = field(default_factory=dict)
    time_unit: str = "ms"
    time_zone: str = ""
    delimiter: str = ","
    root: str = ""
    events: str = ""
    by: str = ""
    cases: dict[str, Mapping] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Mapping:
        """Read a mapping. Raises InputError naming what it cannot be used for."""
        return cls.of(given_in(path))

    @classmethod
    def of(cls, given: dict[str, Any]) -> Mapping:
        """Return the mapping that a file holds, as its TOML is read. Raises ValueError saying what is wrong."""
        given = checked(given)
        sections = given.pop("when", {})
        cases = {word: cls._of(_merged(given, section), f"when.{word}: ") for word, section in sections.items()}
        return cls._of(given | {"cases": cases}, "")

    @classmethod
    def _of(cls, given: dict[str, Any], place: str) -> Mapping:
        named = {*given.get("columns", {}), *given.get("constants", {})}
        for needed in ("userId", "type", "eventTimeMs"):
            if needed not in named:
                message = f"{place}columns or constants must name {needed}"
                raise ValueError(message)
        mapping = cls(**{"columns": {}} | given)
        try:
            mapping.clock()
        except ValueError as error:
            message = f"{place}{error}"
            raise ValueError(message) from None
        mapping.zone()
        return mapping

    def sources(self) -> dict[str, list[str]]:
        """The columns of each field."""
        return {name: list(_columns(of)) for name, of in self.columns.items()}

    def names(self) -> list[str]:
        """Every column that is named, in order."""
        named = [column for columns in self.sources().values() for column in columns]
        named += (*self.properties, *self.whole_numbers, *self.leave_out_where_empty)
        named += (*self.properties_of, *self.leave_out, *([self.by] if self.by else []))
        if clock := self.clock():
            named += clock.columns().values()
        named += [name for case in self.cases.values() for name in case.names()]
        return list(dict.fromkeys(named))

    def clock(self) -> DeviceClock | None:
        """The columns that correct the device's clock; None where it is not corrected."""
        return DeviceClock.of(self.device_clock) if self.device_clock else None

    def time_units(self) -> tuple[str, ...]:
        """The units of times that are numbers, of this and of its cases."""
        units = [self.time_unit, *(unit for case in self.cases.values() for unit in case.time_units())]
        return tuple(dict.fromkeys(unit for unit in units if unit != "text"))

    def zone(self) -> ZoneInfo | None:
        """The zone of times that name none."""
        try:
            return ZoneInfo(self.time_zone) if self.time_zone else None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f"time_zone {self.time_zone!r} is not known; it is a name like UTC or Europe/London"
            raise ValueError(message) from None


def given_in(path: Path, said: str = "--mapping") -> dict[str, Any]:
    """What a file of TOML says, as data that JSON can hold, too; `Mapping.of` makes a mapping of it.

    Args:
        path: the file.
        said: the option or setting that named it, for errors.

    Raises:
        InputError: it cannot be read, or used as a mapping.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        Mapping.of(given)
    except OSError as error:
        message = f"{said} {path}: {error.strerror or error}"
        raise InputError(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{said} {path}: is not TOML: {error}"
        raise InputError(message) from None
    except ValueError as error:
        message = f"{said} {path}: {error}"
        raise InputError(message) from None
    return given


def _columns(of: Columns) -> Iterator[str]:
    yield from [of] if isinstance(of, str) else of[FIRST] if isinstance(of, dict) else of


def _merged(base: dict[str, Any], section: dict[str, Any]) -> dict[str, Any]:
    """The base with what a section adds to it, and with what it says otherwise."""
    merged = base | section
    for key in LISTS:
        if key in base and key in section:
            merged[key] = list(dict.fromkeys([*base[key], *section[key]]))
    for key in TABLES:
        if key in base and key in section:
            merged[key] = base[key] | section[key]
    for key, other in (("columns", "constants"), ("constants", "columns")):  # a constant of the base gives way
        if key in section and other in base:
            kept = {name: of for name, of in base[other].items() if name not in section[key]}
            merged[other] = kept | section.get(other, {})
    return merged
