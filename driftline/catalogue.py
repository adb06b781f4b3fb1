"""What is served, by name: the features of each feature set, with unit, default and formula, and the scores.

Data that the core, training and the server share. The set of a job is that of its plan (`FeatureSet.of_plan`); `v1` is
here, too, for what was stored before there were plans. It is documented in docs/features.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FEATURE_SET: Final = "v1"  # what this release computes
PURCHASE_PROPENSITY: Final = "purchase_propensity"
ENGAGEMENT: Final = "engagement"
CHURN_RISK: Final = "churn_risk"
SCORES: Final = (PURCHASE_PROPENSITY, ENGAGEMENT, CHURN_RISK)
NEVER_H: Final = 2160.0  # hours since something that never happened; part of v1, so it does not follow user_ttl_ms
NO_PREVIOUS_H: Final = -1.0


@dataclass(frozen=True)
class Feature:
    """What a position of the vector means.

    Attributes:
        hash: of its definition; empty where it is not known, as in `v1` before there were plans.
    """

    name: str
    unit: str
    default: float
    formula: str
    hash: str = ""


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

FEATURE_SETS: Final[Mapping[str, tuple[Feature, ...]]] = {FEATURE_SET: V1}


_NUMERIC: Final = ("number", "bool")  # kinds of a plan's features that models can see


@dataclass(frozen=True)
class FeatureSet:
    """The features of a vector, in its order.

    Attributes:
        name: of the project; `feature_set` of the stored scores.
        hash: of the declaration that it is from; empty where it is not from one.
        features: a position of the vector each.
    """

    name: str
    hash: str
    features: tuple[Feature, ...]

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any]) -> FeatureSet:
        """Return the set of a plan (docs/decisions/0032-declarations.md): its numbers that are in the vector."""
        features = tuple(
            Feature(
                declared["name"],
                declared.get("unit", ""),
                float(declared.get("default", 0.0)),
                declared.get("formula", ""),
                declared.get("hash", ""),
            )
            for declared in plan["features"]
            if declared.get("vector") and declared.get("kind", "number") in _NUMERIC
        )
        return cls(plan["name"], plan.get("hash", ""), features)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features, in the order of the vector."""
        return tuple(feature.name for feature in self.features)


SHIPPED: Final = FeatureSet(FEATURE_SET, "", V1)
