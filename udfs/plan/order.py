"""The order in which features are evaluated: each after those that it is computed from."""

from __future__ import annotations

from typing import Any, Final

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
