"""What features cost: bytes of a user's state, at worst and as a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from declarations.feature_models import CAP
from driftline.limits import CATEGORY_BYTES_MAX
from udfs.reducers.kinds import KINDS

STATE_BYTES_MAX: Final = 524_288  # of a user's declared features: every event of a user reads and writes them
_REFERENCES: Final = frozenset({"feature", "text_feature", "map_feature"})
_FLOAT_BYTES: Final = 8
_LENGTH_BYTES: Final = 2
_BUCKET_BYTES: Final = 2 * _FLOAT_BYTES  # its number and its value
_TEXT_BYTES_USUAL: Final = 12
_ENTRIES_USUAL: Final = 8  # of a map
_SERIES_USUAL: Final = 0.25  # how full a window of a usual user is


def worst_bytes(reducer: Mapping[str, Any]) -> int:
    """Return the most bytes that a reducer of a plan may take of a user's state."""
    return round(_bytes(reducer, CATEGORY_BYTES_MAX, int(reducer["params"].get("cap", CAP)), 1.0))


def usual_bytes(reducer: Mapping[str, Any]) -> int:
    """Return the bytes that a reducer takes of a usual user's state: short texts, few entries, windows part filled."""
    entries = min(_ENTRIES_USUAL, int(reducer["params"].get("cap", CAP)))
    return round(_bytes(reducer, _TEXT_BYTES_USUAL, entries, _SERIES_USUAL))


def _bytes(reducer: Mapping[str, Any], text_bytes: int, entries: int, filled: float) -> float:
    params = reducer["params"]
    sizes = KINDS[reducer["kind"]].sizes(params)
    series = _LENGTH_BYTES + filled * _series_bytes(params)
    entry = _LENGTH_BYTES + text_bytes
    return (
        sizes.values * _FLOAT_BYTES
        + sizes.texts * (_LENGTH_BYTES + text_bytes)
        + sizes.maps * (_LENGTH_BYTES + entries * (entry + _FLOAT_BYTES))
        + sizes.series * series
        + sizes.tables * (_LENGTH_BYTES + entries * (entry + series))
    )


def _series_bytes(params: Mapping[str, Any]) -> int:
    """Return the bytes of a full series: a window's buckets and the one that begins, the last k, or hashes."""
    if "hops" in params:
        return (int(params["hops"]) + 1) * _BUCKET_BYTES
    return int(params.get("k", params.get("exact", 0))) * _FLOAT_BYTES


class FeatureCost(NamedTuple):
    """What a feature costs.

    Attributes:
        name: of the feature.
        type: number, text or map.
        kind: of the reducers that it reads; expr without one.
        worst: bytes of a user's state at most; 0 where other features before it need the same.
        usual: bytes of a usual user's state.
        position: in the vector; None if it is not in it.
    """

    name: str
    type: str
    kind: str
    worst: int
    usual: int
    position: int | None


def feature_costs(plan: Mapping[str, Any]) -> list[FeatureCost]:
    """Return what each feature of a plan costs; a shared reducer costs where it is needed first."""
    features, reducers = plan["features"], plan["reducers"]
    paid: set[int] = set()
    position = 0
    costs = []
    for feature in features:
        if feature.get("hidden"):
            continue
        used = _reducers_of(feature, features)
        # What a previous session is read from is remembered, too.
        used = sorted({*used, *(reducers[index]["source"] for index in used if "source" in reducers[index])})
        due = [reducers[index] for index in used if index not in paid]
        paid.update(used)
        kinds = sorted({reducers[index]["kind"] for index in used})
        costs.append(
            FeatureCost(
                feature["name"],
                feature["kind"],
                "+".join(kinds) or "expr",
                sum(worst_bytes(reducer) for reducer in due),
                sum(usual_bytes(reducer) for reducer in due),
                position if feature["vector"] else None,
            )
        )
        position += feature["vector"]
    return costs


def _reducers_of(feature: Mapping[str, Any], features: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the positions of the reducers that a feature reads itself or by its hidden parts."""
    found: set[int] = set()
    waiting: list[Any] = [feature]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Mapping):
            if "reducer" in current:
                found.add(int(current["reducer"]))
            waiting.append(current.get("expr"))
        elif isinstance(current, list) and current:
            if current[0] in _REFERENCES:
                used = features[current[1]]
                waiting.extend([used] if used.get("hidden") else [])
            else:
                waiting.extend(current[1:])
    return sorted(found)
