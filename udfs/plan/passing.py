"""What time does to a profile between two events: values decay, and a session ends."""

from __future__ import annotations

from math import exp2
from typing import Final

from udfs.plan.reducers import PREVIOUS, SESSION, Reducer
from udfs.profile import NOTHING, SLOTS, Profile
from udfs.reducers.kind import Sizes, Slots

_exp2: Final = exp2  # compiled, a constant is not looked up by its name at each call


class Decay:
    """The values and maps that decay with one half-life."""

    __slots__ = ("half_life_ms", "maps", "values")

    def __init__(self, half_life_ms: float) -> None:
        self.half_life_ms = half_life_ms
        self.values: list[int] = []
        self.maps: list[int] = []

    def pass_time(self, profile: Profile, pause_ms: float) -> None:
        """Let time pass in a profile."""
        keep = _exp2(-pause_ms / self.half_life_ms)
        v = profile.values
        for slot in self.values:
            value = v[slot]
            if value:  # most are 0, and a 0 needs no new float
                v[slot] = value * keep
        for at in self.maps:
            weights = profile.maps[at]
            for name, weight in weights.items():
                weights[name] = weight * keep

    def pass_into(self, profile: Profile, passed: Profile, pause_ms: float) -> None:
        """Put into a copy of the profile what `pass_time` would leave; the profile stays as it is."""
        keep = _exp2(-pause_ms / self.half_life_ms)
        v, into = profile.values, passed.values
        for slot in self.values:
            value = v[slot]
            if value:
                into[slot] = value * keep
        for at in self.maps:
            passed.maps[at] = {name: weight * keep for name, weight in profile.maps[at].items()}


class SessionEnd:
    """What the end of a session does to the state of one reducer: keeps a copy of it elsewhere, or empties it."""

    def run(self, profile: Profile) -> None:
        """Do it."""
        raise NotImplementedError


class Keep(SessionEnd):
    """Copies the state of a reducer, for one of the previous session.

    Args:
        source, target: slots.
        sizes: of both.
    """

    __slots__ = ("_sizes", "_source", "_target")

    def __init__(self, source: Slots, target: Slots, sizes: Sizes) -> None:
        self._source = source
        self._target = target
        self._sizes = sizes

    def run(self, profile: Profile) -> None:
        """Copy; what is emptied afterwards gets new lists and maps."""
        source, target, sizes = self._source, self._target, self._sizes
        for at in range(sizes.values):
            profile.values[target.value + at] = profile.values[source.value + at]
        for at in range(sizes.texts):
            profile.texts[target.text + at] = profile.texts[source.text + at]
        for at in range(sizes.maps):
            profile.maps[target.map + at] = profile.maps[source.map + at]
        for at in range(sizes.series):
            profile.series[target.series + at] = profile.series[source.series + at]
        for at in range(sizes.tables):
            profile.tables[target.table + at] = profile.tables[source.table + at]


class Empty(SessionEnd):
    """Empties the state of a reducer of the current session."""

    __slots__ = ("_sizes", "_slots")

    def __init__(self, slots: Slots, sizes: Sizes) -> None:
        self._slots = slots
        self._sizes = sizes

    def run(self, profile: Profile) -> None:
        """Begin a session."""
        slots, sizes = self._slots, self._sizes
        for at in range(slots.value, slots.value + sizes.values):
            profile.values[at] = 0.0
        for at in range(slots.text, slots.text + sizes.texts):
            profile.texts[at] = ""
        for at in range(slots.map, slots.map + sizes.maps):
            profile.maps[at] = {}
        for at in range(slots.series, slots.series + sizes.series):
            profile.series[at] = NOTHING
        for at in range(slots.table, slots.table + sizes.tables):
            profile.tables[at] = {}


def decays_of(reducers: list[Reducer]) -> list[Decay]:
    """Return what decays, by half-life; a session that has ended does not decay any more."""
    found: dict[float, Decay] = {}
    for reducer in reducers:
        half_life_ms = reducer.kind.half_life_ms(reducer.params)
        if half_life_ms <= 0.0:
            continue
        decay = found.setdefault(half_life_ms, Decay(half_life_ms))
        slots, sizes = reducer.slots, reducer.sizes
        decay.values += range(slots.value, slots.value + sizes.values)
        decay.maps += range(slots.map, slots.map + sizes.maps)
    return list(found.values())


def session_ends_of(reducers: list[Reducer]) -> list[SessionEnd]:
    """Return what the end of a session does, copies first, and the slots of v1, which the fold empties itself, last."""
    kept = [
        Keep(reducers[reducer.source].slots, reducer.slots, reducer.sizes)
        for reducer in reducers
        if reducer.scope == PREVIOUS
    ]
    emptied = [
        Empty(reducer.slots, reducer.sizes)
        for reducer in reducers
        if reducer.scope == SESSION and not is_first(reducer.slots, reducer.sizes)
    ]
    return [*kept, *emptied]


def is_first(slots: Slots, sizes: Sizes) -> bool:
    """Whether a reducer's slots are among those of v1."""
    small = (not sizes.values or slots.value < SLOTS) and (not sizes.texts or slots.text == 0)
    return small and (not sizes.maps or slots.map == 0) and not sizes.series and not sizes.tables
