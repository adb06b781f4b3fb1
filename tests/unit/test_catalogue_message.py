"""What a job tells of its features, and what a reader finds of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.catalogue import V1, FeatureSet
from driftline.catalogue_message import EARLIER_MAX, Catalogue, ServedSet, catalogue_of, with_earlier

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
features = st.lists(
    st.builds(
        lambda name, vector, default, text: {
            "name": name,
            "vector": vector,
            "default": default,
            "unit": text,
            "formula": text,
            "hash": name * 2,
        },
        names,
        st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False, width=32),
        st.text(max_size=9).filter(lambda text: text.isprintable()),
    ),
    max_size=6,
    unique_by=lambda one: str(one["name"]),
)


def plan_of(declared: list[dict[str, Any]], declaration: str = "d1", name: str = "media") -> dict[str, Any]:
    return {"name": name, "hash": declaration, "features": declared, "scores": [], "segments": []}


@given(features, st.dictionaries(names, st.integers(0, 2**50)))
def test_what_is_told_is_found(declared: list[dict[str, Any]], since_ms: dict[str, int]) -> None:
    plan = plan_of(declared)
    found = Catalogue.parse(catalogue_of(plan, since_ms)).find("media", "d1")
    assert found is not None
    assert found.features == FeatureSet.of_plan(plan)
    assert found.complete_since_ms == tuple(since_ms.get(name, 0) for name in found.features.names)


@given(st.lists(st.sampled_from([f"d{number}" for number in range(EARLIER_MAX + 4)]), max_size=30))
def test_earlier_declarations_stay_known_up_to_a_bound(hashes: list[str]) -> None:
    document: bytes | None = None
    told: list[str] = []
    for declaration in hashes:
        plan = plan_of([{"name": f"of_{declaration}", "vector": True}], declaration)
        document = with_earlier(catalogue_of(plan, {}), document)
        assert with_earlier(catalogue_of(plan, {}), document) == document
        told = [declaration, *(one for one in told if one != declaration)][: EARLIER_MAX + 1]
    catalogue = Catalogue.parse(document)
    assert [one.features.hash for one in catalogue.sets] == told
    for declaration in told:
        found = catalogue.find("media", declaration)
        assert found is not None and found.features.names == (f"of_{declaration}",)


def test_scores_segments_and_affinities_are_told() -> None:
    plan = plan_of(
        [{"name": "a", "vector": True}, {"name": "text", "vector": True, "kind": "text"}, {"name": "b", "vector": True}]
    )
    plan["scores"] = [{"name": "e", "expr": 1}, {"name": "f", "model": {"task": "regression", "features": [2]}}]
    plan["scores"].append({"name": "g", "expr": 1, "model": {"task": "classification", "features": []}})
    plan["segments"] = [{"name": "fans", "hash": "s1", "enter": True}]
    plan["affinities"] = "artists"
    told = json.loads(catalogue_of(plan, {}))
    assert told["scores"] == [
        {"name": "e"},
        {"name": "f", "task": "regression", "features": ["b"]},
        {"name": "g", "task": "classification", "features": [], "formula": True},
    ]
    assert (told["segments"], told["affinities"]) == ([{"name": "fans", "hash": "s1"}], "artists")
    assert [one["name"] for one in told["features"]] == ["a", "b"]


@pytest.mark.parametrize(
    "document", [None, b"", b"[]", b"3", b"{}", b'{"feature_set": "v1", "declaration": "", "features": 3}', b"\xff"]
)
def test_what_is_no_catalogue_says_nothing(document: bytes | None) -> None:
    assert Catalogue.parse(document) == Catalogue()
    made = catalogue_of(plan_of([]), {})
    assert with_earlier(made, document) == made


def test_v1_is_known_without_being_told() -> None:
    found = Catalogue().find("v1", "")
    assert found is not None and found.features.features == V1
    assert Catalogue().find("v1", "d1") == ServedSet(FeatureSet("v1", "", V1), (0,) * len(V1))
    assert Catalogue().find("v2", "") is None
