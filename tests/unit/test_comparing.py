"""Two namespaces compared: against a plain reading of everything, and at the edges."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.as_of import AsOf
from console.comparing import EDGES, PAGE, Comparing, Comparison, Spread
from driftline.catalogue import V1
from driftline.catalogue_message import Catalogue, catalogue_of
from driftline.score_message import with_features
from driftline.serving.v1.scores_pb2 import AsOfEvent, CategoryAffinity, DimensionShares, SegmentMembership, UserScores
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_value import encode_value
from tests.stored import stored_user, with_age_in_front

Scored = Mapping[str, Mapping[str, float] | None]


def value(user_id: str, scores: Mapping[str, float] | None, features: bytes = b"", **fields: Any) -> tuple[str, bytes]:
    """A value with these scores; None makes a tombstone."""
    if scores is None:
        return user_id, encode_value(1, 1, b"")
    message = UserScores(user_id=user_id, scores=scores, **{"feature_set": "v1", **fields})
    return user_id, encode_value(1, 1, with_features(features, message.SerializeToString()))


def store_of(*values: tuple[str, bytes]) -> InMemoryScoreStore:
    store = InMemoryScoreStore()
    store.write(values, None)
    return store


def scored(users: Scored) -> InMemoryScoreStore:
    return store_of(*(value(user_id, scores) for user_id, scores in users.items()))


def compare(
    first: InMemoryScoreStore,
    second: InMemoryScoreStore,
    seen: Callable[[int], object] = lambda _: None,
    **options: Any,
) -> Comparison:
    return Comparing(seen=seen, **options).run(first, second)


users = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.none() | st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([0.0, 0.25, 0.5, 1.0])),
)


@given(users, users, st.sampled_from([0.0, 0.25, 0.6]), st.integers(0, 9))
def test_as_a_plain_reading_of_everything(first: Scored, second: Scored, tolerance: float, limit: int) -> None:
    ours, theirs = ({user: one for user, one in side.items() if one is not None} for side in (first, second))
    sizes, differing = {}, set()
    for user in ours.keys() & theirs.keys():
        one, other = ours[user], theirs[user]
        sizes[user] = {name: abs(one[name] - other[name]) for name in one.keys() & other.keys()}
        if one.keys() != other.keys() or any(size > tolerance for size in sizes[user].values()):
            differing.add(user)
    found = compare(scored(first), scored(second), tolerance=tolerance, limit=limit)
    assert (found.only_first, found.only_second) == (len(ours.keys() - theirs.keys()), len(theirs.keys() - ours.keys()))
    assert (found.different, found.equal) == (len(differing), len(sizes) - len(differing))
    assert found.same == (not differing and ours.keys() == theirs.keys())
    for name, spread in found.scores.items():
        of_both = [one[name] for one in sizes.values() if name in one]
        assert spread.both == len(of_both)
        assert spread.total == pytest.approx(sum(of_both))
        assert spread.largest == max(of_both, default=0.0)
        assert spread.differ == sum(size > tolerance for size in of_both)
        assert sum(number for _, number in spread.histogram()) == spread.both
    largest = sorted(max((s for s in sizes[user].values() if s > tolerance), default=0.0) for user in differing)
    assert [one.size for one in found.worst] == largest[::-1][:limit]
    assert {one.user_id for one in found.worst} <= differing


def test_what_differs_by_nature_is_not_compared() -> None:
    other = value("u", {"x": 0.5}, generation=9, written_at_ms=8, declaration="d2")
    assert compare(scored({"u": {"x": 0.5}}), store_of(other)).same


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"model_version": "m-2"}, "model_version"),
        ({"accepted_events": 7}, "accepted_events"),
        ({"as_of_event_time_ms": 7}, "as_of_event_time_ms"),
        ({"session": {"session_id": "u:1"}}, "session"),
        ({"feature_set": "v0"}, "feature_set"),
        ({"segments": [SegmentMembership(name="fans", since_ms=1)]}, "segments"),
        ({"traits": {"plan": "gold"}}, "traits"),
        ({"model_versions": {"x": "1", "y": "2"}}, "model_versions"),
        ({"tops": [DimensionShares(feature="by_artist")]}, "tops"),
        ({"affinities": [CategoryAffinity(category="hats", share=1.0)]}, "affinities"),
    ],
)
def test_what_else_differs_is_named(fields: dict[str, Any], name: str) -> None:
    found = compare(store_of(value("u", {"x": 0.5})), store_of(value("u", {"x": 0.5}, **fields)))
    assert (found.fields, found.different, found.same) == ({name: 1}, 1, False)
    assert (found.worst[0].size, found.worst[0].fields) == (0.0, [name])


def test_shares_of_categories_have_the_tolerance_too() -> None:
    first, second = (
        store_of(value("u", {}, affinities=[CategoryAffinity(category="hats", share=share)])) for share in (0.5, 0.51)
    )
    assert not compare(first, second).same
    assert compare(first, second, tolerance=0.02).same


def packed(**changed: float) -> bytes:
    return struct.pack(f"<{len(V1)}f", *(changed.get(feature.name, feature.default) for feature in V1))


class TestFeatures:
    first = store_of(value("u", {"x": 0.5}, packed()))
    second = store_of(value("u", {"x": 0.5}, packed(sessions=3.0, tenure_days=0.01)))

    def test_only_where_they_are_asked_for(self) -> None:
        assert compare(self.first, self.second).same
        assert not compare(self.first, self.second, features=True).same

    def test_by_name(self) -> None:
        found = compare(self.first, self.second, features=True, tolerance=0.1)
        assert {name for name, spread in found.features.items() if spread.differ} == {"sessions"}
        assert found.features["sessions"].largest == 2.0
        assert len(found.features) == len(V1)
        assert found.worst[0].values == {"x": (0.5, 0.5), "sessions": (1.0, 3.0)}

    def test_equal_ones_are_counted(self) -> None:
        found = compare(self.first, self.first, features=True)
        assert (found.same, {spread.both for spread in found.features.values()}) == (True, {1})
        assert found.features["sessions"].histogram() == [("equal", 1)]
        assert compare(store_of(value("u", {})), store_of(value("u", {})), features=True).features == {}

    @pytest.mark.parametrize("other", [value("u", {}, packed(), feature_set="v9"), value("u", {}, packed()[:-4])])
    def test_of_a_set_that_is_not_known(self, other: tuple[str, bytes]) -> None:
        found = compare(store_of(value("u", {}, packed())), store_of(other), features=True)
        assert (found.unnamed, found.features) == (1, {})


class TestAges:
    """One namespace whose user has been silent for an hour, and one whose clock has not said so yet."""

    event = UserScores(user_id="u", scores={"x": 0.5}, feature_set="v1", as_of_event_time_ms=7)
    young = store_of(("u", encode_value(1, 1, with_features(packed(sessions=1), event.SerializeToString()))))

    @staticmethod
    def aged(age_s: int) -> InMemoryScoreStore:
        values = struct.unpack(f"<{len(V1)}f", packed(sessions=1))
        message = UserScores(user_id="u", scores={"x": 0.25}, feature_set="v1", as_of_event_time_ms=7, age_s=age_s)
        message.as_of_event.CopyFrom(AsOfEvent(scores={"x": 0.5}, feature_values=values))
        return store_of(("u", encode_value(1, 1, with_age_in_front(message, packed(sessions=2)))))

    @pytest.mark.parametrize("features", [False, True])
    def test_as_of_the_event_they_are_equal(self, features: bool) -> None:
        assert compare(self.young, self.aged(3_600), features=features).same
        assert compare(self.aged(3_600), self.aged(60), features=features).same

    def test_as_they_are_served_they_differ(self) -> None:
        found = compare(self.young, self.aged(3_600), features=True, as_of=AsOf.NOW)
        assert (found.scores["x"].largest, found.features["sessions"].largest) == (0.25, 1.0)
        assert found.fields == {"age_s": 1}
        assert compare(self.aged(60), self.aged(60), features=True, as_of=AsOf.NOW).same


def catalogue(*names: str, declaration: str = "d1") -> Catalogue:
    features = [{"name": name, "vector": True} for name in names]
    return Catalogue.parse(catalogue_of({"name": "media", "hash": declaration, "features": features, "scores": []}, {}))


class TestDeclaredFeatures:
    def stored(self, *values: float, declaration: str = "d1") -> InMemoryScoreStore:
        packed = struct.pack(f"<{len(values)}f", *values)
        return store_of(value("u", {}, packed, feature_set="media", declaration=declaration))

    def compared(self, first: Catalogue, second: Catalogue, *stores: InMemoryScoreStore) -> Comparison:
        return Comparing(features=True, catalogues=(first, second), seen=lambda _: None).run(*stores)

    def test_by_the_names_of_either_namespace(self) -> None:
        """Equal bytes in another order are other features, and equal features in another order are equal."""
        ab, ba = catalogue("a", "b"), catalogue("b", "a")
        found = self.compared(ab, ba, self.stored(1, 2), self.stored(1, 2))
        assert {name: spread.largest for name, spread in found.features.items()} == {"a": 1.0, "b": 1.0}
        assert self.compared(ab, ba, self.stored(1, 2), self.stored(2, 1)).same
        found = self.compared(ab, ab, self.stored(1, 2), self.stored(1, 2))
        assert (found.same, {spread.both for spread in found.features.values()}) == (True, {1})

    def test_one_that_only_one_side_has(self) -> None:
        first, second = catalogue("a", "b"), catalogue("b", declaration="d2")
        found = self.compared(first, second, self.stored(1, 2), self.stored(2, declaration="d2"))
        assert {name: spread.only_first for name, spread in found.features.items()} == {"a": 1, "b": 0}
        assert found.worst[0].values == {"a": (1.0, None)}

    def test_names_that_nobody_tells(self) -> None:
        one = self.stored(1, 2)
        assert self.compared(catalogue("a", "b"), Catalogue(), one, one).unnamed == 1
        assert self.compared(catalogue("a"), catalogue("a"), one, one).unnamed == 1


def test_numbers_that_are_none() -> None:
    spread = Spread()
    assert spread.add(math.nan, math.nan, 0.0) is None
    assert spread.add(math.inf, math.inf, 0.0) is None
    assert spread.add(math.nan, 1.0, 0.0) == math.inf
    assert spread.histogram()[-1] == ("1e+06 and more", 1)


@pytest.mark.parametrize(
    ("difference", "label"),
    [(0.0, "equal"), (5e-10, "below 1e-09"), (1e-9, "1e-09 to 1e-06"), (0.05, "0.05 to 0.1"), (0.07, "0.05 to 0.1")],
)
def test_bins(difference: float, label: str) -> None:
    spread = Spread()
    spread.add(difference, 0.0, 0.0)
    assert spread.histogram() == [(label, 1)]
    assert len(Spread().bins) == len(EDGES) + 1


def test_pages_are_told_of_and_cover_everybody() -> None:
    first, second = (
        store_of(*(stored_user(f"u{number}") for number in range(low, low + 2 * PAGE + 1))) for low in (0, 5)
    )
    told: list[int] = []
    found = compare(first, second, told.append)
    assert (found.only_first, found.only_second, found.equal) == (5, 5, 2 * PAGE - 4)
    assert told == [PAGE, 2 * PAGE, 2 * PAGE + 1, 3 * PAGE + 1, 4 * PAGE + 1, 4 * PAGE + 2]
