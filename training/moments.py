"""The moments at which examples are taken: events, and times at which a user has been silent since one. Pure.

A moment of silence is an event's time plus one of the ages that scores are evaluated at, where the user did nothing
until then. So a model learns from what it is asked about when it is served.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from driftline.units import SECOND_MS
from udfs.event import Event
from udfs.hashing import hash64

_HASHES: Final = 1 << 64


class Moment(NamedTuple):
    """When an example is taken.

    Attributes:
        event: position of the newest event then, among the user's.
        age_s: how long the user had been silent, in seconds; 0: at the event.
        time_ms: the time.
    """

    event: int
    age_s: int
    time_ms: int


class Silences:
    """The moments of silence of a user's history.

    Attributes:
        known: those whose label is known by the end of the history, in order of time.
        unknown: how many others there are that were reached before the end.
    """

    __slots__ = ("known", "unknown")

    def __init__(self, known: list[Moment], unknown: int) -> None:
        self.known = known
        self.unknown = unknown


def silences_of(
    events: Sequence[Event], ages_s: Sequence[int], *, within_ms: int, end_ms: int, forgotten_after_ms: int
) -> Silences:
    """Return the moments at which a user has reached an age before the next event.

    An age that ends at the very time of an event is not reached: that is the event's moment.

    Args:
        events: of the user, sorted by time.
        ages_s: the declared ages, ascending.
        within_ms: how far the label looks.
        end_ms: time of the last event of anybody: how far the history is known.
        forgotten_after_ms: the silence after which a user is forgotten, and not scored any more.
    """
    known: list[Moment] = []
    unknown = 0
    for at, event in enumerate(events):
        next_ms = events[at + 1].time_ms if at + 1 < len(events) else end_ms + 1
        for age_s in ages_s:
            age_ms = age_s * SECOND_MS
            time_ms = event.time_ms + age_ms
            if time_ms >= next_ms or age_ms > forgotten_after_ms:
                break
            if time_ms + within_ms <= end_ms:
                known.append(Moment(at, age_s, time_ms))
            else:
                unknown += 1
    return Silences(known, unknown)


class Sample:
    """Which moments of silence are kept: of each age at most about its part of as many as there are events.

    Users who are silent for good reach every age, so without a bound they would outnumber the events. Long ages are
    reached by few, and mostly kept whole. The choice is by hash of user, time and age: the same history always gives
    the same one, it does not depend on what else is in the history but for the numbers, and knows nothing of labels.

    Args:
        events: number of examples at events.
        by_age: number of moments by age.
    """

    def __init__(self, events: int, by_age: dict[int, int]) -> None:
        quota = events / len(by_age) if by_age else 0.0
        self._below = {age_s: _HASHES * min(1.0, quota / number) for age_s, number in by_age.items()}

    def keeps(self, user_id: str, moment: Moment) -> bool:
        """Whether a moment becomes an example."""
        return hash64(f"{user_id}\0{moment.time_ms}\0{moment.age_s}") < self._below[moment.age_s]


def moments_of(events: Sequence[Event], known: int, silences: Sequence[Moment]) -> list[Moment]:
    """Return the moments of the first events, and of silence, each behind its event: in order of time."""
    at_events = [Moment(at, 0, event.time_ms) for at, event in enumerate(events[:known])]
    return sorted([*at_events, *silences])
