"""Counts and sums by a dimension, over a window that slides by hops."""

from __future__ import annotations

from typing import Any

from udfs.event import Event
from udfs.expressions.node import Node, Scope
from udfs.joined import texts_of
from udfs.profile import Profile
from udfs.reducers.by import CAP, smallest
from udfs.reducers.kind import Kind, On, Sizes, Slots, Step, check_read, required
from udfs.reducers.window import add_to_bucket, sum_since


class AddByKeyToWindow(Step):
    """Adds a weight, or value times weight, to the event's bucket of a key, or of each key of a list."""

    __slots__ = ("_cap", "_hop_ms", "_hops", "_key", "_slot", "_value", "_weight")

    def __init__(  # noqa: PLR0917  (one caller)
        self, slot: int, cap: int, hop_ms: int, hops: int, key: Node, value: Node | None, weight: float
    ) -> None:
        self._slot = slot
        self._cap = cap
        self._hop_ms = hop_ms
        self._hops = hops
        self._key = key
        self._value = value
        self._weight = weight

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Add to the bucket; an empty key has none. Returns how many keys of the window were dropped."""
        amount = self._weight if self._value is None else self._value.number(scope) * self._weight
        table = profile.tables[self._slot]
        bucket = event.time_ms // self._hop_ms
        dropped = 0
        for key in texts_of(self._key.text(scope)):
            dropped += self._add(table, key, bucket, amount)
        return dropped

    def _add(self, table: dict[str, list[float]], key: str, bucket: int, amount: float) -> int:
        series = table.get(key)
        if series is None:
            series = []
            table[key] = series
        add_to_bucket(series, bucket, amount, self._hops)
        return 0 if len(table) <= self._cap else _shrink(table, float(bucket - self._hops), self._cap)


def _shrink(table: dict[str, list[float]], oldest: float, cap: int) -> int:
    """Bring a table to its cap: keys that have left the window are no loss, the smallest (total, key) follow."""
    totals: dict[str, float] = {}
    left: list[str] = []
    for key, series in table.items():
        if series[-2] < oldest:
            left.append(key)
        else:
            totals[key] = sum_since(series, oldest)
    for key in left:
        del table[key]
    dropped = 0
    while len(table) > cap:
        key = smallest(totals)
        del table[key], totals[key]
        dropped += 1
    return dropped


class WindowMap(Node):
    """Reads the sums of the last n hops, and of the current one as far as it has come, by key."""

    __slots__ = ("_hop_ms", "_n", "_slot")

    def __init__(self, slot: int, hop_ms: int, n: int) -> None:
        self._slot = slot
        self._hop_ms = hop_ms
        self._n = n

    def mapping(self, scope: Scope) -> dict[str, float]:
        """Return the sums that are not 0 as of the as-of time; the order is history."""
        oldest = float(int(scope.as_of_ms) // self._hop_ms - self._n)
        sums: dict[str, float] = {}
        for key, series in scope.profile.tables[self._slot].items():
            total = sum_since(series, oldest)
            if total != 0.0:
                sums[key] = total
        return sums


class ByWindow(Kind):
    """`by_window`. Params: cap (32 if absent), hop_ms, hops, agg (count or sum). Reads: ["map", n], n at most hops.

    Buckets and granularity are those of the kind `window`. Over the cap all keys without an event in the window of
    `hops` go, uncounted, because nothing reads them any more; if that is not enough, the smallest (sum, key) goes.
    Then, and where it is read, all buckets of all keys are added up, so many keys and hops cost time.
    """

    def sizes(self, params: dict[str, Any]) -> Sizes:
        """One table, of at most `cap` series of at most hops + 1 pairs."""
        return Sizes(tables=1)

    def step(self, params: dict[str, Any], slots: Slots, on: On) -> Step:
        """Add to a bucket of a key."""
        cap, hop_ms, hops = int(params.get("cap", CAP)), int(params["hop_ms"]), int(params["hops"])
        return AddByKeyToWindow(slots.table, cap, hop_ms, hops, required(on.key), on.value, float(on.weight))

    def reader(self, params: dict[str, Any], slots: Slots, read: list[Any], default: float) -> Node:
        """Return the sums by key."""
        check_read(read, "map")
        return WindowMap(slots.table, int(params["hop_ms"]), int(read[1]))
