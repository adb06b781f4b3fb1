"""The feature set v1: a fixed vector made from a profile, as of the profile's newest event.

docs/features.md documents each feature with formula, unit and default. A change of meaning, order or number is a new
feature set; models name the one they were trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, exp2, log1p, pi, sin

from udfs import profile as p
from udfs.profile import DAY_MS, HOUR_MS, Profile

FEATURE_SET = "v1"
AFFINITIES_MAX = 10
NEVER_H = 2160.0  # hours since something that never happened: 90 days, the idle time after which a user is forgotten
NO_PREVIOUS_H = -1.0
_DIGITS = 1e12  # what is published has 12 decimals: processors differ in the last of a logarithm or a power


@dataclass(frozen=True)
class Feature:
    """What a position of the vector means."""

    name: str
    unit: str
    default: float
    formula: str


V1: tuple[Feature, ...] = (
    Feature("session_events", "events", 1, "events in the current session"),
    Feature("session_duration_s", "s", 0, "last event time - session start"),
    Feature("session_mean_pause_s", "s", 0, "session_duration_s / (session_events - 1)"),
    Feature("session_views", "events", 0, "VIEW events in the current session"),
    Feature("session_clicks", "events", 0, "CLICK events in the current session"),
    Feature("session_carts", "events", 0, "ADD_TO_CART events in the current session"),
    Feature("session_purchases", "events", 0, "PURCHASE events in the current session"),
    Feature("session_searches", "events", 0, "SEARCH events in the current session"),
    Feature(
        "session_purchase_value",
        "currency",
        0,
        "sum of `value` over the session's PURCHASE less REFUND events, at least 0",
    ),
    Feature("session_category_switches", "changes", 0, "changes of category between consecutive categorised events"),
    Feature("session_open_carts", "events", 0, "max(0, session_carts - session_purchases)"),
    Feature("hours_since_previous_session", "h", NO_PREVIOUS_H, "session start - end of the session before"),
    Feature("hours_since_cart", "h", NEVER_H, "as-of time - last ADD_TO_CART"),
    Feature("hours_since_purchase", "h", NEVER_H, "as-of time - last PURCHASE"),
    Feature("hours_since_search", "h", NEVER_H, "as-of time - last SEARCH"),
    Feature("hours_since_email_open", "h", NEVER_H, "as-of time - last EMAIL_OPEN"),
    Feature("tenure_days", "d", 0, "as-of time - first event"),
    Feature("sessions", "sessions", 1, "sessions so far, the current one included"),
    Feature("mean_session_duration_s", "s", 0, "summed duration of ended sessions / ended sessions"),
    Feature("mean_session_events", "events", 0, "events in ended sessions / ended sessions"),
    Feature("view_rate_7d", "events", 0, "sum over VIEW of 2^(-age / 7 d)"),
    Feature("click_rate_7d", "events", 0, "sum over CLICK of 2^(-age / 7 d)"),
    Feature("cart_rate_7d", "events", 0, "sum over ADD_TO_CART of 2^(-age / 7 d)"),
    Feature("purchase_rate_7d", "events", 0, "sum over PURCHASE of 2^(-age / 7 d)"),
    Feature("search_rate_7d", "events", 0, "sum over SEARCH of 2^(-age / 7 d)"),
    Feature("survey_rate_7d", "events", 0, "sum over SURVEY_RESPONSE of 2^(-age / 7 d)"),
    Feature("email_open_rate_7d", "events", 0, "sum over EMAIL_OPEN of 2^(-age / 7 d)"),
    Feature("custom_rate_7d", "events", 0, "sum over CUSTOM and REFUND of 2^(-age / 7 d)"),
    Feature("activity_1h", "events", 1, "sum over all events of 2^(-age / 1 h)"),
    Feature("activity_30d", "events", 1, "sum over all events of 2^(-age / 30 d)"),
    Feature("purchase_rate_30d", "events", 0, "sum over PURCHASE of 2^(-age / 30 d)"),
    Feature("purchases_per_session", "ratio", 0, "purchases / sessions"),
    Feature("purchases_per_cart", "ratio", 0, "purchases / carts, at most 1"),
    Feature(
        "mean_purchase_value",
        "currency",
        0,
        "purchase value less refunds, at least 0 / purchases whose amounts are added up",
    ),
    Feature("mean_survey_value", "points", 0, "mean of `value` over SURVEY_RESPONSE"),
    Feature("last_survey_value", "points", 0, "the newest SURVEY_RESPONSE's answer"),
    Feature("top_category_share", "share", 0, "largest category affinity"),
    Feature("current_category_share", "share", 0, "affinity of the newest event's category in this session"),
    Feature("hour_sin", "1", 0, "sin(2 pi * UTC hour of day / 24)"),
    Feature("hour_cos", "1", 1, "cos(2 pi * UTC hour of day / 24)"),
)


def affinities(profile: Profile) -> list[tuple[str, float]]:
    """Return the user's top categories with their shares of decayed attention, largest first, ties by name."""
    weights = profile.categories
    if not weights:
        return []
    ranked = sorted(weights.items(), key=_rank)
    total = _total(ranked)
    return [(name, _share(weight, total)) for name, weight in ranked[:AFFINITIES_MAX]]


