"""v1 as it was written by hand before there were declarations: what the declared v1 has to equal, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, exp2, log1p, pi, sin

from driftline.catalogue import NEVER_H, NO_PREVIOUS_H
from driftline.units import DAY_MS, HOUR_MS
from udfs import profile as p
from udfs.event import ADD_TO_CART, CLICK, CUSTOM, EMAIL_OPEN, PURCHASE, REFUND, SEARCH, SURVEY_RESPONSE, VIEW, Event
from udfs.money import LEFT_OUT, NO_CURRENCY
from udfs.profile import (
    ACTIVITY_LONG,
    ACTIVITY_SHORT,
    AMOUNTS_LEFT_OUT,
    CARTS,
    CURRENCY,
    ENDED_SESSIONS_EVENTS,
    ENDED_SESSIONS_MS,
    EVENTS,
    FIRST_MS,
    HALF_LIFE_LONG_MS,
    HALF_LIFE_MS,
    HALF_LIFE_SHORT_MS,
    LAST_CART_MS,
    LAST_EMAIL_MS,
    LAST_MS,
    LAST_PURCHASE_MS,
    LAST_SEARCH_MS,
    PREVIOUS_SESSION_END_MS,
    PURCHASE_VALUE,
    PURCHASES,
    PURCHASES_LEFT_OUT,
    PURCHASES_LONG,
    RATE_CART,
    RATE_CLICK,
    RATE_CUSTOM,
    RATE_EMAIL,
    RATE_PURCHASE,
    RATE_SEARCH,
    RATE_SURVEY,
    RATE_VIEW,
    REFUND_VALUE,
    SESSION_CARTS,
    SESSION_CLICKS,
    SESSION_EVENTS,
    SESSION_PURCHASE_VALUE,
    SESSION_PURCHASES,
    SESSION_REFUND_VALUE,
    SESSION_SEARCHES,
    SESSION_START_MS,
    SESSION_SWITCHES,
    SESSION_VIEWS,
    SESSIONS,
    SURVEY_LAST,
    SURVEY_SUM,
    SURVEYS,
    ProfileBounds,
)

_SESSION = slice(SESSION_EVENTS, SESSION_SWITCHES + 1)
_SESSION_ZEROS = [0.0] * (SESSION_SWITCHES + 1 - SESSION_EVENTS)
_SESSION_COUNT = {
    VIEW: SESSION_VIEWS,
    CLICK: SESSION_CLICKS,
    ADD_TO_CART: SESSION_CARTS,
    PURCHASE: SESSION_PURCHASES,
    SEARCH: SESSION_SEARCHES,
}
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


class HardWired:
    """The profile of the first releases: its fold and its vector, as code."""

    def __init__(self) -> None:
        self.values: list[float] = [0.0] * p.SLOTS
        self.categories: dict[str, float] = {}
        self.last_category = ""

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    @property
    def session_purchase_value(self) -> float:
        return max(0.0, self.values[SESSION_PURCHASE_VALUE] - self.values[SESSION_REFUND_VALUE])

    def fold(self, event: Event, bounds: ProfileBounds, categories_max: int) -> int:
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
        return self._add_attention(event, categories_max)

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
        self.last_category = ""

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
            self.last_category = category
        categories[category] = categories.get(category, 0.0) + _ATTENTION.get(event.type, 1.0)
        if len(categories) <= categories_max:
            return 0
        del categories[min(categories, key=lambda name: (categories[name], name))]
        return 1


AFFINITIES_MAX = 10
_DIGITS = 1e12  # scores are rounded to 12 decimals: processors differ in the last digits of logarithms and powers


def affinities(profile: HardWired) -> list[tuple[str, float]]:
    weights = profile.categories
    if not weights:
        return []
    ranked = sorted(weights.items(), key=_rank)
    total = _total(ranked)
    return [(name, _share(weight, total)) for name, weight in ranked[:AFFINITIES_MAX]]


def _rank(item: tuple[str, float]) -> tuple[float, str]:
    return -item[1], item[0]


def _total(ranked: list[tuple[str, float]]) -> float:
    total = 0.0
    for _, weight in ranked:
        total += weight
    return total


def _share(weight: float, total: float) -> float:
    return _rounded(weight / total) if total > 0.0 else 0.0


def _rounded(share: float) -> float:
    return int(share * _DIGITS + 0.5) / _DIGITS


def vector(profile: HardWired, shares: list[tuple[str, float]]) -> list[float]:
    v = profile.values
    now = v[p.LAST_MS]
    events = v[p.SESSION_EVENTS]
    duration_s = (now - v[p.SESSION_START_MS]) / 1000
    carts, purchases = v[p.SESSION_CARTS], v[p.SESSION_PURCHASES]
    ended = v[p.SESSIONS] - 1
    previous_end = v[p.PREVIOUS_SESSION_END_MS]
    hour = (now % DAY_MS) * (2 * pi / DAY_MS)
    return [
        events,
        duration_s,
        duration_s / (events - 1) if events > 1 else 0.0,
        v[p.SESSION_VIEWS],
        v[p.SESSION_CLICKS],
        carts,
        purchases,
        v[p.SESSION_SEARCHES],
        profile.session_purchase_value,
        v[p.SESSION_SWITCHES],
        carts - purchases if carts > purchases else 0.0,
        (v[p.SESSION_START_MS] - previous_end) / HOUR_MS if ended else NO_PREVIOUS_H,
        _hours_since(now, v[p.LAST_CART_MS]),
        _hours_since(now, v[p.LAST_PURCHASE_MS]),
        _hours_since(now, v[p.LAST_SEARCH_MS]),
        _hours_since(now, v[p.LAST_EMAIL_MS]),
        (now - v[p.FIRST_MS]) / DAY_MS,
        v[p.SESSIONS],
        v[p.ENDED_SESSIONS_MS] / 1000 / ended if ended else 0.0,
        v[p.ENDED_SESSIONS_EVENTS] / ended if ended else 0.0,
        *v[p.RATE_VIEW : p.RATE_CUSTOM + 1],
        v[p.ACTIVITY_SHORT],
        v[p.ACTIVITY_LONG],
        v[p.PURCHASES_LONG],
        v[p.PURCHASES] / v[p.SESSIONS],
        min(1.0, v[p.PURCHASES] / v[p.CARTS]) if v[p.CARTS] else 0.0,
        _mean_purchase_value(v),
        v[p.SURVEY_SUM] / v[p.SURVEYS] if v[p.SURVEYS] else 0.0,
        v[p.SURVEY_LAST],
        shares[0][1] if shares else 0.0,
        _current_share(profile, shares),
        sin(hour),
        cos(hour),
    ]


def _mean_purchase_value(v: list[float]) -> float:
    priced = v[p.PURCHASES] - v[p.PURCHASES_LEFT_OUT]
    return max(0.0, v[p.PURCHASE_VALUE] - v[p.REFUND_VALUE]) / priced if priced else 0.0


def _hours_since(now_ms: float, then_ms: float) -> float:
    return (now_ms - then_ms) / HOUR_MS if then_ms else NEVER_H


def _current_share(profile: HardWired, shares: list[tuple[str, float]]) -> float:
    current = profile.last_category
    if current not in profile.categories:
        return 0.0
    for name, share in shares:
        if name == current:
            return share
    return _share(profile.categories[current], _total(sorted(profile.categories.items(), key=_rank)))


def engagement(profile: HardWired) -> float:
    return _engagement(profile.values[p.ACTIVITY_LONG])


def churn_risk(profile: HardWired) -> float:
    v = profile.values
    return _churn_risk(v[p.RATE_VIEW : p.RATE_CUSTOM + 1], v[p.ACTIVITY_LONG])


def _engagement(activity: float) -> float:
    return min(1.0, _rounded(log1p(activity) / log1p(100.0)))


def _churn_risk(rates: Sequence[float], activity: float) -> float:
    weekly = 0.0
    for rate in rates:
        weekly += rate
    weekly /= 7
    monthly = activity / 30
    return _rounded(monthly / (weekly + monthly))
