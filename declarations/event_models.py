"""How events are declared: their fields, where those are read from, and which of them have a role."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from declarations.value_types import Name, Number, Strict, Text, Truth, Zone

SOURCES: Final = ("item_id", "category", "value", "currency", "channel", "name")
_PROPERTY: Final = re.compile(r"properties\..{1,128}")
_NUMERIC: Final = ("number", "money", "timestamp")


def _source(value: str) -> str:
    if value not in SOURCES and not _PROPERTY.fullmatch(value):
        message = f"{value!r} is no place of an event; accepted: {', '.join(SOURCES)}, properties.KEY"
        raise ValueError(message)
    return value


class FieldDeclaration(Strict):
    """A field of an event."""

    type: Literal["string", "number", "bool", "timestamp", "strings", "money"] = Field(
        description="strings: a JSON list of texts; money: an amount that is added up in one currency only"
    )
    source: str | None = Field(
        None, alias="from", description=f"{', '.join(SOURCES)} or properties.KEY; properties.<name> by default"
    )
    required: Truth = Field(False, description="an event without it is a dead letter")
    default: Number | str | bool | None = Field(None, description="what it is where an event has none")
    min: Number | None = Field(None, description="an event with less is a dead letter")
    max: Number | None = Field(None, description="an event with more is a dead letter")
    unit: Literal["s", "ms", "us", "ns", "iso"] | None = Field(None, description="of a timestamp; ms by default")
    zone: Zone | None = Field(None, description="of a timestamp's text without one; UTC by default")
    currency: str | None = Field(None, description="where the currency of money is read from; currency by default")
    doc: Text = ""

    @field_validator("source", "currency")
    @classmethod
    def _known_source(cls, value: str | None) -> str | None:
        return value if value is None else _source(value)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        _only(self, ("min", "max"), ("number", "money"))
        _only(self, ("unit", "zone"), ("timestamp",))
        _only(self, ("currency",), ("money",))
        if self.zone is not None and self.unit != "iso":
            message = "'zone' needs unit iso"
            raise ValueError(message)
        if self.min is not None and self.max is not None and self.min > self.max:
            message = f"min {self.min:g} is above max {self.max:g}"
            raise ValueError(message)
        if self.default is not None and self.required:
            message = "a required field has no default"
            raise ValueError(message)
        _check_default(self.type, self.default)
        return self


def _only(field: FieldDeclaration, names: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    for name in names:
        if getattr(field, name) is not None and field.type not in kinds:
            message = f"{name!r} is an option of type {' and '.join(kinds)}, and this is a {field.type}"
            raise ValueError(message)


def _check_default(kind: str, default: float | str | bool | None) -> None:
    if default is None:
        return
    right = (
        isinstance(default, bool)
        if kind == "bool"
        else isinstance(default, int | float) and not isinstance(default, bool)
        if kind in _NUMERIC
        else isinstance(default, str)
    )
    if not right:
        wanted = "true or false" if kind == "bool" else "a number" if kind in _NUMERIC else "a text"
        message = f"default {default!r} does not fit the type {kind}; it must be {wanted}"
        raise ValueError(message)


class EventDeclaration(Strict):
    """A type of event: a built-in one with more fields, or one of the project's own."""

    name: str | None = Field(
        None, min_length=1, max_length=128, description="of the CUSTOM events that are of this type; its key by default"
    )
    fields: dict[Name, FieldDeclaration] = Field(default_factory=dict, description="what is read of it, by name")
    item: str | None = Field(None, description="the field that is the item")
    category: str | None = Field(None, description="the field that is the category")
    value: str | None = Field(None, description="the field that is the value")
    doc: Text = ""

    @field_validator("fields", mode="before")
    @classmethod
    def _maybe_empty(cls, value: Any) -> Any:
        return {} if value is None else value