def _rank(item: tuple[str, float]) -> tuple[float, str]:
    return -item[1], item[0]


def _total(ranked: list[tuple[str, float]]) -> float:
    """Sum the weights in ranked order, one by one: a dict's order depends on history, `sum` on Python's version."""
    total = 0.0
    for _, weight in ranked:
        total += weight
    return total


def _share(weight: float, total: float) -> float:
    return _rounded(weight / total) if total > 0.0 else 0.0


def _rounded(share: float) -> float:
    return int(share * _DIGITS + 0.5) / _DIGITS


def vector(profile: Profile, shares: list[tuple[str, float]]) -> list[float]:
    """Return the features in the order of V1.

    Args:
        profile: a profile that is not empty.
        shares: `affinities(profile)`, made once for the vector and the scores.
    """
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


def _current_share(profile: Profile, shares: list[tuple[str, float]]) -> float:
    current = profile.last_category
    if current not in profile.categories:
        return 0.0
    for name, share in shares:
        if name == current:
            return share
    return _share(profile.categories[current], _total(sorted(profile.categories.items(), key=_rank)))


def engagement(profile: Profile) -> float:
    """Decayed activity on a scale from 0 to 1: log(1 + a) / log(1 + 100), at most 1, with a = activity_30d.

    The logarithm keeps the scale useful from the first visit (0.15) to a hundred recent events (1).
    """
    return _engagement(profile.values[p.ACTIVITY_LONG])


def churn_risk(profile: Profile) -> float:
    """How far the last week's rate has fallen below the last month's: r30 / (r7 + r30), within 0 and 1.

    r7 and r30 are the decayed counts of all events with half-lives of 7 and 30 days, each divided by its half-life, so
    that a steady user is at 0.5, a growing one below and a fading one above.
    """
    v = profile.values
    return _churn_risk(v[p.RATE_VIEW : p.RATE_CUSTOM + 1], v[p.ACTIVITY_LONG], 0.0)


def after_silence(features: Sequence[float], silence_ms: float) -> tuple[float, float]:
    """Return engagement and churn_risk as they are after a time without events, from the features behind the scores.

    What is stored is as of the user's newest event and does not fade by itself; decayed counts fade in closed form.

    Args:
        features: of the set v1, as stored beside the scores.
        silence_ms: since the features' as-of time, not negative.
    """
    activity = features[_ACTIVITY]
    return (
        _engagement(activity * exp2(-silence_ms / p.HALF_LIFE_LONG_MS)),
        _churn_risk(features[_RATES : _RATES + p.RATE_CUSTOM + 1 - p.RATE_VIEW], activity, silence_ms),
    )


def _engagement(activity: float) -> float:
    return min(1.0, _rounded(log1p(activity) / _ENGAGED))


def _churn_risk(rates: Sequence[float], activity: float, silence_ms: float) -> float:
    weekly = 0.0
    for rate in rates:
        weekly += rate
    weekly /= 7
    if silence_ms:  # by how much more the weekly count has faded than the monthly one; both alone would become 0
        weekly *= exp2(silence_ms / p.HALF_LIFE_LONG_MS - silence_ms / p.HALF_LIFE_MS)
    monthly = activity / 30
    return _rounded(monthly / (weekly + monthly))


_ENGAGED = log1p(100.0)
_RATES = [feature.name for feature in V1].index("view_rate_7d")
_ACTIVITY = [feature.name for feature in V1].index("activity_30d")
