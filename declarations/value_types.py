"""The types of single values in declarations: durations, names, lists that may be one word, bounded numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from declarations.problems import instead, shown
from driftline.limits import VALUE_MAX
from driftline.units import DAY_MS, HOUR_MS

NAME: Final = "[a-z][a-z0-9_]{0,63}"  # of features, fields, scores, segments and declared events
UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": HOUR_MS, "d": DAY_MS}
_DURATION_UNIT_MS: Final = {**UNIT_MS, "w": 7 * DAY_MS}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_DURATION_MS_MAX: Final = 3_660 * DAY_MS
_WORDS_MAX: Final = 200


class Strict(BaseModel):
    """The base of all that is declared: an unknown key is an error, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


def duration_ms(value: Any) -> int:
    """Return a duration such as 7d in milliseconds. Raises ValueError."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        message = f"{shown(value)} is no duration; accepted are whole numbers with a unit, such as 30s 5m 12h 7d 4w"
        raise ValueError(message)
    length_ms = int(found[1]) * _DURATION_UNIT_MS[found[2]]
    if length_ms > _DURATION_MS_MAX:
        message = f"{value!r} is too long; at most {_DURATION_MS_MAX // DAY_MS}d"
        raise ValueError(message)
    return length_ms


def duration_text(length_ms: int) -> str:
    """Return a duration as it is written, in the largest unit that divides it."""
    unit = max((unit for unit in UNIT_MS if length_ms % UNIT_MS[unit] == 0), key=UNIT_MS.__getitem__)
    return f"{length_ms // UNIT_MS[unit]}{unit}"


def _words(value: Any) -> Any:
    words = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if (not words and value != []) or not all(isinstance(word, str) for word in words):
        message = f"{shown(value)} is not accepted; it must be a name or a list of names"
        raise ValueError(message)
    return words


def _some_words(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        message = "an empty list; name at least one"
        raise ValueError(message)
    if len(set(value)) < len(value):
        twice = next(word for word in value if value.count(word) > 1)
        message = f"{twice!r} is in the list twice"
        raise ValueError(message)
    return value


def _zone(value: str) -> str:
    if value != "UTC" and value not in available_timezones():
        message = f"{value!r} is no time zone{instead(value, available_timezones())}"
        raise ValueError(message)
    return value


def _list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_DURATION_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": "^[1-9][0-9]{0,8}[smhdw]$",
    "description": "such as 30s 5m 12h 7d 4w",
}
Duration = Annotated[int, BeforeValidator(duration_ms), WithJsonSchema(_DURATION_SCHEMA)]
_WORD_OR_LIST = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}]
}
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_words),
    AfterValidator(_some_words),
    Field(max_length=_WORDS_MAX),
    WithJsonSchema(_WORD_OR_LIST),
]
Durations = Annotated[
    tuple[Duration, ...],
    BeforeValidator(_list),
    WithJsonSchema({"type": "array", "items": _DURATION_SCHEMA}),
]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-VALUE_MAX, le=VALUE_MAX)]
Truth = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Zone = Annotated[str, AfterValidator(_zone)]
Text = Annotated[str, Field(max_length=2_000)]
Expression = Annotated[str, Field(min_length=1, max_length=4_000, description="CEL")]
Edges = Annotated[
    tuple[Number, ...],
    BeforeValidator(_list),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 1}),
]
