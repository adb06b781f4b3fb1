"""The feature set v1 by the shipped declarations, for tests that state values."""

from __future__ import annotations

from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from udfs.plan.plan import Plan
from udfs.profile import Profile


def plan() -> Plan:
    """The shipped plan."""
    return plan_for(ScoreEventsSettings.load())


def affinities(profile: Profile) -> list[tuple[str, float]]:
    """The served affinities."""
    return plan().reading(profile).affinities


def vector(profile: Profile, _shares: object = None) -> list[float]:
    """What models see, before it is cut to float32."""
    return plan().vector(profile)


def _score(profile: Profile, name: str) -> float:
    names = [formula for formula, _ in plan().formulas]
    return plan().reading(profile).scores[names.index(name)]


def engagement(profile: Profile) -> float:
    return _score(profile, "engagement")


def churn_risk(profile: Profile) -> float:
    return _score(profile, "churn_risk")
