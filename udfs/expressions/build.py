"""Makes nodes of a plan's expressions (docs/decisions/0032-declarations.md lists the operations)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from udfs.expressions import arithmetic, clocks, inputs, logic, maps, numbers, texts, unary
from udfs.expressions.fused import UtcDayAngle, fused
from udfs.expressions.node import Constant, Node
from udfs.zones import UTC, Zone

_ONE: Final[dict[str, Callable[[Node], Node]]] = {
    "neg": arithmetic.Negate,
    "!": logic.Not,
    "abs": unary.Absolute,
    "log": unary.Log,
    "log1p": unary.Log1p,
    "log10": unary.Log10,
    "exp": unary.Exp,
    "exp2": unary.Exp2,
    "sqrt": unary.SquareRoot,
    "floor": unary.Floor,
    "ceil": unary.Ceil,
    "rounded": unary.Rounded,
    "sin": unary.Sine,
    "cos": unary.Cosine,
    "size": texts.Size,
    "top_key": maps.TopKey,
    "top_share": maps.TopShare,
    "total": maps.Total,
    "entries": maps.Entries,
}
_TWO: Final[dict[str, Callable[[Node, Node], Node]]] = {
    "+": arithmetic.Add,
    "-": arithmetic.Subtract,
    "*": arithmetic.Multiply,
    "/": arithmetic.Divide,
    "%": arithmetic.Remainder,
    "<": logic.Less,
    "<=": logic.LessOrEqual,
    ">": logic.Greater,
    ">=": logic.GreaterOrEqual,
    "==": logic.Equal,
    "!=": logic.Unequal,
    "text_==": texts.TextEqual,
    "text_!=": texts.TextUnequal,
    "pow": numbers.Power,
    "contains": texts.Contains,
    "starts_with": texts.StartsWith,
    "ends_with": texts.EndsWith,
    "share_of": maps.ShareOf,
    "value_of": maps.ValueOf,
}
_THREE: Final[dict[str, Callable[[Node, Node, Node], Node]]] = {
    "?:": logic.Choice,
    "text_?:": logic.TextChoice,
    "clamp": numbers.Clamp,
}
# Of any number of operands: f(a, b, c) is f(f(a, b), c).
_FOLDED: Final[dict[str, Callable[[Node, Node], Node]]] = {
    "&&": logic.And,
    "||": logic.Or,
    "min": numbers.Minimum,
    "max": numbers.Maximum,
    "coalesce": numbers.Coalesce,
}
_TIMES: Final[dict[str, Callable[[Node, Zone], Node]]] = {
    "day_angle": clocks.DayAngle,
    "hour": clocks.Hour,
    "day_of_week": clocks.DayOfWeek,
}
_OF_EVENT: Final[dict[str, Callable[[], Node]]] = {
    "value": inputs.EventValue,
    "time_ms": inputs.EventTime,
    "category": inputs.EventCategory,
}


def build(expr: Any, features: Sequence[Node], zone: str) -> Node:
    """Return the node of an expression.

    Args:
        expr: of a plan.
        features: the nodes of the features before it, by position, for texts and maps; numbers are read from the scope.
        zone: the plan's time zone.

    Raises:
        ValueError: there is no such operation, or it takes another number of operands; compiled plans have neither.
    """
    return _Builder(features, zone).node(expr)


class _Builder:
    """Makes nodes for one set of features."""

    __slots__ = ("_features", "_zone")

    def __init__(self, features: Sequence[Node], zone: str) -> None:
        self._features = features
        self._zone = zone

    def node(self, expr: Any) -> Node:
        """Return the node of an expression."""
        if isinstance(expr, (int, float)) and not isinstance(expr, bool):
            return Constant(float(expr))
        if not isinstance(expr, list) or not expr or not isinstance(expr[0], str):
            raise _not_an_expression(expr)
        leaf = self._leaf(expr[0], expr[1:])
        return leaf if leaf is not None else self._operation(expr)

    def _leaf(self, op: str, args: list[Any]) -> Node | None:
        """Return the node of an operation whose operand is no expression, None for others."""
        if len(args) != 1:
            return None
        what = args[0]
        if op == "feature":
            return inputs.FeatureRef(int(what))
        if op in {"text_feature", "map_feature"}:
            return self._features[int(what)]
        if op == "number_field":
            return inputs.NumberField(int(what))
        if op == "text_field":
            return inputs.TextField(int(what))
        return _named(op, what)

    def _operation(self, expr: list[Any]) -> Node:
        op: str = expr[0]
        if op == "matches_any" and len(expr) > 1:
            return texts.MatchesAny(self.node(expr[1]), {str(text) for text in expr[2:]})
        if op == "number_in" and len(expr) > 1:
            return logic.NumberIn(self.node(expr[1]), {float(number) for number in expr[2:]})
        operands = [self.node(operand) for operand in expr[1:]]
        if op == "day_angle" and self._zone == UTC and len(operands) == 1:
            return UtcDayAngle(operands[0])
        if len(operands) == 1 and op in _TIMES:
            return _TIMES[op](operands[0], clocks.zone_named(self._zone))
        combined = _combined(op, operands)
        if combined is None:
            raise _not_an_expression(expr)
        return fused(combined)


def _combined(op: str, operands: list[Node]) -> Node | None:
    """Return the node of an operation on expressions alone; None where there is none for so many operands."""
    count = len(operands)
    if count == 1 and op in _ONE:
        return _ONE[op](operands[0])
    if count == 2 and op in _TWO:  # noqa: PLR2004
        return _TWO[op](operands[0], operands[1])
    if count == 3 and op in _THREE:  # noqa: PLR2004
        return _THREE[op](operands[0], operands[1], operands[2])
    return _folded(_FOLDED[op], operands) if count and op in _FOLDED else None


def _named(op: str, what: Any) -> Node | None:
    """Return the node of a constant, or of what is read by name; None for other operations."""
    if op == "text":
        return texts.Text(str(what))
    if op == "bool":
        return logic.Truth(bool(what))
    if op == "score":
        return inputs.Score(str(what))
    if op == "slot" and (what == inputs.AS_OF or what in inputs.SLOTS):
        return inputs.AsOf() if what == inputs.AS_OF else inputs.Slot(inputs.SLOTS[what])
    if op == "event" and what in _OF_EVENT:
        return _OF_EVENT[what]()
    return None


def _folded(combine: Callable[[Node, Node], Node], operands: list[Node]) -> Node:
    folded = operands[0]
    for operand in operands[1:]:
        folded = combine(folded, operand)
    return folded


def _not_an_expression(expr: Any) -> ValueError:
    return ValueError(f"not an expression of a plan: {expr!r}"[:200])
