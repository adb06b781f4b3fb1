"""What happens within a session: a small Markov chain driven by what the shopper came for.

All sessions of a batch take their steps together, one numpy operation for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from console.simulator.shoppers import (
    CAMPAIGN_0,
    CAMPAIGNS,
    CATEGORIES,
    CUSTOM_NAMES,
    EMAIL,
    NO_ITEM,
    NO_PROPERTIES,
    PRICE_CENTS,
    QUERY_0,
    QUERY_KINDS,
    SURVEY,
    Floats,
    Ints,
    Shoppers,
)
from driftline.units import MINUTE_MS

# Indices of the tables below, not the numbers of the contract: events get their types by name.
TYPES = ("VIEW", "CLICK", "SEARCH", "ADD_TO_CART", "PURCHASE", "CUSTOM", "EMAIL_OPEN", "SURVEY_RESPONSE")
VIEW, CLICK, SEARCH, CART, PURCHASE, CUSTOM, EMAIL_OPEN, SURVEY_RESPONSE = range(len(TYPES))
_END = EMAIL_OPEN  # as the outcome of a step: no step opens an e-mail
_START = SURVEY_RESPONSE  # as what came before the first step: nothing follows a survey
_OUTCOMES = 7

BROWSING, RESEARCHING, BUYING = range(3)
STEPS_MAX = 60
NO_VALUE = -1

# What follows what, as weights: [intent][what came before][VIEW, CLICK, SEARCH, CART, PURCHASE, CUSTOM, end].
_CHAIN = np.array(
    [
        [  # browsing
            [4.2, 1.7, 0.45, 0.06, 0.00, 0.04, 1.70],  # VIEW
            [4.4, 0.7, 0.30, 0.20, 0.01, 0.10, 1.30],  # CLICK
            [4.4, 1.0, 0.80, 0.03, 0.00, 0.02, 1.20],  # SEARCH
            [3.2, 0.6, 0.40, 0.15, 0.14, 0.05, 1.80],  # CART
            [1.0, 0.2, 0.20, 0.05, 0.00, 0.02, 4.00],  # PURCHASE
            [3.0, 0.8, 0.40, 0.10, 0.01, 0.02, 1.60],  # CUSTOM
            [3.4, 1.2, 0.20, 0.03, 0.00, 0.02, 2.40],  # EMAIL_OPEN
            [7.6, 0.3, 1.10, 0.00, 0.00, 0.00, 0.00],  # first
        ],
        [  # researching
            [2.4, 3.2, 1.70, 0.14, 0.01, 0.30, 0.70],
            [3.2, 1.6, 1.20, 0.40, 0.02, 0.50, 0.60],
            [4.0, 2.2, 1.40, 0.06, 0.00, 0.05, 0.45],
            [2.6, 1.2, 0.90, 0.30, 0.30, 0.20, 1.10],
            [1.0, 0.3, 0.30, 0.05, 0.00, 0.05, 3.50],
            [2.6, 1.2, 0.80, 0.20, 0.02, 0.10, 0.90],
            [3.0, 2.4, 1.00, 0.05, 0.00, 0.05, 1.00],
            [3.0, 0.6, 5.40, 0.00, 0.00, 0.00, 0.00],
        ],
        [  # buying
            [0.9, 3.6, 0.40, 1.00, 0.45, 0.06, 0.25],
            [1.0, 0.9, 0.20, 2.60, 0.50, 0.08, 0.20],
            [1.6, 3.6, 0.40, 0.50, 0.10, 0.02, 0.20],
            [0.7, 0.5, 0.15, 0.60, 2.60, 0.04, 0.35],
            [0.8, 0.2, 0.10, 0.08, 0.00, 0.04, 4.20],
            [1.2, 1.6, 0.30, 1.00, 0.30, 0.02, 0.30],
            [1.6, 3.2, 0.40, 0.50, 0.05, 0.02, 0.40],
            [1.8, 3.0, 2.00, 0.80, 0.00, 0.00, 0.00],
        ],
    ]
)
# Seconds until the next event, by what came before: the middle of a log-normal.
_SECONDS = np.array([16.0, 11.0, 9.0, 24.0, 45.0, 12.0, 7.0, 1.0])
_SECONDS_SIGMA = 0.75
_GAP_MS = (400, 20 * MINUTE_MS)  # never hastier, never so long that a session would fall apart


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Who comes, and what for: one row a session."""

    user: Ints
    intent: NDArray[np.int8]
    category: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True, kw_only=True)
