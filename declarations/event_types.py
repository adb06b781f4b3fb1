"""Event types as a plan has them, and what their fields are called in expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from declarations.canonical import canonical, whole
from declarations.event_models import EventDeclaration, FieldDeclaration
from declarations.models import Project
from declarations.problems import Path, Problems, instead
from driftline.event.v1.event_pb2 import UserEvent
from driftline.limits import FIRST_DECLARED_TYPE
from driftline.words import plain, type_number
from udfs.event import CUSTOM, FORGET, PURCHASE, REFUND

DECLARED_MAX: Final = 200
FIELDS_MAX: Final = 100  # of an event
ANY: Final = "any"
BUILT_IN: Final = {name: kind for name, kind in UserEvent.Type.items() if kind and kind != FORGET}
_OWN_NAME: Final = re.compile("[a-z][a-z0-9_]{0,63}")
_PLAIN: Final = re.compile("[a-z0-9_.-]+")
_RESERVED_FIELDS: Final = frozenset({"value", "category", "type", "time", "item"})
_KINDS: Final = {"string": "text"}  # a plan's word for a type of field, where it differs
_TEXTS: Final = ("text", "strings")
_ROLES: Final = {"item": ("text",), "category": ("text",), "value": ("number", "money")}


@dataclass(frozen=True)
class Term:
    """What a name of an event means: a number, a truth or a text of it.

    Attributes:
        kind: number, bool, text, strings, timestamp or money.
        expr: the expression of a plan.
        meaning: canonical; the same whatever the name of the field.
    """

    kind: str
    expr: list[Any]
    meaning: str

    @property
    def type(self) -> Literal["number", "bool", "text"]:
        """Its type in expressions: number, bool or text."""
        return "text" if self.kind in _TEXTS else "bool" if self.kind == "bool" else "number"


@dataclass(frozen=True)
class EventType:
    """A type of event.

    Attributes:
        name: in the declarations.
        number: of the type in the core.
        meaning: canonical; the same whatever its name in the declarations.
        terms: what its names mean.
        data: the entry of the plan; None for a built-in one without fields.
    """

    name: str
    number: int
    meaning: str
    terms: Mapping[str, Term]
    data: dict[str, Any] | None = field(default=None, compare=False)

    @property
    def declared(self) -> bool:
        """Whether it is of the project's own."""
        return self.number >= FIRST_DECLARED_TYPE


def event_types(project: Project, problems: Problems) -> dict[str, EventType]:
    """Return all event types by name: the built-in ones, then those of the project's own in its order."""
    found = {name: EventType(name, kind, name, _terms(kind, []), None) for name, kind in BUILT_IN.items()}
    customs: dict[str, str] = {}
    next_number = FIRST_DECLARED_TYPE
    for name, declaration in project.events.items():
        path: Path = ("events", name)
        if name in BUILT_IN:
            found[name] = _built_in(name, declaration, path, problems)
            continue
        if not _OWN_NAME.fullmatch(name) or name == ANY:
            message = "no built-in event, and no name; one of the project's own has small letters, digits and '_'"
            problems.add(path, f"{name!r} is {message}{instead(name, BUILT_IN)}")
            continue
        custom = declaration.name or name
        _check_custom(custom, customs, path, problems)
        customs.setdefault(plain(custom), name)
        found[name] = _own(name, custom, next_number, declaration, problems)
        next_number += 1
    if next_number > FIRST_DECLARED_TYPE + DECLARED_MAX:
        problems.add(("events",), f"{next_number - FIRST_DECLARED_TYPE} events are declared; at most {DECLARED_MAX}")
    return found


def _check_custom(custom: str, customs: Mapping[str, str], path: Path, problems: Problems) -> None:
    """Add a problem if events with this name would be of another type; case and separators do not count."""
    built_in = type_number(custom)
    if built_in is not None:
        known = UserEvent.Type.Name(UserEvent.Type.ValueType(built_in))
        problems.add(path, f"events of type {custom!r} are {known}, which is built in; declare that, or another name")
    elif plain(custom) in customs:
        problems.add(path, f"{custom!r} is what {customs[plain(custom)]!r} is called, too; an event has one type")


def _built_in(name: str, declaration: EventDeclaration, path: Path, problems: Problems) -> EventType:
    kind = BUILT_IN[name]
    if declaration.name is not None:
        problems.add((*path, "name"), "a built-in event has no other name")
    if kind == CUSTOM and declaration.fields:
        problems.add((*path, "fields"), "CUSTOM has no fields; declare an event of its own for a name")
    return _resolved(name, declaration, problems, number=kind, kind=kind, custom="", meaning=name)


