"""Live traffic: event times follow a clock, many users at once, at a steady rate.

Made ahead in windows of a few seconds: the sessions that begin in a window are acted out; what falls beyond the window
waits for the next one. Each window is stretched so that it lasts exactly as long as its events take at the rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from console.simulator.arrival import Arrivals, arrive
from console.simulator.naming import name_events
from console.simulator.records import SimulatedEvent
from console.simulator.sessions import Events, act_out, mean_length, plan_sessions
from console.simulator.shoppers import Ints, Shoppers
from console.simulator.spec import SimulationSpec, id_prefix

_WINDOW_MS = 20_000
_WINDOW_EVENTS_MAX = 40_000  # making these takes a fraction of a second, in which nothing is sent
_BUSY_SHARE_MAX = 0.4  # of the users at any time; above it, sessions are hastier instead
_WARM_UP_SESSIONS_MAX = 200_000
_SLEEP_S_MIN = 0.002  # shorter waits than a scheduler's are not worth a call


def simulate_live(
    spec: SimulationSpec, *, clock: Callable[[], float], sleep: Callable[[float], object]
) -> Iterator[SimulatedEvent]:
    """Events as they arrive, each yielded when it is due; ends at `events` or `duration_s`, else never.

    `clock` gives seconds since the epoch, `sleep` waits for seconds; a sleep that returns early yields early, so that
    a caller can stop at once. Ids differ from one run to the next, users and their habits stay those of the seed.
    A reader slower than the rate gets every event, later.
    """
    if spec.rate is None:
        message = "simulate_live needs a rate"
        raise ValueError(message)
    start_ms = int(clock() * 1_000)
    prefix = id_prefix(spec.seed, "live", start_ms)
    for window in _arrivals(spec, start_ms):
        due_ms = iter(window.due_ms.tolist())
        for event in name_events(window.users, window.events, window.numbers, prefix):
            wait_s = next(due_ms) / 1_000 - clock()
            if wait_s > _SLEEP_S_MIN:
                sleep(wait_s)
            yield event


@dataclass(frozen=True, kw_only=True)
class _Window:
    """Rows that belong together: of events that happen, or of events that arrive, in a stretch of time."""

    users: Ints
    events: Events
    numbers: Ints
    due_ms: Ints

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> _Window:
        return _Window(
            users=self.users[rows], events=self.events.take(rows), numbers=self.numbers[rows], due_ms=self.due_ms[rows]
        )

    @staticmethod
    def joined(parts: list[_Window]) -> _Window:
        return _Window(
            users=np.concatenate([part.users for part in parts]),
            events=Events.joined([part.events for part in parts]),
            numbers=np.concatenate([part.numbers for part in parts]),
            due_ms=np.concatenate([part.due_ms for part in parts]),
        )


def _arrivals(spec: SimulationSpec, start_ms: int) -> Iterator[_Window]:
    """What arrives, window by window: late events and repeats wait until their window comes."""
    rng = np.random.default_rng([spec.seed, start_ms, 5])
    waiting: _Window | None = None
    end_ms = start_ms
    for happened, end_ms in _happenings(spec, start_ms):
        arrivals = arrive(rng, happened.events.time_ms, disorder_ms=spec.disorder_ms, duplicates=spec.duplicates)
        arriving = _in_order(happened, arrivals)
        pool = arriving if waiting is None else _sorted(_Window.joined([waiting, arriving]))
        now = int(np.searchsorted(pool.due_ms, end_ms, side="left"))
        yield pool.take(np.arange(now))
        waiting = pool.take(np.arange(now, len(pool.due_ms)))
    if waiting is not None:  # what is still on its way comes at once: nobody waits for the end of a bound
        waiting.due_ms[:] = np.minimum(waiting.due_ms, end_ms)
        yield waiting


def _in_order(happened: _Window, arrivals: Arrivals) -> _Window:
    taken = happened.take(arrivals.rows)
    return _Window(users=taken.users, events=taken.events, numbers=taken.numbers, due_ms=arrivals.time_ms)


def _sorted(window: _Window) -> _Window:
    return window.take(np.argsort(window.due_ms, kind="stable"))


def _happenings(spec: SimulationSpec, start_ms: int) -> Iterator[tuple[_Window, int]]:
    """What happens, window by window, with the time at which the window ends; sorted by time, at the exact rate."""
    rate = spec.rate or 0.0
    left = spec.events
    end_ms = float(start_ms)
    last_ms = np.inf if spec.duration_s is None else start_ms + spec.duration_s * 1_000
    number = 0
    for window, begin_ms, length_ms in _windows(spec, start_ms):
        count = len(window.users)
        takes_ms = count / rate * 1_000
        offset_ms = (window.events.time_ms - begin_ms) * (takes_ms / length_ms)
        window.events.time_ms[:] = (end_ms + offset_ms).astype(np.int64)
        end_ms += takes_ms
        keep = count if left is None else min(count, left)
        keep = min(keep, int(np.searchsorted(window.events.time_ms, last_ms, side="left")))
        window.numbers[:] = np.arange(number, number + count)
        number += keep
        yield window.take(np.arange(keep)), int(end_ms)
        left = None if left is None else left - keep
        if left == 0 or end_ms >= last_ms:
            return


def _windows(spec: SimulationSpec, start_ms: int) -> Iterator[tuple[_Window, int, int]]:
    """Windows of simulated time without end, each with its begin and length; event times count from an origin."""
    rng = np.random.default_rng([spec.seed, start_ms, 6])
    shoppers = Shoppers.make(spec.users, spec.seed)
    rate = spec.rate or 0.0
    length, lasts_ms = mean_length(np.random.default_rng([spec.seed, 3]), shoppers)
    sessions_per_ms = rate / length / 1_000
    haste = max(1.0, sessions_per_ms * float(lasts_ms.mean()) / (_BUSY_SHARE_MAX * spec.users))
    window_ms = int(np.clip(_WINDOW_EVENTS_MAX / rate * 1_000, 1_000, _WINDOW_MS))
    # Sessions that began before the first window: without them, traffic would begin with nothing but first events.
    warm_up_ms = min(float(np.quantile(lasts_ms, 0.98)) / haste, _WARM_UP_SESSIONS_MAX / sessions_per_ms)
    busy_until_ms = np.full(spec.users, -np.inf)
    begin_ms = -int(warm_up_ms) - 1
    first_length_ms = -begin_ms
    pending: _Window | None = None
    while True:
        length_ms = first_length_ms if begin_ms < 0 else window_ms
        sessions = rng.poisson(sessions_per_ms * length_ms)
        began = _begin(
            rng, shoppers, busy_until_ms, begin_ms=begin_ms, length_ms=length_ms, sessions=sessions, haste=haste
        )
        pool = began if pending is None else _Window.joined([pending, began])
        inside = pool.events.time_ms < begin_ms + length_ms
        pending = pool.take(~inside)
        if begin_ms >= 0 and inside.any():
            window = pool.take(inside)
            yield window.take(np.argsort(window.events.time_ms, kind="stable")), begin_ms, length_ms
        begin_ms += length_ms


def _begin(
    rng: np.random.Generator,
    shoppers: Shoppers,
    busy_until_ms: NDArray[np.float64],
    *,
    begin_ms: int,
    length_ms: int,
    sessions: int,
    haste: float,
) -> _Window:
    """The events of the sessions that begin in a window; users who are in a session are left alone if possible."""
    users = _idle_users(rng, shoppers, busy_until_ms, begin_ms, sessions)
    events = act_out(rng, shoppers, plan_sessions(rng, shoppers, users), haste=haste)
    starts_ms = begin_ms + rng.integers(0, length_ms, sessions)
    events.time_ms[:] += starts_ms[events.session]
    row_users = users[events.session]
    np.maximum.at(busy_until_ms, row_users, events.time_ms)
    zeros = np.zeros(len(events), dtype=np.int64)
    return _Window(users=row_users, events=events, numbers=zeros, due_ms=zeros)


def _idle_users(
    rng: np.random.Generator, shoppers: Shoppers, busy_until_ms: NDArray[np.float64], now_ms: int, count: int
) -> Ints:
    """Users by activity, each at most once while there are enough idle ones; sorted."""
    idle = np.flatnonzero(busy_until_ms < now_ms)
    if len(idle) <= count:
        more = rng.choice(len(busy_until_ms), count - len(idle), p=shoppers.activity)
        return np.sort(np.concatenate([idle, more]))
    # The largest of log(weight) + Gumbel noise are a weighted draw without repetition.
    keys = np.log(shoppers.activity[idle]) + rng.gumbel(size=len(idle))
    return np.sort(idle[np.argpartition(keys, len(keys) - count)[len(keys) - count :]])
