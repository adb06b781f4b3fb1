"""One reducer alone, folded as a plan folds it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp2
from typing import Any

from udfs.event import Event
from udfs.expressions.build import build
from udfs.expressions.node import Node, Scope
from udfs.profile import EVENTS, LAST_MS, NOTHING, SLOTS, Profile
from udfs.reducers.kind import On, Slots
from udfs.reducers.kinds import KINDS

FENCE = 7.25  # in a slot of another reducer, on each side


@dataclass(frozen=True)
class Taken:
    """What the reducer takes of the events of one type: `value` is "number", "text" or None."""

    value: str | None = None
    key: bool = False
    weight: float = 1.0

    def on(self) -> On:
        field = {"number": ["number_field", 0], "text": ["text_field", 0]}
        value = None if self.value is None else build(field[self.value], [], "UTC")
        return On(value, build(["text_field", 1], [], "UTC") if self.key else None, self.weight)


class Folded:
    """A profile with one reducer between two others, which nothing may touch."""

    def __init__(
        self, kind: str, params: dict[str, Any], taken: Mapping[int, Taken], profile: Profile | None = None
    ) -> None:
        self.kind_name, self.kind, self.params, self.taken = kind, KINDS[kind], params, taken
        self.sizes = self.kind.sizes(params)
        self.slots = Slots(SLOTS + 1, 2, 2, 1, 1)
        self.steps = {number: self.kind.step(params, self.slots, each.on()) for number, each in taken.items()}
        self.profile = profile if profile is not None else self._empty()
        self.scope = Scope(self.profile, [])
        self.dropped = 0

    def _empty(self) -> Profile:
        sizes = self.sizes
        return Profile(
            [*[0.0] * SLOTS, FENCE, *[0.0] * sizes.values, FENCE],
            ["", "fence", *[""] * sizes.texts, "fence"],
            [{}, {"fence": FENCE}, *[{} for _ in range(sizes.maps)], {"fence": FENCE}],
            [[FENCE], *[NOTHING] * sizes.series, [FENCE]],
            [{"fence": [FENCE]}, *[{} for _ in range(sizes.tables)], {"fence": [FENCE]}],
        )

    def add(self, event: Event) -> None:
        values = self.profile.values
        if values[EVENTS] and self.kind.half_life_ms(self.params):
            self._decay(exp2(-(event.time_ms - values[LAST_MS]) / self.kind.half_life_ms(self.params)))
        values[EVENTS] += 1.0
        values[LAST_MS] = float(event.time_ms)
        self.scope.see(self.profile)
        self.scope.event = event
        if event.type in self.steps:
            self.dropped += self.steps[event.type].add(self.profile, event, self.scope)
            assert not NOTHING, "the empty series of all profiles was changed"

    def add_all(self, events: Iterable[Event]) -> Folded:
        for event in events:
            self.add(event)
        return self

    def later(self, age_ms: int) -> Folded:
        """A copy, to be read as of a time after the newest event."""
        copied = Folded(self.kind_name, self.params, self.taken, self.profile.copy())
        half_life_ms = self.kind.half_life_ms(self.params)
        if half_life_ms:
            copied._decay(exp2(-age_ms / half_life_ms))
        copied.scope.see_at(copied.profile, self.profile.values[LAST_MS] + age_ms)
        return copied

    def _decay(self, keep: float) -> None:
        for slot in range(self.slots.value, self.slots.value + self.sizes.values):
            self.profile.values[slot] *= keep
        for weights in self.own_maps():
            for key in weights:
                weights[key] *= keep

    def own_maps(self) -> list[dict[str, float]]:
        return self.profile.maps[self.slots.map : self.slots.map + self.sizes.maps]

    def own_series(self) -> list[list[float]]:
        return self.profile.series[self.slots.series : self.slots.series + self.sizes.series]

    def own_tables(self) -> list[dict[str, list[float]]]:
        return self.profile.tables[self.slots.table : self.slots.table + self.sizes.tables]

    def node(self, read: list[Any], default: float = 0.0) -> Node:
        return self.kind.reader(self.params, self.slots, read, default)

    def read(self, read: list[Any], gives: str = "number", default: float = 0.0) -> float | str | dict[str, float]:
        node = self.node(read, default)
        if gives == "text":
            return node.text(self.scope)
        return dict(node.mapping(self.scope)) if gives == "map" else node.number(self.scope)

    def fences_stand(self) -> bool:
        p = self.profile
        ends = (
            [p.values[SLOTS], p.values[-1]] == [FENCE, FENCE]
            and [p.texts[1], p.texts[-1]] == ["fence", "fence"]
            and [p.maps[1], p.maps[-1]] == [{"fence": FENCE}] * 2
            and [p.series[0], p.series[-1]] == [[FENCE]] * 2
            and [p.tables[0], p.tables[-1]] == [{"fence": [FENCE]}] * 2
        )
        beginning = not any(p.values[LAST_MS + 1 : SLOTS]) and p.texts[0] == "" and p.maps[0] == {}
        sizes = (len(p.values), len(p.texts), len(p.maps), len(p.series), len(p.tables))
        return ends and beginning and sizes == _lengths(self._empty())


def _lengths(p: Profile) -> tuple[int, int, int, int, int]:
    return len(p.values), len(p.texts), len(p.maps), len(p.series), len(p.tables)


def packed(profile: Profile) -> bytes:
    """All that a profile holds, in an order that is not history."""
    floats = [*profile.values]
    words: list[str] = [*profile.texts]
    for weights in profile.maps:
        for key in sorted(weights):
            words.append(key)
            floats.append(weights[key])
    for series in profile.series:
        floats += [float(len(series)), *series]
    for table in profile.tables:
        for key in sorted(table):
            words.append(key)
            floats += [float(len(table[key])), *table[key]]
    return struct.pack(f"<{len(floats)}d", *floats) + repr(words).encode()


def restored(profile: Profile) -> Profile:
    """The profile as it comes back from the state: other objects, and dicts in another order."""
    return Profile(
        [*profile.values],
        [*profile.texts],
        [dict(sorted(weights.items(), reverse=True)) for weights in profile.maps],
        [[*series] for series in profile.series],
        [{key: [*table[key]] for key in sorted(table, reverse=True)} for table in profile.tables],
    )