def _own(name: str, custom: str, own_number: int, declaration: EventDeclaration, problems: Problems) -> EventType:
    meaning = custom if _PLAIN.fullmatch(custom) and custom != ANY else canonical(custom)
    return _resolved(name, declaration, problems, number=own_number, kind=CUSTOM, custom=custom, meaning=meaning)


def _resolved(
    name: str,
    declaration: EventDeclaration,
    problems: Problems,
    *,
    number: int,
    kind: int,
    custom: str,
    meaning: str,
) -> EventType:
    fields = _fields(name, kind, declaration, problems)
    terms = _terms(kind, fields)
    roles = _roles(name, declaration, terms, problems)
    terms.update({role: terms[field_name] for role, field_name in roles.items()})
    data = {"name": name, "number": number, "type": kind, "custom": custom, "fields": fields, "roles": roles}
    return EventType(name, number, meaning, terms, data if custom or fields or roles else None)


def _fields(name: str, kind: int, declaration: EventDeclaration, problems: Problems) -> list[dict[str, Any]]:
    money = ["value"] if kind in {PURCHASE, REFUND} else []
    if len(declaration.fields) > FIELDS_MAX:
        problems.add(("events", name), f"{len(declaration.fields)} fields; at most {FIELDS_MAX}")
    fields = []
    for field_name, found in declaration.fields.items():
        path: Path = ("events", name, "fields", field_name)
        if field_name in _RESERVED_FIELDS:
            why = "it is the field that the event's key 'item' names" if field_name == "item" else "every event has it"
            problems.add(path, f"{field_name!r} is reserved: {why}; take another name")
            continue
        if found.type == "money":
            money.append(field_name)
            if len(money) > 1:
                problems.add(path, f"a second amount of money beside {money[0]!r}; an event has at most one")
        fields.append(_field(field_name, found))
    return fields


def _field(name: str, declaration: FieldDeclaration) -> dict[str, Any]:
    """Return the entry of a plan's field; only what its kind has."""
    kind = _KINDS.get(declaration.type, declaration.type)
    default = declaration.default
    if default is None:
        default = "" if kind in _TEXTS else False if kind == "bool" else 0
    data: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "from": declaration.source or f"properties.{name}",
        "required": declaration.required,
        "default": whole(default) if isinstance(default, float) else default,
    }
    if kind == "timestamp":
        data["unit"] = declaration.unit or "ms"
        if declaration.zone:
            data["zone"] = declaration.zone
    if kind == "money":
        data["currency"] = declaration.currency or "currency"
    for bound in ("min", "max"):
        if (limit := getattr(declaration, bound)) is not None:
            data[bound] = whole(limit)
    return data


def _terms(kind: int, fields: list[dict[str, Any]]) -> dict[str, Term]:
    money = "money" if kind in {PURCHASE, REFUND} else "number"
    terms = {
        "value": Term(money, ["event", "value"], "value"),
        "category": Term("text", ["event", "category"], "category"),
        "time": Term("number", ["event", "time_ms"], "time"),
    }
    numbers = texts = 0
    for data in fields:
        if data["kind"] in _TEXTS:
            terms[data["name"]] = Term(data["kind"], ["text_field", texts], _meaning(data))
            texts += 1
        else:
            terms[data["name"]] = Term(data["kind"], ["number_field", numbers], _meaning(data))
            numbers += 1
    return terms


def _meaning(data: dict[str, Any]) -> str:
    """Return what a field is, without its name and without what only refuses events."""
    kind = data["kind"]
    text = str(data["from"]) if kind == "text" else f"{data['from']}:{kind}"
    usual = {"unit": "ms", "zone": "UTC", "currency": "currency"}
    options = {name: data[name] for name, value in usual.items() if data.get(name, value) != value}
    if data["default"]:
        options["default"] = data["default"]
    return text + (canonical(options) if options else "")


def _roles(name: str, declaration: EventDeclaration, terms: Mapping[str, Term], problems: Problems) -> dict[str, str]:
    roles: dict[str, str] = {}
    own = [field_name for field_name in terms if field_name not in _RESERVED_FIELDS]
    for role, kinds in _ROLES.items():
        field_name = getattr(declaration, role)
        if field_name is None:
            continue
        path: Path = ("events", name, role)
        if role == "value" and BUILT_IN.get(name) in {PURCHASE, REFUND}:
            problems.add(path, f"the money of {name} is its value; no other field can be it")
        elif field_name not in own:
            problems.add(path, f"unknown field {field_name!r}{instead(field_name, own)}")
        elif terms[field_name].kind not in kinds:
            wrong = f"{field_name!r} is a {terms[field_name].kind}; it must be a {' or '.join(kinds)}"
            problems.add(path, wrong)
        else:
            roles[role] = field_name
    return roles
