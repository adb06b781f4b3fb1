"""Whether what a file of TOML says is a mapping: its keys, and the form of what stands under each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from driftline.mapping.device_clock import CLOCK_KEYS, check_clock
from driftline.mapping.keys import FIELDS, FIRST, KINDS, LISTS, OF_SECTIONS, PROPERTY
from driftline.times import UNITS_MS

_WORDS = (str, int, float, bool)  # what a constant may be; a date of TOML is none


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """Return what a mapping is made of, with fields by their whole names, and sections below `when`.

    Raises:
        ValueError: names the key that is not known, or what is wrong with it.
    """
    _known("key", given, KINDS)
    made = _checked_section(given)
    sections = made.get("when", {})
    if bool(sections) != bool(made.get("by")):
        message = "by and when belong together: by names the column whose words choose a section of when"
        raise ValueError(message)
    if made.get("root") and made.get("events"):
        message = "root and events exclude each other: root is one event, events are a list of them"
        raise ValueError(message)
    if sections:
        made["when"] = {word: _section_of(word, section) for word, section in sections.items()}
    return made


def _section_of(word: str, section: Any) -> dict[str, Any]:
    try:
        if not isinstance(section, dict):
            message = "must be a table"
            raise ValueError(message)
        _known("key", section, OF_SECTIONS)
        return _checked_section(section)
    except ValueError as error:
        message = f"when.{word}: {error}"
        raise ValueError(message) from None


def _checked_section(given: dict[str, Any]) -> dict[str, Any]:
    for key, value in given.items():
        if not isinstance(value, KINDS[key]):
            message = f"{key} must be a {KINDS[key].__name__}"
            raise ValueError(message)
    made = dict(given)
    for key in ("columns", "constants", "values"):
        if key in given:
            made[key] = _flat(given[key])
            _known(f"field in {key}", [name for name in made[key] if not name.startswith(PROPERTY)], FIELDS)
    _check_columns(made.get("columns", {}))
    _check_words(made)
    _known("key in device_clock", given.get("device_clock", {}), CLOCK_KEYS)
    check_clock(given.get("device_clock", {}))
    for key in LISTS:
        if not _are_texts(made.get(key, [])):
            message = f"{key} must be a list of columns"
            raise ValueError(message)
    _check_form(made)
    return made


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    """A table by field, in which properties may stand in a table of their own."""
    flat = {name: of for name, of in table.items() if name != "properties"}
    properties = table.get("properties", {})
    if not isinstance(properties, dict):
        message = "properties in columns, constants or values must be a table"
        raise ValueError(message)
    return flat | {PROPERTY + name: of for name, of in properties.items()}


def _check_columns(columns: dict[str, Any]) -> None:
    for name, of in columns.items():
        several = of[FIRST] if isinstance(of, dict) and list(of) == [FIRST] else of
        if not several or not (isinstance(several, str) or _are_texts(several)):
            message = f"{name} in columns must be the name of a column, or a list of them, or {{first = [...]}}"
            raise ValueError(message)


def _check_words(given: dict[str, Any]) -> None:
    """Whether constants and tables of words are what fields can be."""
    for name, value in given.get("constants", {}).items():
        if not isinstance(value, _WORDS):
            message = f"{name} in constants must be a text, a number, true or false"
            raise ValueError(message)
    for word, of in given.get("types", {}).items():
        if not isinstance(of, str) or not of.strip():
            message = f"{word!r} in types must be an event type, or the name of one of your own"
            raise ValueError(message)
    for name, table in given.get("values", {}).items():
        if name in {"type", "eventTimeMs"}:
            message = f"{name} in values is no table of words; " + ("use types" if name == "type" else "it is a time")
            raise ValueError(message)
        if not isinstance(table, dict) or not all(isinstance(value, _WORDS) for value in table.values()):
            message = f"{name} in values must be a table: a word, and the text or number that it becomes"
            raise ValueError(message)
    for column, words in given.get("leave_out", {}).items():
        if not _are_texts(words):
            message = f"{column!r} in leave_out must be a list of words"
            raise ValueError(message)


def _check_form(given: dict[str, Any]) -> None:
    unit = given.get("time_unit", "ms")
    if unit != "text" and unit not in UNITS_MS:
        message = f"time_unit must be text, {', '.join(UNITS_MS)}"
        raise ValueError(message)
    if len(given.get("delimiter", ",")) != 1:
        message = "delimiter must be one character"
        raise ValueError(message)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _known(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    for name in given:
        if name not in known:
            message = f"unknown {what} {name!r}; known are: {', '.join(sorted(known))}"
            raise ValueError(message)
