"""Evaluation at a time, by example: what passes while a user is silent, and what stays as the newest event left it."""

from __future__ import annotations

from math import exp2
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarations.models import AGES_S
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, bounds, message
from tests.unit.udfs.plan.histories import histories
from tests.unit.udfs.plan.running import Job, compiled, examples, settings
from tests.unit.udfs.plan.strategies import projects
from tests.unit.udfs.reducers.folding import packed
from tests.v1 import plan as v1_plan
from udfs.event import CLICK, SURVEY_RESPONSE, VIEW, Event
from udfs.features import after_silence
from udfs.plan.plan import Plan
from udfs.profile import LAST_MS, Profile
from udfs.segments import memberships

AWAY = "as_of_ms - last_event_ms"
FEATURES = {
    "clicks": {"count": "CLICK"},
    "session_clicks": {"count": "CLICK", "scope": "session"},
    "faded": {"count": "CLICK", "half_life": "1d"},
    "of_day": {"count": "CLICK", "window": "1d", "hop": "1h"},
    "largest": {"max": "value", "of": "SURVEY_RESPONSE", "window": "1d", "hop": "1h", "default": -1},
    "kinds": {"count": "CLICK", "by": "category", "window": "1d", "hop": "1h"},
    "hours": {"since": "CLICK", "unit": "h"},
    "days": {"streak": "CLICK"},
    "at": {"expr": "hour()"},
    "then": {"expr": "hour(last_event_ms)"},
    "away_s": {"expr": f"({AWAY}) / 1000"},
    "session_s": {"expr": "(last_event_ms - session_start_ms) / 1000"},
}


def job_of(segments: dict[str, Any] | None = None, ages: list[str] | None = None) -> Job:
    """A job with all kinds of features."""
    project = {} if ages is None else {"project": {"name": "drawn", "ages": ages}}
    return Job(compiled({**project, "features": FEATURES, "segments": segments or {}}))


def numbers_at(job: Job, age_s: int) -> dict[str, float]:
    profile = job.profile("me")
    return job.plan.numbers(job.plan.aged(profile, age_s), profile.values[LAST_MS] + age_s * SECOND)


def members_at(job: Job, age_s: int) -> dict[str, int]:
    """Since how long after T0 the user is a member of what, in milliseconds, as of an age."""
    profile = job.profile("me")
    scope = job.plan.scope_of(job.plan.aged(profile, age_s), profile.values[LAST_MS] + age_s * SECOND)
    return {each.name: each.since_ms - T0 for each in memberships(job.plan.segments, scope, {})}


def clicked(job: Job, *times_ms: int) -> Job:
    for time_ms in times_ms:
        job.fold([message("me", time_ms, type=CLICK, category="a", value=2.0)])
    return job


def test_windows_move_on_counts_fade_and_the_session_stays() -> None:
    job = clicked(job_of(), 0, 10 * MINUTE)
    now, tomorrow = numbers_at(job, 0), numbers_at(job, 30 * 3_600)
    assert (now["clicks"], now["session_clicks"], now["of_day"], now["hours"], now["away_s"]) == (2, 2, 2, 0, 0)
    assert (tomorrow["clicks"], tomorrow["session_clicks"], tomorrow["session_s"]) == (2, 2, 600)
    assert (tomorrow["of_day"], tomorrow["hours"], tomorrow["away_s"]) == (0, 30, 30 * 3_600)
    assert tomorrow["faded"] == now["faded"] * exp2(-30 * HOUR / DAY)
    assert (tomorrow["at"] - now["at"]) % 24 == 6
    assert tomorrow["then"] == now["then"] == now["at"]


def test_a_streak_ends_when_a_whole_day_is_missing() -> None:
    job = clicked(job_of(), 0, DAY)
    assert [numbers_at(job, age_s)["days"] for age_s in (0, 86_400, 2 * 86_400)] == [2, 2, 0]


