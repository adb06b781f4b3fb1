"""Hypothesis strategies: declared events, and conditions over them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

FIELDS = {
    "word": "string",
    "amount": "number",
    "live": "bool",
    "tags": "strings",
    "moment": "timestamp",
    "price": "money",
}
KINDS = {"string": "text"}
OWN = ("play", "like", "invoice")
BUILT_IN = ("VIEW", "CLICK", "PURCHASE", "REFUND", "SURVEY_RESPONSE", "CUSTOM")
MONEY = ("PURCHASE", "REFUND")
TEXTS = ("text", "strings")
_SOURCES: dict[str, list[str]] = {
    "string": ["properties.alt_word", "item_id", "category", "channel"],
    "number": ["properties.alt_amount", "value"],
    "money": ["value"],
}
_DEFAULTS: dict[str, list[Any]] = {
    "string": ["none", "a"],
    "number": [2, -0.75],
    "bool": [True],
    "strings": ["a, z"],
    "timestamp": [5_000],
}


@st.composite
def declared_events(draw: st.DrawFn) -> dict[str, Any]:
    """Types of the project's own and built-in ones, with fields."""
    declared: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from([*OWN, "VIEW", "PURCHASE"]), min_size=1, max_size=4, unique=True)):
        names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=5, unique=True))
        fields = {each: draw(_field(FIELDS[each])) for each in names if each != "price" or name not in MONEY}
        event: dict[str, Any] = {"fields": fields}
        if name == "like" and draw(st.booleans()):
            event["name"] = "Song Liked"
        if "word" in fields and draw(st.booleans()):
            event["category"] = "word"
        values = [each for each in ("amount", "price") if each in fields]
        if values and name not in MONEY and draw(st.booleans()):
            event["value"] = draw(st.sampled_from(values))
        declared[name] = event
    return declared


@st.composite
def _field(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    field: dict[str, Any] = {"type": kind}
    if kind in _SOURCES and draw(st.booleans()):
        field["from"] = draw(st.sampled_from(_SOURCES[kind]))
    option = draw(st.sampled_from(["", "", "required", "default"]))
    if option == "required":
        field["required"] = True
    elif option == "default" and kind in _DEFAULTS:
        field["default"] = draw(st.sampled_from(_DEFAULTS[kind]))
    if kind == "number" and draw(st.booleans()):
        field |= draw(st.sampled_from([{"min": 0}, {"max": 3}, {"min": -2, "max": 50.5}]))
    if kind == "timestamp":
        field |= draw(st.sampled_from([{}, {"unit": "s"}, {"unit": "iso"}]))
    if kind == "money" and draw(st.booleans()):
        field["currency"] = "properties.coin"
    return field


def terms_of(events: dict[str, Any], name: str) -> dict[str, str]:
    """The kind of each name of an event; of `any` and CUSTOM, what every event has."""
    terms = {"value": "money" if name in MONEY else "number", "category": "text", "time": "number"}
    event = events.get(name, {})
    for field, declared in event.get("fields", {}).items():
        terms[field] = KINDS.get(declared["type"], declared["type"])
    terms |= {role: terms[event[role]] for role in ("category", "value") if role in event}
    return terms


def type_of(kind: str) -> str:
    """The type in expressions of a kind of field."""
    return "text" if kind in TEXTS else "bool" if kind == "bool" else "number"


def filters(terms: dict[str, set[str]]) -> st.SearchStrategy[str]:
    """Conditions over the names of events, with every number as a double, as cel-python needs it."""
    each = ["hour() < 12.0", "hour(time) >= 18.0 || day_of_week() > 4.0", "day_angle() < 3.0", 'type == "play"']
    each += ['type in ["CUSTOM", "VIEW", "like"]', "true", "!(value <= 0.5)"]
    for name in sorted(terms):
        kind = type_of(min(terms[name]))
        if kind == "text":
            each += [f'{name} == "a"', f'{name} in ["b", "", "none"]', f'{name}.contains("a") && size({name}) < 3.0']
        elif kind == "bool":
            each += [name, f"!{name} || value > 1.0", f"{name} == (value > 0.0)"]
        elif name != "time":
            each += [
                f"{name} > 0.5",
                f"{name} != 0.0",
                f"{name} / 0.0 > 1.0",
                f"abs({name}) < 2.0 ? true : value < 9.0",
            ]
    return st.sampled_from(each)
