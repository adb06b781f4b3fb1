"""The feature set v1, a fixed vector, and the scores by formula, engagement and churn_risk.

Both are computed from a profile, as of its newest event. driftline/catalogue.py has the name, formula, unit and default
of each position; udfs/scoring.py calls what is here, and the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, exp2, log1p, pi, sin

from driftline.catalogue import NEVER_H, NO_PREVIOUS_H, V1
from driftline.units import DAY_MS, HOUR_MS
from udfs import profile as p
from udfs.profile import Profile

AFFINITIES_MAX = 10
_DIGITS = 1e12  # scores are rounded to 12 decimals: processors differ in the last digits of logarithms and powers


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
    """Add the weights in ranked order: a dict's order depends on history, and `sum` of floats on Python's version."""
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
        shares: `affinities(profile)`; the scores need them, too.
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
    """How far the last week's rate has fallen below the last month's: r30 / (r7 + r30), from 0 to 1.

    r7 and r30 are the decayed counts of all events with half-lives of 7 and 30 days, each divided by its half-life. A
    user with a steady rate has 0.5, one with a rising rate less, one with a falling rate more.
    """
    v = profile.values
    return _churn_risk(v[p.RATE_VIEW : p.RATE_CUSTOM + 1], v[p.ACTIVITY_LONG], 0.0)


def after_silence(features: Sequence[float], silence_ms: float) -> tuple[float, float]:
    """Return engagement and churn_risk after a time without events, computed from the stored features.

    Stored scores are as of the user's newest event and do not change without one. Decayed counts can be moved to any
    later time by one multiplication, so these two scores can be, too.

    Args:
        features: of the set v1, as stored beside the scores.
        silence_ms: the time since the features' as-of time, not negative.
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
    if silence_ms:  # only the weekly count's extra decay: each count on its own would underflow to 0
        weekly *= exp2(silence_ms / p.HALF_LIFE_LONG_MS - silence_ms / p.HALF_LIFE_MS)
    monthly = activity / 30
    return _rounded(monthly / (weekly + monthly))


_ENGAGED = log1p(100.0)
_RATES = [feature.name for feature in V1].index("view_rate_7d")
_ACTIVITY = [feature.name for feature in V1].index("activity_30d")
