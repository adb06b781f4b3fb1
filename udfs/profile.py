"""A user's profile: a left fold of the user's events in event-time order.

The slots that are named here are those of the feature set v1, and the first in every profile: the core reads some of
them (sessions, money), the others belong to v1's reducers (udfs/plan/layout.py). They are part of the state's format:
never reorder them. Milliseconds are exact in float64 up to the year 287396.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from driftline.units import DAY_MS, HOUR_MS
from udfs.event import Event

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


# What a series is until something is added to it. Most series of most users are empty, and a list for each would be
# most of what a new user costs. It is never changed: `Profile.series_to_change` puts another list in its place.
NOTHING: Final[list[float]] = []
_NO_SERIES: Final[list[list[float]]] = []
_NO_TABLES: Final[list[dict[str, list[float]]]] = []


class Profile:
    """A fold of a user's events; empty before the first.

    Its areas are lists: floats, texts, maps from text to float, series of floats, and tables of series. The first
    slots, text and map are those of v1, in every layout; what declarations add follows (udfs/plan/layout.py). An empty
    series may be that of other profiles, too, so a series is changed by `series_to_change` alone.
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
        # A plan without them never touches them, so that all profiles may have the same.
        self.series: list[list[float]] = series if series is not None else _NO_SERIES
        self.tables: list[dict[str, list[float]]] = tables if tables is not None else _NO_TABLES

    def copy(self) -> Profile:
        """Return an independent copy."""
        copied = Profile(self.values[:], self.texts[:], [weights.copy() for weights in self.maps])
        if self.series:
            copied.series = [series[:] if series else NOTHING for series in self.series]
        if self.tables:
            copied.tables = [{key: series[:] for key, series in table.items()} for table in self.tables]
        return copied

    def clear(self) -> None:
        """Forget everything."""
        self.values = [0.0] * len(self.values)
        self.texts = [""] * len(self.texts)
        self.maps = [{} for _ in self.maps]
        if self.series:
            self.series = [NOTHING] * len(self.series)
        if self.tables:
            self.tables = [{} for _ in self.tables]

    def series_to_change(self, at: int) -> list[float]:
        """Return a series that is this profile's alone."""
        series = self.series[at]
        if not series:
            series = []
            self.series[at] = series
        return series

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
        """Fold the next event in event-time order; returns how many entries of dimensions were dropped for their caps.

        Formulas: docs/features.md. An event after more than `user_ttl_ms` of silence begins a new profile, so a score
        is the same whether the state's time to live has already removed the old one or not.
        """
        return bounds.plan.fold(self, event, bounds)


class Fold:
    """How events change profiles, and what models see of one: a plan (udfs/plan/plan.py)."""

    def blank(self) -> Profile:
        """Return an empty profile."""
        raise NotImplementedError

    def fold(self, profile: Profile, event: Event, bounds: ProfileBounds) -> int:
        """See `Profile.fold`."""
        raise NotImplementedError

    def vector(self, profile: Profile, as_of_ms: float = 0.0) -> list[float]:
        """Return what models see of a profile that is not empty, as of a time; 0 is that of the newest event."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ProfileBounds:
    """What a fold depends on: the session gap, the idle time after which a user is forgotten, and the plan."""

    session_gap_ms: int
    user_ttl_ms: int
    plan: Fold
