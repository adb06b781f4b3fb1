"""A user's profile: a left fold of the user's events in event-time order.

A `Profile` is a list of float64 slots and the weights of the user's categories. The slots are part of the state's
format: append new ones at the end, never reorder them. Milliseconds are exact in float64 up to the year 287396.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2
from typing import Final, NamedTuple

from driftline.units import DAY_MS, HOUR_MS
from udfs.event import (
    ADD_TO_CART,
    CLICK,
    CUSTOM,
    EMAIL_OPEN,
    PURCHASE,
    REFUND,
    SEARCH,
    SURVEY_RESPONSE,
    VIEW,
    Event,
)
from udfs.money import LEFT_OUT, NO_CURRENCY

# Half-lives of the decayed counts. They are part of the feature set v1 (docs/features.md), so other ones need another
# set. An hour spans a visit, a week the days of a week, and a month is the baseline that churn_risk compares it with.
HALF_LIFE_SHORT_MS: Final = HOUR_MS  # activity of the current visit
HALF_LIFE_MS: Final = 7 * DAY_MS  # rate of each event type
HALF_LIFE_LONG_MS: Final = 30 * DAY_MS  # activity, purchases and category affinities

EVENTS: Final = 0
FIRST_MS: Final = 1
LAST_MS: Final = 2
SESSIONS: Final = 3  # the current one included
SESSION_START_MS: Final = 4
SESSION_EVENTS: Final = 5
SESSION_VIEWS: Final = 6
SESSION_CLICKS: Final = 7
SESSION_CARTS: Final = 8
SESSION_PURCHASES: Final = 9
SESSION_SEARCHES: Final = 10
SESSION_PURCHASE_VALUE: Final = 11
SESSION_SWITCHES: Final = 12  # changes of category
PREVIOUS_SESSION_END_MS: Final = 13
ENDED_SESSIONS_MS: Final = 14  # summed durations of the sessions before the current one
ENDED_SESSIONS_EVENTS: Final = 15
RATE_VIEW: Final = 16  # decayed counts with HALF_LIFE_MS, in the order of the event types
RATE_CLICK: Final = 17
RATE_CART: Final = 18
RATE_PURCHASE: Final = 19
RATE_SEARCH: Final = 20
RATE_SURVEY: Final = 21
RATE_EMAIL: Final = 22
RATE_CUSTOM: Final = 23
ACTIVITY_SHORT: Final = 24  # decayed counts of all events
ACTIVITY_LONG: Final = 25
PURCHASES_LONG: Final = 26
CARTS: Final = 27
PURCHASES: Final = 28
PURCHASE_VALUE: Final = 29
LAST_CART_MS: Final = 30
LAST_PURCHASE_MS: Final = 31
LAST_SEARCH_MS: Final = 32
LAST_EMAIL_MS: Final = 33
SURVEYS: Final = 34
SURVEY_SUM: Final = 35
SURVEY_LAST: Final = 36
CURRENCY: Final = 37  # number of the currency of the sums (udfs/money.py); 0: no amount has named one yet
REFUND_VALUE: Final = 38
SESSION_REFUND_VALUE: Final = 39
PURCHASES_LEFT_OUT: Final = 40  # purchases with an amount in another currency
AMOUNTS_LEFT_OUT: Final = 41  # purchases and refunds with one
SLOTS: Final = 42

_SESSION = slice(SESSION_EVENTS, SESSION_SWITCHES + 1)
_SESSION_ZEROS = [0.0] * (SESSION_SWITCHES + 1 - SESSION_EVENTS)
_SESSION_COUNT = {
    VIEW: SESSION_VIEWS,
    CLICK: SESSION_CLICKS,
    ADD_TO_CART: SESSION_CARTS,
    PURCHASE: SESSION_PURCHASES,
    SEARCH: SESSION_SEARCHES,
}
# A table, not RATE_VIEW + type - VIEW: a type that is added later must not count into the slot behind the rates.
_RATE = {
    VIEW: RATE_VIEW,
    CLICK: RATE_CLICK,
    ADD_TO_CART: RATE_CART,
    PURCHASE: RATE_PURCHASE,
    SEARCH: RATE_SEARCH,
    SURVEY_RESPONSE: RATE_SURVEY,
    EMAIL_OPEN: RATE_EMAIL,
    CUSTOM: RATE_CUSTOM,
}
_LAST = {
    ADD_TO_CART: LAST_CART_MS,
    PURCHASE: LAST_PURCHASE_MS,
    SEARCH: LAST_SEARCH_MS,
    EMAIL_OPEN: LAST_EMAIL_MS,
}
# How much attention to its category an event shows, part of the feature set v1: each step from a view (1, as for all
# other types) over click and cart to a purchase counts twice as much as the one before.
_ATTENTION = {CLICK: 2.0, ADD_TO_CART: 4.0, PURCHASE: 8.0}


@dataclass(frozen=True, kw_only=True)
class ProfileBounds:
    """Bounds of the fold: the session gap, the idle time after which a user is forgotten, the categories kept."""

    session_gap_ms: int
    user_ttl_ms: int
    categories_max: int


class Session(NamedTuple):
    """A session as folded so far; times in milliseconds since the epoch."""

    start_ms: int
    end_ms: int
    events: int
    views: int
    clicks: int
    add_to_carts: int
    purchases: int
    searches: int
    purchase_value: float


class Profile:
    """A fold of a user's events; empty before the first.

    Its areas are lists: floats, texts, maps from text to float, series of floats, and tables of series. The first slots,
    text and map are those of v1, in every layout; what declarations add follows (udfs/plan/layout.py).
    """

    __slots__ = ("maps", "series", "tables", "texts", "values")

    def __init__(
        self,
        values: list[float] | None = None,
        texts: list[str] | None = None,
        maps: list[dict[str, float]] | None = None,
        series: list[list[float]] | None = None,
        tables: list[dict[str, list[float]]] | None = None,
    ) -> None:
        self.values: list[float] = values if values is not None else [0.0] * SLOTS
        self.texts: list[str] = texts if texts is not None else [""]
        self.maps: list[dict[str, float]] = maps if maps is not None else [{}]
        self.series: list[list[float]] = series if series is not None else []
        self.tables: list[dict[str, list[float]]] = tables if tables is not None else []

    def copy(self) -> Profile:
        """Return an independent copy."""
        copied = Profile(self.values[:], self.texts[:], [weights.copy() for weights in self.maps])
        if self.series:
            copied.series = [series[:] for series in self.series]
        if self.tables:
            copied.tables = [{key: series[:] for key, series in table.items()} for table in self.tables]
        return copied

    def clear(self) -> None:
        """Forget everything."""
        self.values = [0.0] * len(self.values)
        self.texts = [""] * len(self.texts)
        self.maps = [{} for _ in self.maps]
        self.series = [[] for _ in self.series]
        self.tables = [{} for _ in self.tables]

    @property
    def categories(self) -> dict[str, float]:
        """The weights of the first map, v1's categories."""
        return self.maps[0]

    @property
    def last_category(self) -> str:
        """The first text, v1's last category of the session."""
        return self.texts[0]

    @property
    def empty(self) -> bool:
        """Whether no event has been folded since the beginning or the last FORGET."""
        return not self.values[EVENTS]

    @property
    def session(self) -> Session:
        """The current session; meaningless in an empty profile."""
        v = self.values
        return Session(
            int(v[SESSION_START_MS]),
            int(v[LAST_MS]),
            int(v[SESSION_EVENTS]),
            int(v[SESSION_VIEWS]),
            int(v[SESSION_CLICKS]),
            int(v[SESSION_CARTS]),
            int(v[SESSION_PURCHASES]),
            int(v[SESSION_SEARCHES]),
            self.session_purchase_value,
        )

    @property
    def session_purchase_value(self) -> float:
        """The sum of the session's purchases minus that of its refunds, at least 0."""
        return max(0.0, self.values[SESSION_PURCHASE_VALUE] - self.values[SESSION_REFUND_VALUE])

    def is_ended_by(self, event: Event, bounds: ProfileBounds) -> bool:
        """Whether the next event, in event-time order, begins another session."""
        values = self.values
        return bool(values[EVENTS]) and event.time_ms > values[LAST_MS] + bounds.session_gap_ms

    def fold(self, event: Event, bounds: ProfileBounds) -> int:
        """Fold the next event in event-time order; returns how many categories were dropped for `categories_max`.

        Formulas: docs/features.md. An event after more than `user_ttl_ms` of silence begins a new profile, so a score
        is the same whether the state's time to live has already removed the old one or not.
        """
        v = self.values
        time_ms = event.time_ms
        if not v[EVENTS] or time_ms - v[LAST_MS] > bounds.user_ttl_ms:
            self.clear()
            v = self.values
            v[FIRST_MS] = v[SESSION_START_MS] = time_ms
            v[SESSIONS] = 1.0
        else:
            pause_ms = time_ms - v[LAST_MS]
            if pause_ms:
                self._decay(pause_ms)
            if pause_ms > bounds.session_gap_ms:
                self._begin_session(time_ms)
        v[EVENTS] += 1.0
        v[SESSION_EVENTS] += 1.0
        v[LAST_MS] = time_ms
        self._count(event)
        if not event.category or event.type == REFUND:  # a refund shows no interest in its category
            return 0
        return self._add_attention(event, bounds.categories_max)

    def _decay(self, pause_ms: float) -> None:
        v = self.values
        keep = exp2(-pause_ms / HALF_LIFE_MS)
        keep_long = exp2(-pause_ms / HALF_LIFE_LONG_MS)
        for rate in range(RATE_VIEW, RATE_CUSTOM + 1):
            v[rate] *= keep
        v[ACTIVITY_SHORT] *= exp2(-pause_ms / HALF_LIFE_SHORT_MS)
        v[ACTIVITY_LONG] *= keep_long
        v[PURCHASES_LONG] *= keep_long
        categories = self.categories
        for name in categories:
            categories[name] *= keep_long

    def _begin_session(self, time_ms: int) -> None:
        v = self.values
        v[PREVIOUS_SESSION_END_MS] = v[LAST_MS]
        v[ENDED_SESSIONS_MS] += v[LAST_MS] - v[SESSION_START_MS]
        v[ENDED_SESSIONS_EVENTS] += v[SESSION_EVENTS]
        v[SESSIONS] += 1.0
        v[SESSION_START_MS] = time_ms
        v[_SESSION] = _SESSION_ZEROS
        v[SESSION_REFUND_VALUE] = 0.0
        self.texts[0] = ""

    def _count(self, event: Event) -> None:
        v = self.values
        kind = event.type
        v[_RATE.get(kind, RATE_CUSTOM)] += 1.0
        v[ACTIVITY_SHORT] += 1.0
        v[ACTIVITY_LONG] += 1.0
        if kind in _SESSION_COUNT:
            v[_SESSION_COUNT[kind]] += 1.0
        if kind in _LAST:
            v[_LAST[kind]] = event.time_ms
        if kind == ADD_TO_CART:
            v[CARTS] += 1.0
        elif kind == PURCHASE:
            v[PURCHASES] += 1.0
            v[PURCHASES_LONG] += 1.0
            if self._adds_up(event.currency):
                v[PURCHASE_VALUE] += event.value
                v[SESSION_PURCHASE_VALUE] += event.value
            else:
                v[PURCHASES_LEFT_OUT] += 1.0
        elif kind == SURVEY_RESPONSE:
            v[SURVEYS] += 1.0
            v[SURVEY_SUM] += event.value
            v[SURVEY_LAST] = event.value
        elif kind == REFUND and self._adds_up(event.currency):
            v[REFUND_VALUE] += event.value
            v[SESSION_REFUND_VALUE] += event.value

    def _adds_up(self, currency: int) -> bool:
        """Whether an amount is in the currency of the user's sums, which the first amount that names one decides."""
        v = self.values
        if currency == NO_CURRENCY:
            return True
        if currency != LEFT_OUT and not v[CURRENCY]:
            v[CURRENCY] = float(currency)
        if v[CURRENCY] == float(currency):
            return True
        v[AMOUNTS_LEFT_OUT] += 1.0
        return False

    def _add_attention(self, event: Event, categories_max: int) -> int:
        category, categories = event.category, self.categories
        if category != self.last_category:
            if self.last_category:
                self.values[SESSION_SWITCHES] += 1.0
            self.texts[0] = category
        categories[category] = categories.get(category, 0.0) + _ATTENTION.get(event.type, 1.0)
        if len(categories) <= categories_max:
            return 0
        del categories[min(categories, key=lambda name: (categories[name], name))]
        return 1
