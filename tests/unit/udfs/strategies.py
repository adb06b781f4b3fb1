"""Hypothesis strategies: histories of one user, and the ways in which they may arrive."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.builders import HOUR, MINUTE, SECOND, T0
from udfs.event import CUSTOM, PURCHASE, REFUND, VIEW, Event
from udfs.money import LEFT_OUT, NO_CURRENCY, NUMBERS

DISORDER_MS = 60 * SECOND

# Pauses that matter: ties, within and at the disorder bound, at and past the session gap, a day.
PAUSES_MS = st.one_of(
    st.sampled_from(
        [0, 1, DISORDER_MS - 1, DISORDER_MS, DISORDER_MS + 1, 30 * MINUTE - 1, 30 * MINUTE, 30 * MINUTE + 1]
    ),
    st.integers(0, 3 * MINUTE),
    st.integers(0, 30 * HOUR),
)
KINDS = st.one_of(st.integers(VIEW, CUSTOM), st.integers(VIEW, REFUND))
CURRENCIES = st.sampled_from([NO_CURRENCY, NUMBERS["EUR"], NUMBERS["EUR"], NUMBERS["JPY"], LEFT_OUT])


@st.composite
def histories(
    draw: st.DrawFn,
    size_max: int = 30,
    kinds: st.SearchStrategy[int] = KINDS,
    categories: Sequence[str] = ("", "shoes", "hats", "bags", "ties"),
) -> list[Event]:
    """One user's events in order of time, ids distinct."""
    now = T0
    events = []
    for number, pause_ms in enumerate(draw(st.lists(PAUSES_MS, min_size=1, max_size=size_max))):
        now += pause_ms
        value = draw(st.floats(0, 1000, width=32))
        category = draw(st.sampled_from(categories))
        ahead_ms = draw(st.sampled_from([0, 0, 0, 1, SECOND, DISORDER_MS, 5 * MINUTE]))  # of its record
        kind = draw(kinds)
        currency = draw(CURRENCIES) if kind in (PURCHASE, REFUND) else NO_CURRENCY
        name = f"e{draw(st.integers(0, 9))}-{number}"
        events.append(Event(now, name, kind, value, category, now - ahead_ms, currency))
    return events


@dataclass(frozen=True)
class Arrival:
    """Events as they arrive, and how many of them are repeats."""

    events: list[Event]
    repeats: int


@st.composite
def arrivals(draw: st.DrawFn, history: list[Event], disorder_ms: int = DISORDER_MS) -> Arrival:
    """The history shuffled within the disorder bound, with some events repeated anywhere after their first arrival."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    # An event that arrives by (time + a delay of at most the bound) finds none that is newer by more than the bound.
    shuffled = sorted(history, key=lambda e: (e.time_ms + rng.randint(0, disorder_ms), rng.random()))
    repeated = [e for e in history if rng.random() < draw(st.sampled_from([0.0, 0.3]))]
    for e in repeated:
        shuffled.insert(rng.randint(shuffled.index(e) + 1, len(shuffled)), e)
    return Arrival(shuffled, len(repeated))


@st.composite
def splits(draw: st.DrawFn, size: int) -> list[int]:
    """Sizes of consecutive blocks that add up to `size`."""
    sizes = []
    while size:
        sizes.append(draw(st.integers(1, size)))
        size -= sizes[-1]
    return sizes
