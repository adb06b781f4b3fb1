"""The monitor: rates, and what happens while a service is unavailable."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from console.demo.freshness import FreshnessLog
from console.demo.monitor import TROUBLE_S_MAX, Monitor, Rate
from console.demo.shoppers import Watchlist
from console.demo.silence import Away
from console.demo.traffic import Kind, Record, Traffic
from console.progress import Drained
from driftline.errors import ServiceUnavailable
from driftline.serving.v1.scores_pb2 import AsOfEvent, UserScores
from sink_connectors.score_store import Progress


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.per_second(0.0, 60_000) == 0.0
    assert rate.per_second(1.0, 60_200) == 200
    assert rate.per_second(5.0, 61_000) == 200
    assert rate.per_second(11.0, 61_000) == 0.0  # all before is too long ago
    assert rate.per_second(12.0, 61_100) == 100


class World:
    """A clock, a topic and a server, as the monitor sees them."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.seen = Drained(60_000, Progress(accepted=60_000))
        self.unavailable = False

    def clock(self) -> float:
        return self.now_s

    def look(self) -> Drained:
        if self.unavailable:
            message = "Redis is unavailable"
            raise ServiceUnavailable(message)
        return self.seen

    def scores(self, user_ids: Sequence[str]) -> list[UserScores]:
        return [
            UserScores(user_id=user_id, accepted_events=1, model_version="m1", scores={"purchase_propensity": 0.5})
            for user_id in user_ids
        ]

    def with_as_of_event(self, user_ids: Sequence[str]) -> list[UserScores]:
        then = AsOfEvent(scores={"churn_risk": 0.25})
        return [
            UserScores(user_id=user_id, age_s=86_400, scores={"churn_risk": 0.5}, as_of_event=then)
            for user_id in user_ids
        ]

    def send(self, user_id: str, value: bytes, timestamp_ms: int) -> None:
        self.seen = Drained(self.seen.published + 1, self.seen.totals)

    def flush(self) -> None:
        pass


def watch(world: World, seconds: float | None = None, away: Sequence[Away] = ()) -> tuple[Monitor, Traffic]:
    traffic = Traffic(lambda _: None, clock=world.clock)
    monitor = Monitor(
        traffic=traffic,
        log=FreshnessLog(),
        look=world.look,
        source=world,
        watchlist=Watchlist(8),
        away=away,
        seconds=seconds,
        clock=world.clock,
    )
    return monitor, traffic


def test_a_snapshot_gathers_everything() -> None:
    world = World()
    monitor, traffic = watch(world, seconds=20)
    monitor.snapshot()
    traffic.publish([Record(Kind.EVENT, "u1", b"", 1, 1), Record(Kind.LATE, "u1", b"", 0, 0)], world, threading.Event())
    world.now_s += 0.5
    shown = monitor.snapshot()
    assert (shown.running_s, shown.left_s) == (0.5, 19.5)
    assert (shown.published_per_s, shown.scored_per_s, shown.waiting) == (4.0, 0.0, 2)
    assert shown.counts == {Kind.EVENT: 1, Kind.LATE: 1}
    assert [row.user_id for row in shown.rows] == ["u1"]
    assert (shown.model_version, shown.trouble) == ("m1", "")


def test_who_falls_silent_is_shown_as_of_then_and_now() -> None:
    monitor, _ = watch(World(), away=[Away("away-1d-k3f2", 1)])
    (row,) = monitor.snapshot().away
    assert (row.user_id, row.age_s, row.churn_then, row.churn_now) == ("away-1d-k3f2", 86_400, 0.25, 0.5)


def test_a_service_that_is_unavailable_is_shown_and_the_rest_stays() -> None:
    world = World()
    monitor, _ = watch(world)
    monitor.snapshot()
    world.unavailable = True
    shown = monitor.snapshot()
    assert shown.trouble == "Redis is unavailable"
    assert shown.totals.accepted == 60_000
    world.unavailable = False
    assert monitor.snapshot().trouble == ""


def test_a_service_that_stays_away_ends_the_demo() -> None:
    world = World()
    monitor, _ = watch(world)
    monitor.snapshot()
    world.unavailable = True
    world.now_s += TROUBLE_S_MAX
    monitor.snapshot()
    world.now_s += 0.1
    with pytest.raises(ServiceUnavailable, match="Redis is unavailable"):
        monitor.snapshot()
