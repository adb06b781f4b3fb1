"""When events arrive: late within a bound, and some of them twice. Neither changes the set of events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from console.simulator.shoppers import Ints

_ON_TIME_SHARE = 0.5  # of the events under disorder; the others are late by anything up to the bound
_REPEAT_MS_MAX = 120_000  # how far behind the event its repeat may arrive


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """Rows of events in the order in which they arrive; a row may stand twice."""

    rows: Ints
    time_ms: Ints
    repeats: NDArray[np.bool_]  # whether the row has arrived before


def arrive(rng: np.random.Generator, times_ms: Ints, *, disorder_ms: int, duplicates: float) -> Arrivals:
    """The order of arrival of events that happened at `times_ms`, sorted.

    An event arrives at most `disorder_ms` after it happened, and never before. So what arrived earlier can be newer by
    at most `disorder_ms`: it happened before it arrived, which was before this event's time plus the bound.
    A share `duplicates` of the events arrives again, after its first arrival.
    """
    count = len(times_ms)
    arrival_ms = times_ms.copy()
    if disorder_ms:
        delayed = rng.random(count) >= _ON_TIME_SHARE
        arrival_ms[delayed] += rng.integers(0, disorder_ms, int(delayed.sum()), endpoint=True)
    again = rng.permutation(count)[: round(count * duplicates)]
    again.sort()
    again_ms = arrival_ms[again] + rng.integers(1, _REPEAT_MS_MAX, len(again))
    rows = np.concatenate([np.arange(count), again])
    all_ms = np.concatenate([arrival_ms, again_ms])
    order = np.argsort(all_ms, kind="stable")
    return Arrivals(rows=rows[order], time_ms=all_ms[order], repeats=order >= count)
