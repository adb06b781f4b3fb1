"""Reducers: what features of a plan remember, one for each meaning, shared by all features with the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from declarations.canonical import canonical, whole

# Parameters that a key leaves out where they have these values, so that a key is short and stays as it is when a kind
# gets a parameter.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "half_life_ms": 0,
    "agg": "count",
    "exact": 256,
    "text": False,
    "flag": False,
    "zone": "UTC",
}
_NOT_IN_KEYS: Final = frozenset({"hops"})  # windows of any length share a reducer
_NO_AGG_DEFAULT: Final = "extreme"


@dataclass
class Reducer:
    """An entry of a plan's reducers; `hops` grows with the windows that share it.

    Attributes:
        source: of one with scope previous_session, the key of the one whose slots it gets when a session ends.
    """

    key: str
    kind: str
    scope: str
    params: dict[str, Any]
    on: list[dict[str, Any]]
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which events a reducer takes, and what of them.

    Attributes:
        on: the entries of the plan, one for each type.
        meaning: canonical texts by name: of, where, value, by, weights, money; only those that there are.
        scope: lifetime, session or previous_session.
    """

    on: list[dict[str, Any]]
    meaning: Mapping[str, str]
    scope: str = "lifetime"


@dataclass
class Reducers:
    """The reducers of a plan, by key, in the order in which features first need them."""

    found: dict[str, Reducer] = field(default_factory=dict)

    def add(self, kind: str, params: Mapping[str, Any], selection: Selection) -> str:
        """Return the key of the reducer with this meaning, added if there is none.

        Args:
            kind: of udfs/reducers/kinds.py.
            params: of the kind; zeros and defaults may be there.
            selection: of events.
        """
        key = _key(kind, params, selection.meaning, selection.scope)
        known = self.found.get(key)
        if known is not None:
            if "hops" in params:
                known.params["hops"] = max(known.params["hops"], params["hops"])
            return key
        on, source = selection.on, None
        if selection.scope == "previous_session":
            on, source = [], self.add(kind, params, replace(selection, scope="session"))
        self.found[key] = Reducer(key, kind, selection.scope, dict(params), on, source)
        return key

    def data(self) -> list[dict[str, Any]]:
        """Return the entries of the plan."""
        positions = {key: position for position, key in enumerate(self.found)}
        entries = []
        for reducer in self.found.values():
            entry: dict[str, Any] = {
                "key": reducer.key,
                "kind": reducer.kind,
                "scope": reducer.scope,
                "params": {name: _whole(value) for name, value in reducer.params.items()},
                "on": reducer.on,
            }
            if reducer.source is not None:
                entry["source"] = positions[reducer.source]
            entries.append(entry)
        return entries


def _whole(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    return whole(value) if isinstance(value, float) else value


def _key(kind: str, params: Mapping[str, Any], meaning: Mapping[str, str], scope: str) -> str:
    parts = dict(meaning)
    for name, value in params.items():
        usual = None if kind == _NO_AGG_DEFAULT and name == "agg" else _DEFAULTS.get(name)
        if name not in _NOT_IN_KEYS and value != usual:
            parts[name] = value if isinstance(value, str) else canonical(value)
    if scope != "lifetime":
        parts["scope"] = scope
    return f"{kind}({','.join(f'{name}={parts[name]}' for name in sorted(parts))})"
