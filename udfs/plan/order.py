"""The order in which features are evaluated: each after those that it is computed from."""

from __future__ import annotations

from typing import Any, Final

from udfs.expressions.inputs import AS_OF

NUMERIC: Final = ("number", "bool")  # kinds of features that have a number
_SLOT_KINDS: Final = ("count", "sum", "changes")  # of reducers whose value is a slot, without a default
_REFERENCES: Final = ("feature", "text_feature", "map_feature")


def references(expr: Any) -> list[int]:
    """Return the positions of the features that an expression names."""
    if not isinstance(expr, list) or not expr:
        return []
    if expr[0] in _REFERENCES:
        return [int(expr[1])]
    return [at for part in expr[1:] for at in references(part)]


def evaluation_order(features: list[dict[str, Any]]) -> list[int]:
    """Return the positions of all features, each after those that its expression names, else in their order.

    Raises:
        ValueError: features are computed from each other in a circle.
    """
    order: list[int] = []
    for at in range(len(features)):
        _visit(features, at, order, [])
    return order


def _visit(features: list[dict[str, Any]], at: int, order: list[int], path: list[int]) -> None:
    if at in order:
        return
    if at in path:
        message = f"features are computed from each other: {', '.join([features[step]['name'] for step in path])}"
        raise ValueError(message)
    for other in references(features[at].get("expr")):
        _visit(features, other, order, [*path, at])
    order.append(at)


def needed_by(features: list[dict[str, Any]], order: list[int], exprs: list[Any]) -> list[int]:
    """Return the positions of the features that expressions need, in the order of evaluation."""
    needed: list[int] = []
    for expr in exprs:
        for at in references(expr):
            _visit(features, at, needed, [])
    return [at for at in order if at in needed]


def reducers_read(features: list[dict[str, Any]], exprs: list[Any]) -> list[int]:
    """Return the positions of the reducers that expressions read through features, ascending."""
    read = [features[at] for at in needed_by(features, list(range(len(features))), exprs)]
    return sorted({int(feature["reducer"]) for feature in read if "reducer" in feature})


def copied_first(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a plan with those features in front that are slots of the profile, to be copied at once.

    Each feature has its `place` in the declared order.
    """
    features: list[dict[str, Any]] = data["features"]
    order = sorted(range(len(features)), key=lambda at: not is_slot(features[at], data["reducers"]))
    new = {old: position for position, old in enumerate(order)}
    moved: dict[str, Any] = {
        **data,
        "features": [_moved(features[old], ("expr",), new) | {"place": old} for old in order],
    }
    moved["scores"] = [_moved(score, ("expr",), new) for score in data["scores"]]
    moved["segments"] = [_moved(segment, ("enter", "leave"), new) for segment in data["segments"]]
    return moved


def is_slot(feature: dict[str, Any], reducers: list[dict[str, Any]]) -> bool:
    """Whether a feature is the value of a slot as it is."""
    if "expr" in feature:
        expr = feature["expr"]
        return isinstance(expr, list) and expr[0] == "slot" and expr[1] != AS_OF
    return feature["read"] == ["value"] and reducers[feature["reducer"]]["kind"] in _SLOT_KINDS


def _moved(entry: dict[str, Any], names: tuple[str, ...], new: dict[int, int]) -> dict[str, Any]:
    return entry | {name: _renumbered(entry[name], new) for name in names if name in entry}


def _renumbered(expr: Any, new: dict[int, int]) -> Any:
    if not isinstance(expr, list):
        return expr
    if expr and expr[0] in _REFERENCES:
        return [expr[0], new[int(expr[1])]]
    return [_renumbered(part, new) for part in expr]
