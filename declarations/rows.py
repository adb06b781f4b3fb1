"""Features as a plan has them, in an order in which they can be computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from declarations.canonical import content_hash, replaced, uses_clock, whole

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


def _twin(name: str) -> str:
    return f"__{name}"  # no other name begins so: those of parts begin with one


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with hidden twins in front of those that need them earlier, so that positions stay as declared.

    A row may only use rows before it. One that uses a later row gets a hidden twin of that in front of itself.

    Args:
        rows: without circles.
    """
    by_name = {row.name: row for row in rows}
    done: dict[str, str] = {}  # the row that computes each name
    ordered: list[Row] = []

    def compute(row: Row, name: str) -> None:
        """Append what the row uses, then the row under this name."""
        waiting = [(row, name)]
        while waiting:
            current, as_name = waiting[-1]
            missing = sorted(use for use in current.uses if use not in done)
            if missing:
                waiting.extend((by_name[use], _twin(use)) for use in missing)
                continue
            waiting.pop()
            if current.name in done:
                continue
            resolved = replaced(current.expr, _REF, lambda ref: reference(done[ref[1]]))
            twin = as_name != current.name
            uses = frozenset(done[use] for use in current.uses)
            ordered.append(
                replace(
                    current,
                    name=as_name,
                    expr=resolved,
                    uses=uses,
                    hidden=twin or current.hidden,
                    vector=current.vector and not twin,
                )
            )
            done[current.name] = as_name

    for row in rows:
        if row.name not in done:
            compute(row, row.name)
        elif row.key:
            ordered.append(row)
        else:
            twin = done[row.name]
            ordered.append(replace(row, expr=reference(twin), uses=frozenset({twin})))
    return ordered


class Features:
    """The features of a plan, by position.

    Args:
        rows: from `in_order`.
        reducers: positions of the reducers, by key.
        zone: the project's time zone; part of the meaning of expressions that read the clock.
    """

    def __init__(self, rows: Sequence[Row], reducers: Mapping[str, int], zone: str) -> None:
        self.rows = rows
        self.positions = {row.name: position for position, row in enumerate(rows)}
        self.hashes: dict[str, str] = {}
        self._zone = zone
        self._reducers = reducers
        for row in rows:
            self.hashes[row.name] = self._hash(row)

    def resolved(self, expr: Any) -> Any:
        """Return an expression of a plan: features by position."""
        return replaced(expr, _REF, self._position)

    def meaning(self, expr: Any) -> Any:
        """Return an expression with the hashes of features in place of their names, for hashes of what uses it."""
        with_hashes = replaced(expr, _REF, lambda ref: [_REF, self.hashes[ref[1]]])
        return [with_hashes, self._zone] if self._zone != "UTC" and uses_clock(expr) else with_hashes

    def data(self) -> list[dict[str, Any]]:
        """Return the entries of the plan."""
        return [self._entry(row) for row in self.rows]

    def _position(self, ref: list[Any]) -> list[Any]:
        position = self.positions[ref[1]]
        return [_REFERENCES.get(self.rows[position].kind, "feature"), position]

    def _hash(self, row: Row) -> str:
        default = [] if row.kind in _REFERENCES else [row.default]
        if row.key:
            return content_hash([row.key, list(row.read), *default])
        if isinstance(row.expr, list) and row.expr == reference(_twin(row.name)):
            return self.hashes[_twin(row.name)]
        return content_hash([self.meaning(row.expr), *default])

    def _entry(self, row: Row) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "name": row.name,
            "kind": "number" if row.kind == "bool" else row.kind,  # a truth is 1 or 0
            "unit": row.unit,
            "default": whole(row.default),
            "formula": row.formula,
            "vector": row.vector and not row.hidden and row.kind not in _REFERENCES,
            "hash": self.hashes[row.name],
        }
        if row.hidden:
            entry["hidden"] = True
        if row.key:
            return entry | {"reducer": self._reducers[row.key], "read": list(row.read)}
        return entry | {"expr": self.resolved(row.expr)}