class Events:
    """What happened: one row an event, numbers for names. `time_ms` counts from the session's first event."""

    session: Ints
    time_ms: Ints
    kind: NDArray[np.int8]
    item: NDArray[np.int32]
    category: NDArray[np.int8]
    cents: NDArray[np.int32]
    channel: NDArray[np.int8]
    name: NDArray[np.int8]
    properties: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.session)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Events:
        """The given rows, in that order."""
        return Events(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @staticmethod
    def joined(parts: list[Events]) -> Events:
        """All rows of all parts."""
        return Events(
            **{field.name: np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Events)}
        )


def plan_sessions(rng: np.random.Generator, shoppers: Shoppers, users: Ints) -> Sessions:
    """What the sessions of `users` are for; a user's rows stand together, in the order in which they will happen.

    Shoppers are on missions of one to a few sessions in one category. Missions often begin with research, and the
    last session of one is where a purchase is likely: so what a user did before says something of what comes next.
    """
    sessions = len(users)
    first = np.ones(sessions, dtype=bool)
    first[1:] = (users[1:] != users[:-1]) | (rng.random(sessions - 1) < 0.55)  # noqa: PLR2004  (1.8 sessions a mission)
    last = np.append(first[1:], True)
    mission = np.cumsum(first) - 1
    mission_user = users[first]
    category = shoppers.pick_category(rng, mission_user)
    ready = rng.normal(0.0, 0.6, len(mission_user)) + shoppers.affinity[mission_user] > 0.85  # noqa: PLR2004
    drawn = rng.random(sessions)
    buying_share = np.where(ready[mission] & last, 0.75, 0.015)
    research_share = np.where(ready[mission], 0.85, 0.15)
    intent = np.where(
        drawn < buying_share, BUYING, np.where(rng.random(sessions) < research_share, RESEARCHING, BROWSING)
    )
    return Sessions(user=users, intent=intent.astype(np.int8), category=category[mission])


def act_out(rng: np.random.Generator, shoppers: Shoppers, sessions: Sessions, *, haste: float = 1.0) -> Events:
    """The events of `sessions`; each has at least one. `haste` divides the seconds between events."""
    walk = _Walk(rng, shoppers, sessions, haste)
    walk.open_emails()
    for _ in range(STEPS_MAX):
        if not walk.step():
            break
    walk.answer_surveys()
    return Events.joined(walk.parts)


