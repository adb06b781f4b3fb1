"""The formula of churn_risk never falls while nothing happens, whatever has happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import DAY, HOUR, bounds, event
from tests.unit.udfs.strategies import histories
from tests.v1 import plan
from udfs.event import CUSTOM, FORGET, VIEW, Event
from udfs.plan.plan import Plan
from udfs.profile import LAST_MS, Profile

PLAN = plan()
ALL_AGES_S = (1, 60, 3_600, 21_600, 86_400, 3 * 86_400, 7 * 86_400, 14 * 86_400, 30 * 86_400, 60 * 86_400, 90 * 86_400)
long_histories = st.lists(st.tuples(st.integers(0, 40 * 24), st.integers(VIEW, CUSTOM)), min_size=1, max_size=30).map(
    lambda drawn: sorted(event(hour * HOUR, kind, event_id=f"e{n}") for n, (hour, kind) in enumerate(drawn))
)


def kept(history: list[Event]) -> list[Event]:
    """What is folded: a FORGET never is."""
    return [one for one in history if one.type != FORGET]


def folded(history: list[Event], made: Plan) -> Profile:
    profile = made.blank()
    for one in history:
        profile.fold(one, bounds().profile)
    return profile


def risk_at(made: Plan, profile: Profile, age_s: int) -> float:
    """The formula as of an age."""
    names = [name for name, _ in made.formulas]
    aged = made.aged(profile, age_s) if age_s else profile
    reading = made.reading(aged, profile.values[LAST_MS] + age_s * 1_000)
    return reading.scores[names.index("churn_risk")]


@given(st.one_of(histories(), long_histories), st.lists(st.integers(0, 90 * 86_400), max_size=6))
def test_it_never_falls_with_age(history: list[Event], more_s: list[int]) -> None:
    profile = folded(history, PLAN)
    ages_s = sorted({0, *ALL_AGES_S, *PLAN.ages_s, *more_s})
    risks = [risk_at(PLAN, profile, age_s) for age_s in ages_s]
    assert risks == sorted(risks), list(zip(ages_s, risks, strict=True))


@given(histories().map(kept).filter(bool))
def test_a_week_raises_it_unless_it_is_one(history: list[Event]) -> None:
    profile = folded(history, PLAN)
    now, later = risk_at(PLAN, profile, 0), risk_at(PLAN, profile, 7 * 86_400)
    assert 0 < now < later <= 1
    assert risk_at(PLAN, profile, 60 * 86_400) > 0.9


def test_a_daily_user_who_leaves_comes_to_one() -> None:
    profile = folded([event(day * DAY, event_id=f"d{day}") for day in range(120)], PLAN)
    risks = [risk_at(PLAN, profile, days * 86_400) for days in (0, 7, 30, 90)]
    assert 0.4 < risks[0] < 0.55 and risks[0] < risks[1] < risks[2] < risks[3]
    assert risks[3] > 0.99
