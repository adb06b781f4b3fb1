"""Segments: who is in one, as a step of the ordered fold, and as of a time.

A membership that follows from features is folded like everything else: after each event, in event-time order, and at
each declared age of a pause (udfs/plan/looks.py), with two slots of the profile. So hysteresis and the minimum stay do
not depend on how events arrive or are cut into blocks, nor on when somebody looks. A membership that follows from the
score of a model is known only where the user is scored; it has neither of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from udfs.expressions.node import Node, Scope
from udfs.profile import FIRST_MS, LAST_MS, Profile

NO_SLOT: Final = -1  # of a segment over a model's score, which the fold does not know
SLOTS_A_SEGMENT: Final = 2  # one of the four below, and since when that is so in milliseconds (0: always)
# Whether the user is a member, and what made it so; a member's number is positive. Part of the state's format.
IN_BY_EVENT: Final = 1.0
IN_BY_TIME: Final = 2.0
OUT_BY_EVENT: Final = 0.0
OUT_BY_TIME: Final = -1.0


class Membership(NamedTuple):
    """That a user is in a segment, by its name, since an event time in milliseconds."""

    name: str
    since_ms: int


class Segment:
    """A declared segment.

    Attributes:
        name: unique in its plan.
        definition: content hash of what it is declared as.
        slot: the first of its SLOTS_A_SEGMENT in the profile's values; NO_SLOT where it is over a model's score.
        enter: over a model's score, whether the user is a member; otherwise SegmentStep evaluates it.
        scores: names of the scores that `enter` reads (`scores_in`); empty where it is not over a model's.
    """

    __slots__ = ("definition", "enter", "name", "scores", "slot")

    def __init__(self, name: str, definition: str, slot: int, enter: Node, scores: Sequence[str] = ()) -> None:
        self.name = name
        self.definition = definition
        self.slot = slot
        self.enter = enter
        self.scores = list(scores)

    @property
    def on_models(self) -> bool:
        """Whether it is over the score of a model."""
        return self.slot < 0


class SegmentStep:
    """Keeps one membership in the fold; run after each event, once the profile contains it, and at ages.

    A user who is no member comes in where `enter` is true. A member stays for `min_stay_ms` of event time at least, and
    then leaves at the first event or age at which `leave` is true or, without one, `enter` is not. The second slot has
    the time of the last change in either direction, of the event or newest event + age: LEFT is published with the time
    at which it came to be.

    Args:
        enter: of features.
        leave: of features; None: the opposite of `enter`.
        min_stay_ms: in event time.
        slot: the first of SLOTS_A_SEGMENT slots in the profile's values.
    """

    __slots__ = ("_enter", "_leave", "_min_stay_ms", "_slot")

    def __init__(self, enter: Node, leave: Node | None, min_stay_ms: float, slot: int) -> None:
        self._enter = enter
        self._leave = leave
        self._min_stay_ms = min_stay_ms
        self._slot = slot

    def run(self, profile: Profile, scope: Scope) -> None:
        """Update the membership as of the scope's time.

        Args:
            profile: also `scope.profile`; not empty.
            scope: with the features as of the same time: that of the newest event, or of an age.
        """
        values, slot = profile.values, self._slot
        time_ms = scope.as_of_ms
        if values[slot] <= 0.0:
            if self._enter.truth(scope):
                values[slot] = IN_BY_TIME if time_ms > values[LAST_MS] else IN_BY_EVENT
                values[slot + 1] = time_ms
        elif time_ms - values[slot + 1] >= self._min_stay_ms and self._has_left(scope):
            values[slot] = OUT_BY_TIME if time_ms > values[LAST_MS] else OUT_BY_EVENT
            values[slot + 1] = time_ms

    def copy(self, source: Profile, target: Profile) -> None:
        """Copy the membership from a profile to another one of the same layout."""
        slot = self._slot
        target.values[slot] = source.values[slot]
        target.values[slot + 1] = source.values[slot + 1]

    def _has_left(self, scope: Scope) -> bool:
        leave = self._leave
        return leave.truth(scope) if leave is not None else not self._enter.truth(scope)


def memberships(segments: Sequence[Segment], scope: Scope, published: dict[str, int]) -> list[Membership]:
    """Return what a user is a member of as of the scope's time, in the order of declaration.

    Args:
        segments: of the plan.
        scope: with the user's profile, which is not empty, the features and the scores, all as of its time. While a
            score is missing, because its model is, a segment over it keeps its members and takes no others.
        published: `Timeline.segments_published`: a segment over a model's score has no memory of its own.
    """
    found: list[Membership] = []
    values = scope.profile.values
    first_ms, now_ms = int(values[FIRST_MS]), int(scope.as_of_ms)  # no membership is older than its profile
    for segment in segments:
        slot, name = segment.slot, segment.name
        if slot >= 0:
            if values[slot] > 0.0:
                found.append(Membership(name, int(values[slot + 1])))
            continue
        before_ms = published.get(name, 0)
        known = all(score in scope.scores for score in segment.scores)
        if segment.enter.truth(scope) if known else before_ms > 0:
            found.append(Membership(name, max(before_ms, first_ms) if before_ms > 0 else now_ms))
    return found


def scores_in(expression: Any) -> list[str]:
    """Return the names of the scores that an expression of a plan reads, sorted."""
    if not isinstance(expression, list) or not expression:
        return []
    if expression[0] == "score":
        return [str(expression[1])]
    names: list[str] = []
    for part in expression[1:]:
        names += scores_in(part)
    return sorted(set(names))
