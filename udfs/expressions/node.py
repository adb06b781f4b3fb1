"""The base of expressions: a node gives a number, a truth, a text or a map, evaluated on a scope."""

from __future__ import annotations

from udfs.event import NO_EVENT, Event
from udfs.profile import LAST_MS, Profile


class Scope:
    """What an expression is evaluated on; one object is used again and again.

    Attributes:
        reading: a number that changes whenever the profile may have changed: what was computed before is no longer so.
        profile: the user's profile; not empty where features are evaluated. Set by `see`.
        values: of the profile, because most expressions read slots.
        as_of_ms: the time that the profile is evaluated at: that of its newest event, or a later one.
        event: in the steps of the fold, the event that is folded.
        features: the values of number features, by position; those before the one that is evaluated are set.
        scores: by name, in segments.
    """

    __slots__ = ("as_of_ms", "event", "features", "profile", "reading", "scores", "values")

    def __init__(self, profile: Profile, features: list[float]) -> None:
        self.profile = profile
        self.values = profile.values
        self.as_of_ms = profile.values[LAST_MS]
        self.reading = 0
        self.event: Event = NO_EVENT
        self.features = features
        self.scores: dict[str, float] = {}

    def see(self, profile: Profile) -> None:
        """Evaluate on this profile from now on, or on what has become of it, as of its newest event."""
        self.profile = profile
        self.values = profile.values
        self.as_of_ms = profile.values[LAST_MS]
        self.reading += 1

    def see_at(self, profile: Profile, as_of_ms: float) -> None:
        """Evaluate on this profile as of a time after its newest event; it has passed in the profile (`Plan.aged`)."""
        self.see(profile)
        self.as_of_ms = as_of_ms


class Ranking:
    """A map in order of weight, and the sum of the weights, added in this order.

    Attributes:
        names: the largest weight first, ties by name.
        total: the sum.
        weights: the map.
    """

    __slots__ = ("names", "total", "weights")

    def __init__(self, weights: dict[str, float]) -> None:
        names = sorted(weights)
        names.sort(key=weights.__getitem__, reverse=True)  # is stable; a key of two parts takes more than twice as long
        total = 0.0
        for name in names:
            total += weights[name]
        self.names: list[str] = names
        self.total = total
        self.weights = weights


class Node:
    """An expression. A subclass overrides what its type needs: `number` or `truth`, `text`, or `mapping`.

    Pure: the same scope gives the same value, and no method reads a clock or changes the scope.
    """

    def number(self, scope: Scope) -> float:
        """Return the value of a number; 1 or 0 of a truth."""
        return 1.0 if self.truth(scope) else 0.0

    def truth(self, scope: Scope) -> bool:
        """Return the value of a truth; of a number, whether it is not 0."""
        return self.number(scope) != 0.0

    def text(self, scope: Scope) -> str:
        """Return the value of a text."""
        raise TypeError(type(self).__name__)

    def mapping(self, scope: Scope) -> dict[str, float]:
        """Return the value of a map; not to be changed."""
        raise TypeError(type(self).__name__)

    def ranking(self, scope: Scope) -> Ranking:
        """Return a map in order of weight; not to be changed."""
        return Ranking(self.mapping(scope))


class Constant(Node):
    """A number."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value

    def number(self, scope: Scope) -> float:
        """Return it."""
        return self.value
