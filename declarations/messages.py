"""Turns what pydantic finds into one line each: the wrong word, and the right ones."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from declarations.problems import Path, Problems, instead, shown

_WANTED = {
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "a text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "less_than_equal": ("at most", "le"),
    "greater_than_equal": ("at least", "ge"),
}


def report(error: ValidationError, model: type[BaseModel], path: Path, problems: Problems) -> None:
    """Add a line to the problems for each error of a model.

    Args:
        error: what validation has found.
        model: what was validated.
        path: of what was validated.
        problems: get the lines.
    """
    errors = error.errors(include_url=False)
    unknown = [str(found["loc"][-1]) for found in errors if found["type"] == "extra_forbidden"]
    wanted: dict[Path, tuple[Any, list[str]]] = {}
    for found in errors:
        loc = tuple(part for part in found["loc"] if part != "[key]")
        inner = _known(loc, path, problems)
        kind = found["type"]
        if kind == "extra_forbidden":
            keys = _keys(model, loc[:-1])
            hint = instead(str(loc[-1]), keys)
            if ")" in str(loc[-1]):  # {expr: min(1, a)} has two keys
                hint = "; an expression with a comma in it stands in quotes"
            problems.add(inner[:-1], f"unknown key {loc[-1]!r}{hint}", at=inner)
        elif kind == "missing":
            if any(instead(word, [str(loc[-1])]).startswith("; did") for word in unknown):
                continue  # it is there, misspelt
            problems.add(inner[:-1] if loc else inner, f"key {str(loc[-1])!r} is missing")
        elif kind in _WANTED:
            wanted.setdefault(inner, (found["input"], []))[1].append(_WANTED[kind])
        else:
            problems.add(inner, _message(kind, found))
    for inner, (value, accepted) in wanted.items():  # of a union, what each of its members wants
        problems.add(inner, f"{shown(value)} is not accepted; it must be {' or '.join(accepted)}")


def _known(loc: Path, path: Path, problems: Problems) -> Path:
    """Return the path of a location, without the parts that pydantic adds for the members of a union."""
    inner = (*path, *loc)
    while len(inner) > len(path) + 1 and problems.place(inner) == problems.place(inner[:-1]) and _is_member(inner[-1]):
        inner = inner[:-1]
    return inner


def _is_member(part: str | int) -> bool:
    return part in ("float", "int", "str", "bool", "constrained-float")


def _message(kind: str, found: Any) -> str:
    given = shown(found["input"])
    context = found.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        accepted = [
            word.strip("'")
            for word in str(context["expected"]).replace("True", "true").replace(" or ", ", ").split(", ")
        ]
        return f"{given} is not accepted{instead(str(found['input']), accepted)}"
    if kind == "string_pattern_mismatch":
        return f"{given} is not accepted; it must match {str(context['pattern']).strip('^$')}"
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return f"{given} is not accepted; it must be {word} {context[bound]:,}"
    return f"{given} is not accepted: {found['msg'][:1].lower()}{found['msg'][1:]}"


def _keys(model: type[BaseModel], loc: Path) -> list[str]:
    """Return the keys that are accepted at a location."""
    current: type[BaseModel] | None = model
    of_dict = False
    for part in loc:
        if of_dict:  # the part is a key of the dict, whose values are the model
            of_dict = False
        elif current is not None:
            info = {info.alias or name: info for name, info in current.model_fields.items()}.get(str(part))
            current = _model_of(info) if info else None
            of_dict = info is not None and get_origin(info.annotation) is dict
    return [info.alias or name for name, info in current.model_fields.items()] if current else []


def _model_of(info: FieldInfo) -> type[BaseModel] | None:
    """Return the model that a field is, or holds."""
    waiting: list[Any] = [info.annotation]
    while waiting:
        current = waiting.pop()
        if isinstance(current, type) and issubclass(current, BaseModel):
            return current
        waiting.extend(get_args(current))
    return None
