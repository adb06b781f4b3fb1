"""Turns each declared feature into rows: reducers that it reads, and expressions over other rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from declarations import feature_models as models
from declarations.feature_models import Feature
from declarations.problems import Path, Problems
from declarations.reducers import Reducers, Selection
from declarations.rows import Row, reference
from declarations.selecting import Selector, Taken, Wanted
from declarations.value_types import UNIT_MS, duration_text
from declarations.windows import Window, window_of

_NUMERIC: Final = ("number", "money", "timestamp", "bool")
_ADDABLE: Final = ("number", "money", "bool")
_ORDERED: Final = ("number", "money", "timestamp")
_TEXT: Final = ("text",)
_TEXTS: Final = ("text", "strings")
_UNITS: Final = {"count": "events", "distinct": "texts", "streak": "days", "changes": "changes", "ratio": "ratio"}
_CALENDAR: Final = {"hour": 24, "day_of_week": 7}


class FeatureCompiler:
    """Makes rows of declarations; reducers are added as they are needed.

    Args:
        selector: resolves events and fields.
        reducers: get what the features need.
        zone: the project's time zone.
        problems: get what does not fit.
    """

    def __init__(self, selector: Selector, reducers: Reducers, zone: str, problems: Problems) -> None:
        self._selector = selector
        self._reducers = reducers
        self._zone = {} if zone == "UTC" else {"zone": zone}
        self._problems = problems

    def rows(self, name: str, feature: Feature) -> list[Row]:
        """Return the rows of a declaration, without those that are expressions; none if there was a problem."""
        row = Row(
            name=name,
            origin=name,
            unit=feature.unit or _unit_of(feature),
            default=feature.default,
            formula=feature.doc or formula_of(feature),
            vector=feature.vector,
        )
        makers: dict[type[Feature], Callable[[Row, Any], list[Row]]] = {
            models.Count: self._count,
            models.Sum: self._sum,
            models.Mean: self._mean,
            models.Stddev: self._stddev,
            models.Min: self._extreme,
            models.Max: self._extreme,
            models.First: self._edge,
            models.Last: self._edge,
            models.LastK: self._last_k,
            models.Since: self._since,
            models.Distinct: self._distinct,
            models.Histogram: self._histogram,
            models.Streak: self._streak,
            models.Changes: self._changes,
        }
        maker = makers.get(type(feature))
        return maker(row, feature) if maker else []

    def _count(self, row: Row, feature: models.Count) -> list[Row]:
        wanted = Wanted(
            path=_path(row),
            key="count",
            events=feature.count,
            where=feature.where,
            scope=feature.scope,
            by=feature.by,
            money=feature.money or False,
            weights=feature.weights,
        )
        taken = self._selector.take(wanted)
        if taken is None:
            return []
        if feature.calendar is not None:
            params = {"of": feature.calendar, **self._zone}
            key = self._reducers.add("calendar", params, taken.selection)
            return _expanded(row, key, _CALENDAR[feature.calendar])
        return self._additive(row, feature, taken.selection, "count")

    def _sum(self, row: Row, feature: models.Sum) -> list[Row]:
        taken = self._take_field(row, feature, "sum", _ADDABLE, by=feature.by, weights=feature.weights)
        return self._additive(row, feature, taken.selection, "sum") if taken else []

    def _mean(self, row: Row, feature: models.Mean) -> list[Row]:
        """Return a sum, a number of events and their quotient."""
        taken = self._take_field(row, feature, "mean", _ADDABLE)
        if taken is None:
            return []
        parts = []
        for agg, selection in (("sum", taken.selection), ("count", _without_value(taken.selection))):
            part = replace(row, name=f"_{row.name}_{agg}", vector=False, hidden=True, default=0.0)
            parts.extend(self._additive(part, feature, selection, agg))
        if not parts:
            return []
        summed, number = (reference(part.name) for part in parts)
        expr = ["?:", ["!=", number, 0.0], ["/", summed, number], row.default]
        return [*parts, replace(row, expr=expr, uses=frozenset(part.name for part in parts))]

    def _additive(
        self, row: Row, feature: models.Count | models.Sum | models.Mean, selection: Selection, agg: str
    ) -> list[Row]:
        """Return a count or sum: for ever, decaying, of a window, and by a dimension."""
        window = self._window(row, feature)
        if feature.window is not None and window is None:
            return []
        params: dict[str, Any] = {}
        if isinstance(feature, models.Count | models.Sum) and feature.cap is not None:
            params["cap"] = feature.cap
        if window is not None:
            params |= {"hop_ms": window.hop_ms, "hops": window.hops, "agg": agg}
        elif feature.half_life is not None:
            params["half_life_ms"] = feature.half_life
        if not isinstance(feature, models.Mean) and feature.by is not None:
            kind, read = ("by_window", ["map", window.hops]) if window else ("by", ["map"])
            row = replace(row, kind="map")
        else:
            kind, read = ("window", ["sum", window.hops]) if window else (agg, ["value"])
        return [self._reading(row, kind, params, selection, read)]

    def _stddev(self, row: Row, feature: models.Stddev) -> list[Row]:
        taken = self._take_field(row, feature, "stddev", _ADDABLE)
        return [self._reading(row, "moments", {}, taken.selection, ["stddev"])] if taken else []

    def _extreme(self, row: Row, feature: models.Min | models.Max) -> list[Row]:
        agg = "min" if isinstance(feature, models.Min) else "max"
        taken = self._take_field(row, feature, agg, _ORDERED)
        window = self._window(row, feature)
        if taken is None or (feature.window is not None and window is None):
            return []
        if window is None:
            return [self._reading(row, "extreme", {"agg": agg}, taken.selection, ["value"])]
        params = {"hop_ms": window.hop_ms, "hops": window.hops, "agg": agg}
        return [self._reading(row, "window", params, taken.selection, [agg, window.hops])]

    def _edge(self, row: Row, feature: models.First | models.Last) -> list[Row]:
        which = "first" if isinstance(feature, models.First) else "last"
        taken = self._take_field(row, feature, which, (*_NUMERIC, *_TEXT))
        if taken is None:
            return []
        text = taken.kind in _TEXT
        params: dict[str, Any] = {"which": which, "text": text}
        if which == "last" and not text and feature.default:
            params["flag"] = True  # else a last value of 0 would read as the default
        row = replace(row, kind="text" if text else "number")
        return [self._reading(row, "edge", params, taken.selection, ["value"])]

    def _last_k(self, row: Row, feature: models.LastK) -> list[Row]:
        taken = self._take_field(row, feature, "last_k", _NUMERIC)
        if taken is None:
            return []
        key = self._reducers.add("last_k", {"k": feature.k}, taken.selection)
        return _expanded(row, key, feature.k)

    def _since(self, row: Row, feature: models.Since) -> list[Row]:
        wanted = Wanted(path=_path(row), key="since", events=feature.since, where=feature.where, scope=feature.scope)
        taken = self._selector.take(wanted)
        read = ["since", UNIT_MS[feature.unit]]
        return [self._reading(row, "since", {}, taken.selection, read)] if taken else []

    def _distinct(self, row: Row, feature: models.Distinct) -> list[Row]:
        taken = self._take_field(row, feature, "distinct", _TEXTS)
        params = {"exact": feature.exact}
        return [self._reading(row, "distinct", params, taken.selection, ["count"])] if taken else []

    def _histogram(self, row: Row, feature: models.Histogram) -> list[Row]:
        taken = self._take_field(row, feature, "histogram", _ORDERED)
        if taken is None:
            return []
        params = {"edges": list(feature.edges)}
        key = self._reducers.add("histogram", params, taken.selection)
        return _expanded(row, key, len(feature.edges) + 1)

    def _streak(self, row: Row, feature: models.Streak) -> list[Row]:
        wanted = Wanted(path=_path(row), key="streak", events=feature.streak, where=feature.where)
        taken = self._selector.take(wanted)
        return [self._reading(row, "streak", self._zone, taken.selection, ["days"])] if taken else []

    def _changes(self, row: Row, feature: models.Changes) -> list[Row]:
        taken = self._take_field(row, feature, "changes", _TEXT)
        return [self._reading(row, "changes", {}, taken.selection, ["value"])] if taken else []

    def _take_field(
        self,
        row: Row,
        feature: models.FieldAggregate,
        key: str,
        kinds: tuple[str, ...],
        *,
        by: str | None = None,
        weights: dict[str, float] | None = None,
    ) -> Taken | None:
        """Return the events of a feature over a field, and the field."""
        money = feature.money if isinstance(feature, models.Sum | models.Mean) else False
        wanted = Wanted(
            path=_path(row),
            key=key,
            events=feature.of,
            where=feature.where,
            scope=feature.scope,
            value=getattr(feature, key),
            by=by,
            kinds=kinds,
            money=money,
            weights=weights,
        )
        taken = self._selector.take(wanted)
        if taken is not None and taken.kind == "money" and feature.model_fields_set & {"money"} and money is False:
            message = "amounts in different currencies are never added up; leave 'money' out"
            self._problems.add((*_path(row), "money"), message)
            return None
        return taken

    def _window(self, row: Row, feature: models.Windowed) -> Window | None:
        if feature.window is None:
            return None
        found = window_of(feature.window, feature.hop)
        if isinstance(found, Window):
            return found
        self._problems.add((*_path(row), "hop" if feature.hop is not None else "window"), found)
        return None

    def _reading(self, row: Row, kind: str, params: dict[str, Any], selection: Selection, read: list[Any]) -> Row:
        return replace(row, key=self._reducers.add(kind, params, selection), read=read)


def _path(row: Row) -> Path:
    return ("features", row.origin)


def _expanded(row: Row, key: str, number: int) -> list[Row]:
    """Return a row for each element of a reducer."""
    formula = row.formula
    return [
        replace(row, name=f"{row.name}_{i}", key=key, read=["nth", i], formula=f"{formula} [{i}]")
        for i in range(number)
    ]


def _without_value(selection: Selection) -> Selection:
    meaning = {name: text for name, text in selection.meaning.items() if name != "value"}
    return Selection(on=[{**entry, "value": None} for entry in selection.on], meaning=meaning, scope=selection.scope)


def _unit_of(feature: Feature) -> str:
    if isinstance(feature, models.Since):
        return feature.unit
    word = next(word for word, model in models.FEATURES.items() if type(feature) is model)
    return _UNITS.get(word, "1")


def formula_of(feature: Feature) -> str:
    """Return how a feature is declared, as one line."""
    given = feature.model_dump(exclude_defaults=True, exclude={"doc", "unit", "default", "vector"})
    first = (*models.FEATURES, "of", "by", "where")  # the others follow in the order of the model
    names = sorted(given, key=lambda name: first.index(name) if name in first else len(first))
    return ", ".join(f"{name} {_worded(name, given[name])}" for name in names)


def _worded(name: str, value: Any) -> str:
    if name in {"window", "hop", "half_life"}:
        return duration_text(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner:g}" for key, inner in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(str(inner) for inner in value)
    return str(value)