def test_an_extreme_of_a_window_that_has_passed_is_the_default() -> None:
    job = job_of()
    job.fold([message("me", 0, type=SURVEY_RESPONSE, value=4.0)])
    assert [numbers_at(job, age_s)["largest"] for age_s in (0, 3_600, 2 * 86_400)] == [4, 4, -1]


def test_a_map_of_a_window_that_has_passed_is_empty() -> None:
    job = clicked(job_of(), 0)
    profile = job.profile("me")
    tops = [
        dict(job.plan.reading(job.plan.aged(profile, age_s), profile.values[LAST_MS] + age_s * SECOND).tops)["kinds"]
        for age_s in (0, 2 * 86_400)
    ]
    assert tops == [[("a", 1.0)], []]


def test_an_age_of_0_is_the_newest_event() -> None:
    plan = v1_plan()
    profile = folded(plan, 0, HOUR, 3 * DAY)
    aged = plan.aged(profile, 0)
    assert packed(aged) == packed(profile)
    assert plan.vector(aged, profile.values[LAST_MS]) == plan.vector(aged) == plan.vector(profile)
    assert plan.reading(aged, profile.values[LAST_MS]).scores == plan.reading(profile).scores


def folded(plan: Plan, *times_ms: int) -> Profile:
    profile = plan.blank()
    for time_ms in times_ms:
        profile.fold(Event(T0 + time_ms, f"e{time_ms}", VIEW, 0.0, "shoes"), bounds().profile)
    return profile


def test_v1_while_a_user_is_away() -> None:
    plan = v1_plan()
    profile = folded(plan, 0, 10 * MINUTE)
    before = packed(profile)
    now = plan.numbers(profile)
    later = plan.numbers(plan.aged(profile, 7 * 86_400), profile.values[LAST_MS] + 7 * DAY)
    assert packed(profile) == before
    changed = {name for name in now if later[name] != now[name]}
    assert changed == {"tenure_days", "view_rate_7d", "activity_1h", "activity_30d"}  # the same hour, a week later
    assert later["session_duration_s"] == now["session_duration_s"] == 600
    assert later["view_rate_7d"] == now["view_rate_7d"] / 2
    assert later["tenure_days"] == now["tenure_days"] + 7


LAPSED = {"lapsed": {"when": f"{AWAY} >= 7.0 * 86400000.0"}}


def test_whoever_is_silent_comes_in_at_an_age_and_leaves_at_the_next_event() -> None:
    job = clicked(job_of(LAPSED), 0)
    assert [members_at(job, age_s) for age_s in (0, 6 * 86_400, 7 * 86_400 - 1)] == [{}, {}, {}]
    assert [members_at(job, age_s) for age_s in (7 * 86_400, 8 * 86_400, 14 * 86_400)] == [{"lapsed": 7 * DAY}] * 3
    clicked(job, 10 * DAY)
    assert members_at(job, 0) == {}
    assert members_at(job, 7 * 86_400) == {"lapsed": 17 * DAY}


def test_memberships_are_looked_at_at_declared_ages_alone() -> None:
    segments = {"lapsed": {"when": f"{AWAY} >= 100000.0"}}
    assert members_at(clicked(job_of(segments, ["1m", "5m"]), 0), 3_600) == {"lapsed": 5 * MINUTE}
    assert members_at(clicked(job_of(segments, []), 0), 3_600) == {}


def test_an_event_after_a_pause_catches_up_on_the_ages_in_it() -> None:
    """Who came in by silence, and stays after the next event, is a member since the age."""
    segments = {"won_back": {"enter": f"{AWAY} >= 7.0 * 86400000.0", "leave": "session_clicks >= 3.0"}}
    job = clicked(job_of(segments), 0, 10 * DAY)
    assert members_at(job, 0) == {"won_back": 7 * DAY}
    clicked(job, 10 * DAY + 1, 10 * DAY + 2)
    assert members_at(job, 0) == {}


