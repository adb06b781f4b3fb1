"""Shoppers who fall silent: their visits, and what the core makes of them at ages, with the demo's own project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.demo.prepare import demo_settings
from console.demo.silence import (
    AWAY_DAYS,
    CHURN,
    FIRST_AGE_S,
    all_looked_at,
    away_row,
    last_visits,
    silent_line,
    silent_table,
    visits,
    who_stays_away,
    write_demo_project,
)
from console.demo.traffic import Kind
from console.settings import StackSettings
from declarations.compile import plan_of, shipped_plan
from driftline.serving.v1.scores_pb2 import AsOfEvent, UserScores
from driftline.settings import Format
from jobs.pipeline import bounds_of, decoder_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from tests.builders import DAY, NOW
from udfs.checks import Checks
from udfs.plan.plan import Plan
from udfs.timeline import Outcome, Timeline


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ScoreEventsSettings:
    project = write_demo_project(tmp_path_factory.mktemp("demo"))
    loaded: ScoreEventsSettings = ScoreEventsSettings.load(declarations=str(project))
    return loaded


def folded(settings: ScoreEventsSettings, encoding: Format = "protobuf") -> dict[str, Timeline]:
    """The timelines of the shoppers, as the job would have them."""
    decoder, timelines = decoder_of(settings), dict[str, Timeline]()
    for record in last_visits(who_stays_away(NOW), NOW, encoding):
        user_id, event = decoder.decode(record.user_id.encode(), record.value, record.timestamp_ms, NOW)
        timeline = timelines.setdefault(user_id, Timeline.begin(bounds_of(settings)))
        assert timeline.offer(event, record.timestamp_ms) is Outcome.ACCEPTED
        timeline.last_arrival_ms = NOW
    return timelines


def test_the_project_is_v1_with_another_first_age_and_a_segment(tmp_path: Path) -> None:
    plan, v1 = plan_of(write_demo_project(tmp_path)), shipped_plan()
    assert plan["ages_s"] == [FIRST_AGE_S, *v1["ages_s"]]
    assert [segment["name"] for segment in plan["segments"]] == ["lapsed"]
    for same in ("time_zone", "events", "reducers", "features", "affinities"):
        assert plan[same] == v1[same]
    assert [score["name"] for score in plan["scores"]] == [score["name"] for score in v1["scores"]]


def test_the_days_away_are_ages(settings: ScoreEventsSettings) -> None:
    assert {days * 86_400 for days in AWAY_DAYS if days} <= set(plan_for(settings).data["ages_s"])


def test_a_demo_without_declarations_runs_its_own(tmp_path: Path) -> None:
    made = demo_settings(StackSettings.load(), "trial", tmp_path)
    assert made.looks_soon
    assert made.settings.namespace == "trial"
    assert plan_for(made.settings).data["name"] == "demo"


def test_a_demo_with_declarations_keeps_them(tmp_path: Path) -> None:
    project = write_demo_project(tmp_path)
    made = demo_settings(StackSettings.load(declarations=project), "trial", tmp_path / "unused")
    assert not made.looks_soon
    assert made.settings.declarations == project
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_every_event_is_accepted_and_the_last_one_is_so_many_days_old(encoding: Format, tmp_path: Path) -> None:
    project = write_demo_project(tmp_path)
    settings: ScoreEventsSettings = ScoreEventsSettings.load(declarations=str(project), events_format=encoding)
    timelines = folded(settings, encoding)
    assert [(NOW - timeline.newest_ms) // DAY for timeline in timelines.values()] == list(AWAY_DAYS)
    assert len({timeline.accepted for timeline in timelines.values()}) == 1


def test_all_have_the_same_churn_risk_at_the_last_event_and_it_rises_with_the_days(
    settings: ScoreEventsSettings,
) -> None:
    plan = plan_for(settings)
    gap_ms, ttl_ms, ages_s = settings.session_gap_ms, settings.user_ttl_ms, plan.data["ages_s"]
    checks = Checks(gap_ms, ttl_ms, ages_s, sessions=True)
    looked_ms = NOW + FIRST_AGE_S * 1_000
    rows = []
    for user_id, timeline in folded(settings).items():
        due_ms = checks.next_ms(user_id, timeline, NOW)
        assert due_ms <= looked_ms + 1_000  # the jitter of the first age is below a second
        reached_s = checks.reached_s(timeline, looked_ms)
        rows.append((reached_s, churn(plan, timeline, 0), churn(plan, timeline, reached_s)))
    assert [reached_s for reached_s, _, _ in rows] == [days * 86_400 or FIRST_AGE_S for days in AWAY_DAYS]
    assert len({round(then, 9) for _, then, _ in rows}) == 1
    now = [at_age for _, _, at_age in rows]
    assert now == sorted(now)
    assert now[-1] > 2 * now[0]


def churn(plan: Plan, timeline: Timeline, age_s: int) -> float:
    """Churn risk as of an age, by the plan."""
    profile = timeline.profile()
    at_age = plan.aged(profile, age_s) if age_s else profile
    scores = plan.reading(at_age, timeline.newest_ms + age_s * 1_000.0).scores
    return float(scores[[name for name, _ in plan.formulas].index(CHURN)])


def test_ids_are_those_of_one_demo() -> None:
    first, second = who_stays_away(NOW), who_stays_away(NOW + 1)
    assert not {one.user_id for one in first} & {one.user_id for one in second}


def test_the_records_are_of_now_and_say_what_they_are() -> None:
    records = list(last_visits(who_stays_away(NOW), NOW, "json"))
    assert {record.kind for record in records} == {Kind.SILENT}
    assert {record.timestamp_ms for record in records} == {NOW}
    assert json.loads(records[-1].value)["eventTimeMs"] == str(records[-1].event_time_ms)


@given(st.integers(100 * DAY, NOW))
def test_visits_are_in_order_end_with_the_last_event_and_move_with_it(last_ms: int) -> None:
    events = list(visits("u1", last_ms))
    times = [event.event_time_ms for event in events]
    assert times == sorted(set(times))
    assert times[-1] == last_ms
    assert len({event.event_id for event in events}) == len(events)
    moved = [time_ms + DAY for time_ms in times]
    assert [event.event_time_ms for event in visits("u1", last_ms + DAY)] == moved


def test_a_row_has_the_scores_then_and_now() -> None:
    message = UserScores(user_id="u1", as_of_event_time_ms=NOW, scores={CHURN: 0.5})
    row = away_row(message)
    assert (row.age_s, row.churn_then, row.churn_now) == (0, 0.5, 0.5)
    message.age_s = 604_800
    message.as_of_event.CopyFrom(AsOfEvent(scores={CHURN: 0.25}))
    message.segments.add(name="lapsed")
    row = away_row(message)
    assert (row.age, row.churn_then, row.churn_now, row.segments) == ("7d", 0.25, 0.5, ("lapsed",))


def test_where_nobody_falls_silent_nothing_is_said() -> None:
    assert silent_line([]) == ""
    assert silent_table([], NOW) == []
    assert all_looked_at([], [])
