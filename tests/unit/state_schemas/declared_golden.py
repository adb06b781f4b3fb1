"""The states of the golden project (tests/golden/declared_project), with something in every field."""

from __future__ import annotations

from pathlib import Path

from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import bounds_of
from jobs.plans import bind_plan, compile_plan
from state_schemas.layouts import StoredLayouts
from state_schemas.user_state import encode_user
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, job_settings
from udfs.event import PURCHASE, VIEW, Event
from udfs.money import NUMBERS
from udfs.plan.plan import Plan
from udfs.timeline import Timeline, TimelineBounds

PROJECT = Path(__file__).parents[2] / "golden" / "declared_project"
PLAY = 11


def plan() -> Plan:
    """The project's plan."""
    settings = job_settings(declarations=PROJECT)
    return bind_plan(compile_plan(settings), settings)


def bounds() -> TimelineBounds:
    """The default bounds, over the plan."""
    return bounds_of(job_settings(), plan())


def _play(at_ms: int, artist: str, seconds: float, genres: str = "pop") -> Event:
    fields = (seconds, 1.0), (f"track {at_ms}", artist, genres)
    return Event(T0 + at_ms, f"p-{at_ms}", PLAY, seconds, artist, -1, 0, *fields)


def _purchase(at_ms: int, value: float, brand: str, currency: str = "EUR") -> Event:
    return Event(T0 + at_ms, f"b-{at_ms}", PURCHASE, value, "", -1, NUMBERS[currency], (2.0,), (brand,))


def timeline() -> Timeline:
    """A user with two sessions committed, and a third of which some waits in the tail."""
    made = Timeline.begin(bounds())
    for event in (
        _play(0, "björk", 180.5, "pop\x1felectro"),
        _play(2 * MINUTE, "abba", -0.0),
        Event(T0 + 3 * MINUTE, "v", VIEW, 0.0, "hats"),
        _purchase(DAY, 59.5, "acme"),
        _play(DAY + 5 * MINUTE, "abba", 45.25, "jazz"),
        _purchase(DAY + 6 * MINUTE, 60.0, "zoë"),
        _purchase(DAY + 7 * MINUTE, 12_000, "acme", "JPY"),
        _play(2 * DAY + HOUR, "cher", 30.0, ""),
        _play(2 * DAY + HOUR + SECOND, "", 7.0),
        _purchase(2 * DAY + HOUR + 2 * SECOND, 5.0, ""),
        Event(T0 + 2 * DAY + HOUR + 3 * SECOND, "w", VIEW, 0.0, "hats", T0 + 2 * DAY),  # dated ahead of its record
        Event(T0 + 2 * DAY + HOUR + 30 * SECOND, "x", VIEW, 0.0, "bags"),
    ):
        made.offer(event)
    made.forgotten_through_ms = T0 - DAY
    made.check_at_ms, made.last_arrival_ms = 1_767_400_000_000, 1_767_398_200_000
    made.age_s = 86_400
    made.segments_published = {"fans": T0 + DAY + 5 * MINUTE, "buyers": -(T0 + 9)}
    return made


def user_state() -> bytes:
    """The state of the user."""
    return encode_user(timeline(), StoredLayouts(plan().layout))


def shard() -> ShardState:
    """The state of the user's shard."""
    return ShardState(
        generation=1_767_225_600_000,
        accepted=12,
        shards=8,
        made_with={"feature_set": "golden", "namespace": "main"},
        layouts=[plan().layout.to_json()],
        features=plan().definitions,
        feature_since_ms={"play_share": 1_767_300_000_000},
    )
