"""Features, scores and segments that are computed from features: their expressions, and what may be named in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from declarations.expressions import ExpressionError, Typed, Variable, compile_expression
from declarations.feature_models import Expr, Feature, Ratio
from declarations.problems import Path, Problems, instead
from declarations.rows import Row, reference

# What expressions see of the profile. udfs/profile.py has the slots.
PROFILE: Final[Mapping[str, list[Any]]] = {
    "events_total": ["slot", "events"],
    "sessions_total": ["slot", "sessions"],
    "first_event_ms": ["slot", "first_ms"],
    "last_event_ms": ["slot", "newest_ms"],
    "as_of_ms": ["slot", "last_ms"],
    "session_start_ms": ["slot", "session_start_ms"],
    "events_in_session": ["slot", "session_events"],
    "previous_session_end_ms": ["slot", "previous_session_end_ms"],
    "ended_sessions": ["-", ["slot", "sessions"], 1.0],
    "ended_sessions_ms": ["slot", "ended_sessions_ms"],
    "events_in_ended_sessions": ["slot", "ended_sessions_events"],
}
# Words that CEL keeps for itself.
_CEL_WORDS: Final = frozenset(
    {
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
        *("namespace", "null", "package", "return", "true", "var", "void", "while"),
    }
)
RESERVED: Final = frozenset(PROFILE) | _CEL_WORDS
_TEXTS: Final = re.compile(r"""r?(\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", re.DOTALL)
_NAMES: Final = re.compile(r"(?<![\w.])[a-z_]\w*(?!\w|\s*\()")


def names_in(text: str) -> frozenset[str]:
    """Return the names in an expression, without functions, methods and what stands in quotes."""
    return frozenset(_NAMES.findall(_TEXTS.sub(" ", text)))


class Derived:
    """Compiles expressions over features.

    Args:
        rows: what reads reducers, by name; rows of expressions are added by `add`.
        broken: names of features and scores that could not be read; what uses them is not checked further.
        problems: get what does not fit.
    """

    def __init__(self, rows: Mapping[str, Row], broken: Collection[str], problems: Problems) -> None:
        self._problems = problems
        self._broken = set(broken)
        self.names = {name: Variable("number", expr) for name, expr in PROFILE.items()}
        for row in rows.values():
            self._publish(row)

    def add(self, waiting: Mapping[str, tuple[Row, Feature]]) -> dict[str, Row]:
        """Compile features that are computed from others.

        Args:
            waiting: rows without an expression yet, and their declarations, by name.

        Returns:
            The rows that could be compiled, by name.
        """
        uses = {name: _uses(feature) for name, (_, feature) in waiting.items()}
        order, circles = _sorted(uses)
        for circle in circles:
            path: Path = ("features", circle[0])
            self._problems.add((*path, "expr"), f"it is computed from itself: {' -> '.join(circle)}")
            self._broken.update(circle)
        found: dict[str, Row] = {}
        for name in order:
            row, feature = waiting[name]
            done = None if name in self._broken else self._compiled(row, feature)
            if done is None:
                self._broken.add(name)
            else:
                found[name] = done
                self._publish(done)
        return found

    def compiled(self, text: str, path: Path, word: str, scores: Collection[str] = ()) -> Typed | None:
        """Return a compiled expression; None if there was a problem, here or in what it uses.

        Args:
            text: CEL.
            path: of the declaration.
            word: the key under which the expression stands.
            scores: names of scores that it may use.
        """
        if names_in(text) & self._broken:
            return None
        try:
            return compile_expression(text, self.names, scores)
        except ExpressionError as error:
            self._problems.add((*path, word), str(error))
            return None

    def _publish(self, row: Row) -> None:
        if not row.hidden:
            kind: Any = row.kind
            self.names[row.name] = Variable(kind, reference(row.name))

    def _compiled(self, row: Row, feature: Feature) -> Row | None:
        if isinstance(feature, Ratio):
            return self._ratio(row, feature)
        if not isinstance(feature, Expr):
            return None
        typed = self.compiled(feature.expr, ("features", row.name), "expr")
        if typed is None:
            return None
        used = frozenset(typed.uses) - PROFILE.keys()
        return replace(row, kind=typed.type, expr=typed.expr, uses=used)

    def _ratio(self, row: Row, feature: Ratio) -> Row | None:
        path: Path = ("features", row.name)
        for name in feature.ratio:
            if name in self._broken:
                return None
            variable = self.names.get(name)
            if variable is None:
                message = f"unknown feature {name!r}{instead(name, self.names)}"
            elif variable.kind not in {"number", "bool"}:
                message = f"{name!r} is a {variable.kind}; it must be a number"
            else:
                continue
            self._problems.add((*path, "ratio"), message)
            return None
        parts = [self.names[name].expr for name in feature.ratio]
        return replace(row, expr=["/", *parts], uses=frozenset(feature.ratio) - PROFILE.keys())


def _uses(feature: Feature) -> frozenset[str]:
    if isinstance(feature, Ratio):
        return frozenset(feature.ratio)
    return names_in(feature.expr) if isinstance(feature, Expr) else frozenset()


def _sorted(uses: Mapping[str, frozenset[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the names so that each comes behind those that it uses, and the circles, whose names are left out.

    Args:
        uses: of each name, the names that it uses; others than the keys do not count.
    """
    inner = {name: used & uses.keys() for name, used in uses.items()}
    circles: list[list[str]] = []
    while True:
        try:
            return list(TopologicalSorter(inner).static_order()), circles
        except CycleError as error:
            circle = list(error.args[1])  # its last name is its first, too, and each is used by the one behind it
            circles.append(circle[::-1])
            inner = {name: used - set(circle) for name, used in inner.items() if name not in circle}
