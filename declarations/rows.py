"""Features as a plan has them: by position, in the declared order, which need not be one of evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from declarations.canonical import as_of_event, content_hash, replaced, uses_clock, whole

_REF = "ref"  # [_REF, name] stands for a feature until positions are known
_REFERENCES = {"text": "text_feature", "map": "map_feature"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A feature, one of several that a declaration becomes, or a hidden part of one.

    Attributes:
        name: unique; hidden ones begin with "_".
        origin: the declaration's name.
        kind: number, bool, text or map.
        key: of the reducer that is read; empty where there is an expression.
        read: how the reducer is read.
        expr: an expression over ["ref", name].
        uses: the names in it.
    """

    name: str
    origin: str
    kind: str = "number"
    unit: str = ""
    default: float = 0.0
    formula: str = ""
    vector: bool = True
    hidden: bool = False
    key: str = ""
    read: Sequence[Any] = ()
    expr: Any = None
    uses: frozenset[str] = field(default=frozenset())


def reference(name: str) -> list[Any]:
    """Return the expression that stands for a feature."""
    return [_REF, name]


class Features:
    """The features of a plan, by position.

    Args:
        rows: in the order of the plan; none is computed from itself.
        reducers: positions of the reducers, by key.
        zone: the project's time zone; part of the meaning of expressions that read the clock.

    Attributes:
        hashes: of what each feature means as of an event. So a feature may begin to say something else of silence, and
            still have its state and its models.
    """

    def __init__(self, rows: Sequence[Row], reducers: Mapping[str, int], zone: str) -> None:
        self.rows = rows
        self.positions = {row.name: position for position, row in enumerate(rows)}
        self.hashes: dict[str, str] = {}
        self._at_ages: dict[str, str] = {}  # hashes that tell the as-of time from that of the newest event
        self._zone = zone
        self._reducers = reducers
        for name in TopologicalSorter({row.name: row.uses for row in rows}).static_order():
            row = rows[self.positions[name]]
            self.hashes[name] = self._hash(row, self.meaning)
            self._at_ages[name] = self._hash(row, self.meaning_at_ages)

    def resolved(self, expr: Any) -> Any:
        """Return an expression of a plan: features by position."""
        return replaced(expr, _REF, self._position)

    def meaning(self, expr: Any) -> Any:
        """Return what an expression means as of an event, for hashes: it has those of features in place of names."""
        return self._zoned(as_of_event(replaced(expr, _REF, lambda ref: [_REF, self.hashes[ref[1]]])))

    def meaning_at_ages(self, expr: Any) -> Any:
        """Return what an expression means at any time, for hashes of what is also decided while a user is silent."""
        return self._zoned(replaced(expr, _REF, lambda ref: [_REF, self._at_ages[ref[1]]]))

    def _zoned(self, meaning: Any) -> Any:
        return [meaning, self._zone] if self._zone != "UTC" and uses_clock(meaning) else meaning

    def data(self) -> list[dict[str, Any]]:
        """Return the entries of the plan."""
        return [self._entry(row) for row in self.rows]

    def _position(self, ref: list[Any]) -> list[Any]:
        position = self.positions[ref[1]]
        return [_REFERENCES.get(self.rows[position].kind, "feature"), position]

    def _hash(self, row: Row, meaning: Callable[[Any], Any]) -> str:
        default = [] if row.kind in _REFERENCES else [row.default]
        if row.key:
            return content_hash([row.key, list(row.read), *default])
        return content_hash([meaning(row.expr), *default])

    def _entry(self, row: Row) -> dict[str, Any]:
        numeric = row.kind not in _REFERENCES
        entry: dict[str, Any] = {
            "name": row.name,
            "kind": "number" if row.kind == "bool" else row.kind,  # a truth is 1 or 0
            "unit": row.unit,
            "default": whole(row.default),
            "formula": row.formula,
            "vector": row.vector and numeric,
            "served": row.vector and not numeric,  # beside the scores: what has no place in the vector
            "hash": self.hashes[row.name],
        }
        if row.hidden:
            entry["hidden"] = True
        if row.key:
            return entry | {"reducer": self._reducers[row.key], "read": list(row.read)}
        return entry | {"expr": self.resolved(row.expr)}
