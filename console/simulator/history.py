"""A history: an exact number of events, spread over days, as a pure function of the spec."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from console.simulator.sessions import Events, act_out, mean_length, plan_sessions
from console.simulator.shoppers import Floats, Ints, Shoppers
from console.simulator.spec import SimulationSpec
from driftline.units import DAY_MS, HOUR_MS

_SURPLUS = 1.06  # more sessions than the mean asks for, so that a second round is rare
_COVERED_SHARE = 0.75  # of the sessions, spent on giving every user one; the rest goes to the active
_SESSIONS_A_BATCH = 200_000  # bounds the memory of one round
# When shops are visited, hour by hour: weights.
_DAY_CURVE = np.array(
    [2, 1, 0.6, 0.4, 0.4, 0.7, 1.6, 3, 4, 4.6, 5, 5.2, 5.8, 5.4, 5, 5, 5.2, 5.6, 6.2, 7.2, 8, 7.6, 5.8, 3.6]
)
_REST_S = (300.0, 2_400.0)  # least, and usual least, seconds between two sessions of a user


def make_history(spec: SimulationSpec, shoppers: Shoppers) -> tuple[Ints, Events]:
    """The user and the event of each row, sorted by time; `time_ms` counts from the epoch."""
    rng = np.random.default_rng([spec.seed, 2])
    lives_ms = _lives_ms(spec, shoppers)
    users, events = _enough(rng, spec, _while_there(shoppers, lives_ms / spec.history_ms))
    starts_ms = _place(rng, spec, shoppers, users, events, lives_ms)
    order = np.argsort(starts_ms, kind="stable")
    events = events.take(order)
    return users[events.session], _with_times(events, starts_ms[order] + spec.history_start_ms)


def _lives_ms(spec: SimulationSpec, shoppers: Shoppers) -> Ints:
    """How far into the history each user comes: a share of them leaves at any time of it, the others stay."""
    count = len(shoppers.activity)
    lives_ms = np.full(count, spec.history_ms, dtype=np.int64)
    if spec.leaving:
        rng = np.random.default_rng([spec.seed, 6])
        leaves = rng.random(count) < spec.leaving
        lives_ms[leaves] = rng.integers(1, spec.history_ms, int(leaves.sum()), endpoint=True)
    return lives_ms


def _while_there(shoppers: Shoppers, shares: Floats) -> Shoppers:
    """The users with sessions only for their share of the history: who leaves came no more often before."""
    if (shares == 1.0).all():
        return shoppers
    activity = shoppers.activity * shares
    return replace(shoppers, activity=activity / activity.sum())


def _with_times(events: Events, time_ms: Ints) -> Events:
    events.time_ms[:] = time_ms
    return events


def _enough(rng: np.random.Generator, spec: SimulationSpec, shoppers: Shoppers) -> tuple[Ints, Events]:
    """Sessions, by user, and exactly as many of their events as asked for."""
    wanted = spec.history_events
    length, _ = mean_length(np.random.default_rng([spec.seed, 3]), shoppers)
    users_parts: list[Ints] = []
    parts: list[Events] = []
    sessions = total = 0
    while total < wanted:
        planned = round((wanted - total) / length * _SURPLUS) + 8
        everyone = _visitors(rng, shoppers, planned, covered=not parts)
        for users in np.array_split(everyone, -(-planned // _SESSIONS_A_BATCH)):
            events = act_out(rng, shoppers, plan_sessions(rng, shoppers, users))
            events.session[:] += sessions
            users_parts.append(users)
            parts.append(events)
            sessions += len(users)
            total += len(events)
    return _trimmed(rng, np.concatenate(users_parts), Events.joined(parts), wanted)


def _visitors(rng: np.random.Generator, shoppers: Shoppers, sessions: int, *, covered: bool) -> Ints:
    """Who has the sessions, sorted by user: first everybody once as far as it goes, then the active ones."""
    count = len(shoppers.activity)
    once = rng.permutation(count)[: int(sessions * _COVERED_SHARE)] if covered else np.empty(0, dtype=np.int64)
    drawn = np.searchsorted(np.cumsum(shoppers.activity), rng.random(sessions - len(once)), side="right")
    return np.sort(np.concatenate([once, np.minimum(drawn, count - 1)]))


def _trimmed(rng: np.random.Generator, users: Ints, events: Events, wanted: int) -> tuple[Ints, Events]:
    """Drop whole sessions, and the end of one, of users who have others: until `wanted` events are left."""
    surplus = len(events) - wanted
    lengths = np.bincount(events.session, minlength=len(users))
    again = np.zeros(len(users), dtype=bool)
    order = np.argsort(users, kind="stable")
    again[order[1:]] = users[order[1:]] == users[order[:-1]]
    others, firsts = rng.permutation(np.flatnonzero(again)), rng.permutation(np.flatnonzero(~again))
    victims = np.concatenate([others, firsts])
    dropped = np.cumsum(lengths[victims])
    whole = int(np.searchsorted(dropped, surplus, side="right"))
    keep_session = np.ones(len(users), dtype=bool)
    keep_session[victims[:whole]] = False
    keep = keep_session[events.session]
    rest = surplus - (int(dropped[whole - 1]) if whole else 0)
    if rest:
        cut = np.flatnonzero(events.session == victims[whole])
        keep[cut[np.argsort(events.time_ms[cut], kind="stable")][len(cut) - rest :]] = False
    return users, events.take(keep)


def _place(  # noqa: PLR0917  (what there is of a history)
    rng: np.random.Generator, spec: SimulationSpec, shoppers: Shoppers, users: Ints, events: Events, lives_ms: Ints
) -> Ints:
    """When each event happens, in milliseconds from the start of the history.

    Sessions keep their order within a user and do not overlap. A user with more sessions than the days can hold lives
    faster: all their times are scaled.
    """
    lasts_s = np.zeros(len(users))
    np.maximum.at(lasts_s, events.session, events.time_ms / 1_000)
    by_user = np.argsort(users, kind="stable")
    starts_s = _wished_starts_s(rng, spec, shoppers, users, lives_ms[users])
    starts_s = starts_s[np.lexsort((starts_s, users))]  # in time within each user, the users in the order of by_user
    rest_s = _REST_S[0] + rng.exponential(_REST_S[1] - _REST_S[0], len(users))
    apart_s = _pushed_apart(users[by_user], starts_s, lasts_s[by_user] + rest_s)
    session_start_s = np.empty(len(users))
    session_start_s[by_user] = apart_s
    time_ms = session_start_s[events.session] * 1_000 + events.time_ms
    ends_ms = np.zeros(len(shoppers.activity))
    np.maximum.at(ends_ms, users[events.session], time_ms)
    scale = np.minimum(1.0, (lives_ms - 1) / np.maximum(ends_ms, 1.0))
    whose = users[events.session]
    placed_ms: Ints = np.clip(time_ms * scale[whose], 0, lives_ms[whose] - 1).astype(np.int64)
    return placed_ms


def _wished_starts_s(
    rng: np.random.Generator, spec: SimulationSpec, shoppers: Shoppers, users: Ints, spans_ms: Ints
) -> Floats:
    """When the users would like to come: any day while they do, mostly around the hour they prefer."""
    count = len(users)
    curve = np.concatenate([[0.0], np.cumsum(_DAY_CURVE / _DAY_CURVE.sum())])
    usual = np.interp(rng.random(count), curve, np.arange(25.0))
    own = (shoppers.peak_hour[users] + rng.normal(0.0, 1.5, count)) % 24
    hour = np.where(rng.random(count) < 0.7, own, usual)  # noqa: PLR2004
    midnight_ms = spec.history_start_ms % DAY_MS
    day = np.floor(rng.random(count) * np.maximum(1.0, spans_ms / DAY_MS))
    starts_s: Floats = ((day * DAY_MS + hour * HOUR_MS - midnight_ms) % spans_ms) / 1_000
    return starts_s


def _pushed_apart(users: Ints, starts_s: Floats, takes_s: Floats) -> Floats:
    """Starts that leave the session before its time; rows sorted by user, then start.

    A start is the latest of: its wish, and each earlier wish of the user plus all that takes place in between.
    """
    total = np.cumsum(takes_s) - takes_s
    first = np.ones(len(users), dtype=bool)
    first[1:] = users[1:] != users[:-1]
    ordinal = np.cumsum(first) - 1
    before = total - total[first][ordinal]  # what the user's earlier sessions take
    slack = starts_s - before
    apart = float(slack.max() - slack.min()) + 1.0 if len(slack) else 1.0
    pushed_s: Floats = np.maximum.accumulate(slack + ordinal * apart) - ordinal * apart + before
    return pushed_s
