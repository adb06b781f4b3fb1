"""Looks at memberships while a user is silent: at each declared age, before what comes next (decision 34).

An age is a time since the newest event. It is a part of the fold whether somebody looks at the user then or not: the
event that follows a pause first catches up on the ages in it, so memberships do not depend on any clock. An event at
the very time of an age comes before the age, which is then not looked at: as of a time is after all events until then.
"""

from __future__ import annotations

from math import inf

from udfs.expressions.node import Scope
from udfs.plan.features import Computed, Features
from udfs.plan.passing import Decay
from udfs.profile import LAST_MS, Profile
from udfs.segments import SegmentStep


class Looks:
    """Brings memberships up to an age.

    Args:
        ages_s: the declared ages in seconds, ascending.
        steps: of the segments in the fold.
        features: evaluates features.
        watched: what the segments' conditions need of them.
        decays: what of this decays.

    Attributes:
        first_ms: the first age in milliseconds; infinite where there is nothing to look at.
    """

    __slots__ = ("_ages_ms", "_decays", "_features", "_steps", "_watched", "first_ms")

    def __init__(
        self,
        ages_s: list[int],
        steps: list[SegmentStep],
        features: Features,
        watched: Computed | None,
        decays: list[Decay],
    ) -> None:
        self._ages_ms: list[float] = [age_s * 1_000.0 for age_s in ages_s] if steps else []
        self._steps = steps
        self._features = features
        self._watched = watched
        self._decays = decays
        self.first_ms: float = self._ages_ms[0] if self._ages_ms else inf

    def run(self, profile: Profile, through_ms: float, scope: Scope) -> None:
        """Look at each age of at most `through_ms` since the newest event; changes the slots of memberships alone.

        Args:
            profile: as of its newest event; not empty.
            through_ms: the last age, in milliseconds.
            scope: to evaluate on; is left as of the last age.
        """
        if through_ms < self.first_ms:
            return
        passed = _to_pass(profile)
        last_ms = profile.values[LAST_MS]
        for age_ms in self._ages_ms:
            if age_ms > through_ms:
                break
            for decay in self._decays:
                decay.pass_into(profile, passed, age_ms)  # always from the event: one rounding, whatever the ages
            scope.see_at(passed, last_ms + age_ms)
            self._features.compute(self._watched, scope)
            for step in self._steps:
                step.run(passed, scope)
        for step in self._steps:
            step.copy(passed, profile)


def _to_pass(profile: Profile) -> Profile:
    """Return a copy in which time may pass. What only events change is shared: nobody but the fold changes it."""
    return Profile(profile.values[:], profile.texts, profile.maps[:], profile.series, profile.tables)