def test_who_left_by_silence_has_left_at_the_age() -> None:
    segments = {"busy": {"enter": "of_day >= 2.0", "leave": "of_day < 1.0"}}
    job = clicked(job_of(segments), 0, 1)
    assert members_at(job, 86_400) == {"busy": 1}
    assert members_at(job, 3 * 86_400) == {}
    segment = job.plan.segments[0]
    aged = job.plan.aged(job.profile("me"), 30 * 86_400)
    assert aged.values[segment.slot : segment.slot + 2] == [-1.0, T0 + 1 + 3 * DAY]
    clicked(job, 10 * DAY)  # one click is not enough to come in again
    assert job.profile("me").values[segment.slot : segment.slot + 2] == [-1.0, T0 + 1 + 3 * DAY]


def test_an_event_at_the_time_of_an_age_comes_before_it() -> None:
    segments = {"lapsed": {"enter": f"{AWAY} >= 3600000.0", "leave": "clicks >= 3.0"}}
    assert members_at(clicked(job_of(segments), 0, HOUR), 0) == {}
    assert members_at(clicked(job_of(segments), 0, HOUR + 1), 0) == {"lapsed": HOUR}


def test_a_minimum_stay_ends_at_an_age_too() -> None:
    segments = {"here": {"enter": f"{AWAY} < 1.0", "min_stay": "1d"}}
    job = clicked(job_of(segments), 0)
    assert members_at(job, 6 * 3_600) == {"here": 0}
    assert members_at(job, 86_400) == {}


def test_looks_change_nothing_but_memberships() -> None:
    times_ms = (0, 1, 10 * DAY, 12 * DAY)
    with_looks, without = clicked(job_of(LAPSED), *times_ms), clicked(job_of(LAPSED, []), *times_ms)
    slot = with_looks.plan.segments[0].slot
    one, other = with_looks.profile("me"), without.profile("me")
    assert one.values[slot : slot + 2] == [0.0, T0 + 10 * DAY]  # came in at an age, and left at the event
    one.values[slot : slot + 2] = other.values[slot : slot + 2]
    assert packed(one) == packed(other)


@examples(40)
@given(st.data())
def test_in_whatever_is_declared_looks_change_nothing_but_memberships(data: st.DataObject) -> None:
    project = data.draw(projects()).data
    messages = data.draw(histories(project["events"], forget=False))
    found = []
    for ages in (["1s", "31m", "6h", "2d", "20d"], []):
        job = Job(compiled({**project, "project": {**project["project"], "ages": ages}}))
        job.fold(messages)
        if not job.states:
            return
        profile = job.profile("me").copy()
        for segment in job.plan.segments:
            profile.values[segment.slot : segment.slot + 2] = [0.0, 0.0]
        found.append(packed(profile))
    assert found[0] == found[1]


@given(
    st.lists(st.tuples(st.integers(0, 10 * DAY), st.sampled_from([VIEW, CLICK])), min_size=1), st.integers(0, 9_000_000)
)
def test_scores_of_v1_at_an_age_are_those_that_are_computed_from_stored_features(
    happened: list[tuple[int, int]], age_s: int
) -> None:
    plan = v1_plan()
    profile = plan.blank()
    for at, (time_ms, kind) in enumerate(sorted(happened)):
        profile.fold(Event(T0 + time_ms, f"e{at:03}", kind, 0.0, "shoes"), bounds().profile)
    read = plan.reading(plan.aged(profile, age_s), profile.values[LAST_MS] + age_s * SECOND)
    scores = dict(zip([name for name, _ in plan.formulas], read.scores, strict=True))
    engagement, churn_risk = after_silence(plan.vector(profile), age_s * SECOND)
    assert scores["engagement"] == pytest.approx(engagement, abs=1e-9)
    assert scores["churn_risk"] == pytest.approx(churn_risk, abs=1e-9)


@pytest.mark.parametrize(
    ("ages", "expected"), [(None, list(AGES_S)), ([], []), (["1s", "90s", "2w"], [1, 90, 1_209_600])]
)
def test_a_plan_knows_its_ages(ages: list[str] | None, expected: list[int]) -> None:
    assert job_of(None, ages).plan.ages_s == expected
    assert settings().user_ttl_ms == 20 * DAY
