"""Scores of the feature set v1 as of later than the newest event.

The set is declared in declarations/retail/; what is here computes from features that are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp2, log1p
from typing import Final

from driftline.catalogue import V1
from udfs.expressions.numbers import rounded
from udfs.profile import HALF_LIFE_LONG_MS, HALF_LIFE_MS

_ENGAGED: Final = log1p(100.0)
_NAMES: Final = [feature.name for feature in V1]
_RATES: Final = slice(_NAMES.index("view_rate_7d"), _NAMES.index("custom_rate_7d") + 1)
_ACTIVITY: Final = _NAMES.index("activity_30d")


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
        _engagement(activity * exp2(-silence_ms / HALF_LIFE_LONG_MS)),
        _churn_risk(features[_RATES], activity, silence_ms),
    )


def _engagement(activity: float) -> float:
    return min(1.0, rounded(log1p(activity) / _ENGAGED))


def _churn_risk(rates: Sequence[float], activity: float, silence_ms: float) -> float:
    weekly = 0.0
    for rate in rates:
        weekly += rate
    weekly /= 7
    if silence_ms:  # only the weekly count's extra decay: each count on its own would underflow to 0
        weekly *= exp2(silence_ms / HALF_LIFE_LONG_MS - silence_ms / HALF_LIFE_MS)
    monthly = activity / 30
    return rounded(monthly / (weekly + monthly))
