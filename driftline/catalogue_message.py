"""What is served of a namespace, by name: a JSON object in Redis, written by the job and read by servers and commands.

    {"feature_set": "media", "declaration": "3f9c0d1a2b4c",
     "features": [{"name", "unit", "default", "formula", "hash", "complete_since_ms"}, ...],   in the vector's order
     "scores": [{"name", "task", "features", "formula"}, ...],        see below
     "segments": [{"name", "hash"}, ...],
     "affinities": "artist_affinity",
     "earlier": [{"feature_set", "declaration", "features"}, ...]}                            newest first

A score that a model makes has `task` and `features`; one that a formula makes has neither. Where a model does once it
is trained, and a formula until then, `formula` is true beside them.

Scores are stored with the hash of the declaration that they were made with. Those of a user without events since the
declaration changed are of an earlier one, so the features of some earlier ones stay here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from driftline.catalogue import FEATURE_SETS, Feature, FeatureSet

EARLIER_MAX: Final = 8  # declarations whose features stay known
_OF_A_SET: Final = ("feature_set", "declaration", "features")


@dataclass(frozen=True)
class ServedSet:
    """The features behind some users' scores.

    Attributes:
        features: the set, in the vector's order.
        complete_since_ms: of each feature, since when it counts every event of a user; 0 where it always has.
    """

    features: FeatureSet
    complete_since_ms: tuple[int, ...]


@dataclass(frozen=True)
class Catalogue:
    """What is known of a namespace: its feature sets, the present one first."""

    sets: tuple[ServedSet, ...] = ()

    @classmethod
    def parse(cls, document: bytes | None) -> Catalogue:
        """Read what `catalogue_of` and `with_earlier` have written; None, and what is nothing of theirs, is empty."""
        if document is None:
            return cls()
        try:
            found = json.loads(document)
            return cls(tuple(_set_of(one) for one in (found, *found.get("earlier", ()))))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def find(self, feature_set: str, declaration: str) -> ServedSet | None:
        """Return the features behind stored scores; None where they are not known.

        Args:
            feature_set: as stored.
            declaration: as stored. A set that is shipped is known by its name, which no other may have.
        """
        for one in self.sets:
            if (one.features.name, one.features.hash) == (feature_set, declaration):
                return one
        shipped = FEATURE_SETS.get(feature_set)
        if shipped is None:
            return None
        return ServedSet(FeatureSet(feature_set, "", shipped), (0,) * len(shipped))


def catalogue_of(plan: Mapping[str, Any], since_ms: Mapping[str, int]) -> bytes:
    """Return the catalogue of a plan (docs/decisions/0032-declarations.md).

    Args:
        plan: the plan.
        since_ms: since when a feature is complete, by its name; those that always were are left out.
    """
    features = FeatureSet.of_plan(plan)
    return _packed(
        {
            "feature_set": features.name,
            "declaration": features.hash,
            "features": [
                {
                    "name": one.name,
                    "unit": one.unit,
                    "default": one.default,
                    "formula": one.formula,
                    "hash": one.hash,
                    "complete_since_ms": since_ms.get(one.name, 0),
                }
                for one in features.features
            ],
            "scores": [_score_of(plan, one) for one in plan["scores"]],
            "segments": [{"name": one["name"], "hash": one.get("hash", "")} for one in plan.get("segments", ())],
            "affinities": plan.get("affinities") or "",
        }
    )


def with_earlier(document: bytes, before: bytes | None) -> bytes:
    """Return a catalogue that keeps the features of the one before, and of those that it kept.

    Args:
        document: of `catalogue_of`.
        before: what was there before it; None where nothing was.
    """
    made = json.loads(document)
    known = Catalogue.parse(before)
    if not known.sets or before is None:
        return document
    stored = json.loads(before)
    kept: list[dict[str, Any]] = []
    for one in (stored, *stored.get("earlier", ())):
        if all(one[name] == made[name] for name in _OF_A_SET[:2]) or len(kept) == EARLIER_MAX:
            continue
        kept.append({name: one[name] for name in _OF_A_SET})
    return _packed({**made, "earlier": kept}) if kept else document


def _score_of(plan: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    model = declared.get("model")
    if not model:
        return {"name": declared["name"]}
    names = [plan["features"][position]["name"] for position in model.get("features") or ()]
    found = {"name": declared["name"], "task": model["task"], "features": names}
    return {**found, "formula": True} if "expr" in declared else found


def _set_of(found: Mapping[str, Any]) -> ServedSet:
    features: Sequence[Mapping[str, Any]] = found["features"]
    named = tuple(
        Feature(
            str(one["name"]), str(one["unit"]), float(one["default"]), str(one["formula"]), str(one.get("hash", ""))
        )
        for one in features
    )
    since_ms = tuple(int(one.get("complete_since_ms", 0)) for one in features)
    return ServedSet(FeatureSet(str(found["feature_set"]), str(found["declaration"]), named), since_ms)


def _packed(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
