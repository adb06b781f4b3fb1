"""The fold's memberships in segments against a naive replay of the sorted times, and what a user is published in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.expressions.build import build
from udfs.expressions.node import Node, Scope
from udfs.profile import EVENTS, FIRST_MS, LAST_MS, SLOTS, Profile
from udfs.segments import NO_SLOT, SLOTS_A_SEGMENT, Membership, Segment, SegmentStep, memberships, scores_in

SLOT = SLOTS  # the first slot behind those of v1


def above(least: float) -> Node:
    """Whether the first feature is at least as large."""
    return build([">=", ["feature", 0], least], [], "UTC")


def below(most: float) -> Node:
    """Whether the first feature is less."""
    return build(["<", ["feature", 0], most], [], "UTC")


def new_profile() -> Profile:
    return Profile([0.0] * (SLOTS + SLOTS_A_SEGMENT))


def fold(step: SegmentStep, observed: list[tuple[int, float]], profile: Profile | None = None) -> Profile:
    profile = profile or new_profile()
    scope = Scope(profile, [0.0])
    for time_ms, feature in observed:
        profile.values[LAST_MS] = time_ms
        profile.values[EVENTS] += 1
        scope.see(profile)
        scope.features[0] = feature
        step.run(profile, scope)
    return profile


def naive(observed: list[tuple[int, float]], enter: float, leave: float | None, min_stay_ms: int) -> list[int]:
    """The times of the changes: coming in, leaving, coming in, ... found by looking ahead from each."""
    changes: list[int] = []
    rest = observed
    while True:
        came = next((at for at, (_, value) in enumerate(rest) if value >= enter), None)
        if came is None:
            return changes
        changes.append(rest[came][0])
        rest = rest[came + 1 :]
        below = enter if leave is None else leave
        since_ms = changes[-1]
        left = next((at for at, (ms, value) in enumerate(rest) if value < below and ms >= since_ms + min_stay_ms), None)
        if left is None:
            return changes
        changes.append(rest[left][0])
        rest = rest[left + 1 :]


OBSERVED = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0])), max_size=40, unique_by=lambda one: one[0]
).map(sorted)


@given(OBSERVED, st.sampled_from([None, 1.0, 2.0, 3.0]), st.integers(0, 20))
def test_a_membership_is_what_a_naive_replay_finds_after_every_event(
    observed: list[tuple[int, float]], leave: float | None, min_stay_ms: int
) -> None:
    step = SegmentStep(above(3.0), None if leave is None else below(leave), min_stay_ms, SLOT)
    profile = new_profile()
    for number, one in enumerate(observed, start=1):
        fold(step, [one], profile)
        changes = naive(observed[:number], 3.0, leave, min_stay_ms)
        assert profile.values[SLOT] == len(changes) % 2
        assert profile.values[SLOT + 1] == (changes[-1] if changes else 0)


@given(OBSERVED, st.integers(0, 20))
def test_a_member_stays_for_the_minimum(observed: list[tuple[int, float]], min_stay_ms: int) -> None:
    changes = naive(observed, 3.0, None, min_stay_ms)
    step = SegmentStep(above(3.0), None, min_stay_ms, SLOT)
    assert fold(step, observed).values[SLOT] == len(changes) % 2
    assert all(left - came >= min_stay_ms for came, left in list(pairwise(changes))[::2])


def test_between_enter_and_leave_a_membership_stays_as_it_is() -> None:
    step = SegmentStep(above(20.0), below(10.0), 0, SLOT)
    profile = new_profile()
    seen = []
    for time_ms, plays in enumerate([15, 20, 15, 10, 9, 15, 19], start=1):
        fold(step, [(time_ms, float(plays))], profile)
        seen.append((int(profile.values[SLOT]), int(profile.values[SLOT + 1])))
    assert seen == [(0, 0), (1, 2), (1, 2), (1, 2), (0, 5), (0, 5), (0, 5)]


def test_only_its_own_slots_change() -> None:
    step = SegmentStep(above(1.0), None, 0, SLOT)
    profile = fold(step, [(5, 1.0)])
    expected = new_profile()
    expected.values[LAST_MS], expected.values[EVENTS] = 5, 1
    expected.values[SLOT : SLOT + 2] = [1, 5]
    assert profile.values == expected.values


def scope_at(last_ms: int, scores: dict[str, float] | None = None) -> Scope:
    profile = new_profile()
    profile.values[LAST_MS], profile.values[EVENTS] = last_ms, 1
    scope = Scope(profile, [0.0])
    scope.scores = scores or {}
    return scope


FANS = Segment("fans", "f1", SLOT, Node())
LIKELY = Segment("likely", "l1", NO_SLOT, build([">", ["score", "finish"], 0.8], [], "UTC"), ["finish"])


def test_memberships_come_in_the_order_of_declaration() -> None:
    scope = scope_at(9, {"finish": 0.9})
    scope.profile.values[SLOT : SLOT + 2] = [1, 4]
    assert memberships([FANS, LIKELY], scope, {}) == [Membership("fans", 4), Membership("likely", 9)]
    assert memberships([LIKELY, FANS], scope, {}) == [Membership("likely", 9), Membership("fans", 4)]
    assert (FANS.on_models, LIKELY.on_models) == (False, True)


def test_a_time_of_leaving_is_no_membership() -> None:
    scope = scope_at(9)
    scope.profile.values[SLOT + 1] = 4
    assert memberships([FANS], scope, {"fans": 2}) == []


@pytest.mark.parametrize(
    ("finish", "published", "expected"),
    [
        (0.9, {}, [Membership("likely", 9)]),
        (0.9, {"likely": 3}, [Membership("likely", 3)]),
        (0.8, {"likely": 3}, []),
        (None, {"likely": 3}, [Membership("likely", 3)]),  # no model: nobody comes in, nobody leaves
        (None, {}, []),
    ],
)
def test_a_segment_over_a_models_score(
    finish: float | None, published: dict[str, int], expected: list[Membership]
) -> None:
    scores = {} if finish is None else {"finish": finish}
    assert memberships([LIKELY], scope_at(9, scores), published) == expected


@pytest.mark.parametrize("scores", [{}, {"finish": 0.9}])
def test_a_membership_is_not_older_than_the_profile(scores: dict[str, float]) -> None:
    """A FORGET or a long silence has ended the one that was published."""
    scope = scope_at(9, scores)
    scope.profile.values[FIRST_MS] = 6
    assert memberships([LIKELY], scope, {"likely": 3}) == [Membership("likely", 6)]


def test_the_scores_of_an_expression() -> None:
    expression = ["&&", [">", ["score", "b"], 0.5], ["<", ["score", "a"], ["+", ["score", "b"], 1]]]
    assert scores_in(expression) == ["a", "b"]
    assert scores_in([">", ["feature", 0], 1]) == []
    assert scores_in(1.0) == []