class _Walk:
    """The state of all sessions of a batch while they take their steps."""

    def __init__(self, rng: np.random.Generator, shoppers: Shoppers, sessions: Sessions, haste: float) -> None:
        count = len(sessions)
        users = sessions.user
        self.parts: list[Events] = []
        self._rng = rng
        self._shoppers = shoppers
        self._sessions = sessions
        self._haste = haste
        self._active = np.arange(count)
        self._time_ms = np.zeros(count, dtype=np.int64)
        self._before = np.full(count, _START, dtype=np.int8)
        self._item = np.full(count, NO_ITEM, dtype=np.int32)
        self._category = sessions.category.copy()
        self._cart_item = np.full(count, NO_ITEM, dtype=np.int32)
        self._cart_cents = np.zeros(count, dtype=np.int32)
        self._bought = np.zeros(count, dtype=bool)
        loyal = rng.random(count) < 0.85  # noqa: PLR2004  (else another device is at hand)
        self._channel = np.where(loyal, shoppers.device[users], rng.integers(0, 3, count)).astype(np.int8)
        self._campaign = np.zeros(count, dtype=np.int8)

    def open_emails(self) -> None:
        """Some sessions begin with an e-mail, and then often carry its campaign."""
        rng = self._rng
        opened = np.flatnonzero(rng.random(len(self._active)) < self._shoppers.email_share[self._sessions.user])
        campaign = (CAMPAIGN_0 + rng.integers(0, len(CAMPAIGNS), len(opened))).astype(np.int8)
        self._campaign[opened] = np.where(rng.random(len(opened)) < 0.6, campaign, NO_PROPERTIES)  # noqa: PLR2004
        channel = np.full(len(opened), EMAIL, dtype=np.int8)
        self._emit(opened, EMAIL_OPEN, item=False, category=False, channel=channel, properties=campaign)
        self._before[opened] = EMAIL_OPEN
        self._wait(opened)

    def step(self) -> bool:
        """One event of every session that goes on. False when all have ended."""
        rows = self._active
        outcome = self._outcomes(rows)
        goes_on = outcome != _END
        rows, outcome = rows[goes_on], outcome[goes_on]
        self._active = rows
        if not len(rows):
            return False
        for kind, happen in enumerate(
            (self._view, self._click, self._search, self._cart, self._purchase, self._custom)
        ):
            chosen = rows[outcome == kind]
            if len(chosen):
                happen(chosen)
        self._before[rows] = outcome
        self._wait(rows)
        return True

    def answer_surveys(self) -> None:
        """Rarely, a few minutes later, an answer from 0 to 10."""
        rng = self._rng
        share = np.where(self._bought, 0.10, 0.006)
        rows = np.flatnonzero(rng.random(len(share)) < share)
        mood = 7.2 + 1.6 * self._shoppers.satisfaction[self._sessions.user[rows]] + 0.6 * self._bought[rows]
        answer = np.clip(np.round(mood + rng.normal(0.0, 1.0, len(rows))), 0, 10)
        delay_ms = np.clip(np.exp(rng.normal(np.log(180_000), 0.7, len(rows))), 20_000, _GAP_MS[1]) / self._haste
        self._time_ms[rows] += delay_ms.astype(np.int64)
        channel = np.full(len(rows), SURVEY, dtype=np.int8)
        self._emit(
            rows, SURVEY_RESPONSE, item=False, category=False, channel=channel, cents=answer.astype(np.int32) * 100
        )

    def _outcomes(self, rows: Ints) -> NDArray[np.int8]:
        intent = self._sessions.intent[rows]
        weights = _CHAIN[intent, self._before[rows]]
        ease = np.exp(0.35 * self._shoppers.affinity[self._sessions.user[rows]])
        weights[:, CART] *= ease
        weights[:, PURCHASE] *= ease * (self._cart_cents[rows] > 0)
        cumulative = np.cumsum(weights, axis=1)
        drawn = self._rng.random(len(rows)) * cumulative[:, -1]
        # The last column is the sum itself: left out, so that a rounding error cannot draw an outcome beyond it.
        outcome: NDArray[np.int8] = (cumulative[:, : _OUTCOMES - 1] <= drawn[:, None]).sum(axis=1).astype(np.int8)
        return outcome

    def _wait(self, rows: Ints) -> None:
        before = self._before[rows]
        seconds = np.exp(self._rng.normal(0.0, _SECONDS_SIGMA, len(rows))) * _SECONDS[before]
        seconds *= self._shoppers.pace[self._sessions.user[rows]]
        gap_ms = np.clip(seconds * 1_000, *_GAP_MS) / self._haste
        self._time_ms[rows] += np.maximum(gap_ms, 1).astype(np.int64)

    def _view(self, rows: Ints) -> None:
        rng = self._rng
        users = self._sessions.user[rows]
        strays = rng.random(len(rows)) < 0.15  # noqa: PLR2004  (now and then a look at something else)
        aside = self._shoppers.pick_category(rng, users)
        self._category[rows] = np.where(strays, aside, self._sessions.category[rows])
        self._item[rows] = self._shoppers.pick_item(rng, users, self._category[rows])
        self._emit(rows, VIEW, properties=self._campaign[rows])

    def _click(self, rows: Ints) -> None:
        self._ensure_item(rows)
        self._emit(rows, CLICK)

    def _search(self, rows: Ints) -> None:
        rng = self._rng
        self._category[rows] = self._sessions.category[rows]
        self._item[rows] = NO_ITEM
        kind = rng.integers(0, QUERY_KINDS, len(rows))
        query = QUERY_0 + kind * len(CATEGORIES) + self._category[rows]
        properties = np.where(rng.random(len(rows)) < 0.7, query, NO_PROPERTIES).astype(np.int8)  # noqa: PLR2004
        self._emit(rows, SEARCH, item=False, properties=properties)

    def _cart(self, rows: Ints) -> None:
        self._ensure_item(rows)
        item = self._item[rows]
        cents = PRICE_CENTS[item].astype(np.int32)
        self._cart_item[rows] = item
        self._cart_cents[rows] += cents
        self._emit(rows, CART, cents=cents)

    def _purchase(self, rows: Ints) -> None:
        self._item[rows] = self._cart_item[rows]
        self._category[rows] = self._cart_item[rows] // (len(PRICE_CENTS) // len(CATEGORIES))
        self._emit(rows, PURCHASE, cents=self._cart_cents[rows], properties=self._campaign[rows])
        self._cart_cents[rows] = 0
        self._bought[rows] = True

    def _custom(self, rows: Ints) -> None:
        self._ensure_item(rows)
        drawn = self._rng.random(len(rows))
        name = (1 + np.searchsorted([0.55, 0.75, 0.9], drawn, side="right")).astype(np.int8)
        self._emit(rows, CUSTOM, name=np.minimum(name, len(CUSTOM_NAMES) - 1))

    def _ensure_item(self, rows: Ints) -> None:
        bare = rows[self._item[rows] == NO_ITEM]
        self._item[bare] = self._shoppers.pick_item(self._rng, self._sessions.user[bare], self._category[bare])

    def _emit(
        self,
        rows: Ints,
        kind: int,
        *,
        item: bool = True,
        category: bool = True,
        cents: NDArray[np.int32] | None = None,
        channel: NDArray[np.int8] | None = None,
        name: NDArray[np.int8] | None = None,
        properties: NDArray[np.int8] | None = None,
    ) -> None:
        count = len(rows)
        none = np.zeros(count, dtype=np.int8)
        self.parts.append(
            Events(
                session=rows,
                time_ms=self._time_ms[rows],
                kind=np.full(count, kind, dtype=np.int8),
                item=self._item[rows] if item else np.full(count, NO_ITEM, dtype=np.int32),
                category=self._category[rows] if category else np.full(count, -1, dtype=np.int8),
                cents=cents if cents is not None else np.full(count, NO_VALUE, dtype=np.int32),
                channel=channel if channel is not None else self._channel[rows],
                name=name if name is not None else none,
                properties=properties if properties is not None else none,
            )
        )


def mean_length(rng: np.random.Generator, shoppers: Shoppers) -> tuple[float, Floats]:
    """Events of a typical session, and how long sessions last in milliseconds: measured on a sample."""
    users = np.sort(rng.choice(len(shoppers.activity), 2_000, p=shoppers.activity))
    events = act_out(rng, shoppers, plan_sessions(rng, shoppers, users))
    lasts_ms = np.zeros(len(users))
    np.maximum.at(lasts_ms, events.session, events.time_ms)
    return len(events) / len(users), lasts_ms
