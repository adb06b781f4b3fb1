"""Live traffic follows the clock it is given."""

from itertools import islice

import pytest

from console.simulator import SimulatedEvent, SimulationSpec, simulate_live

START_S = 1_790_000_000.0


class FakeClock:
    def __init__(self, now_s: float = START_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def live(clock: FakeClock | None = None, **given: object) -> list[SimulatedEvent]:
    clock = clock or FakeClock()
    spec = SimulationSpec(users=500, **given)  # type: ignore[arg-type]
    return list(simulate_live(spec, clock=clock, sleep=clock.sleep))


def test_the_rate_is_kept() -> None:
    clock = FakeClock()
    events = live(clock, rate=100, duration_s=60)
    assert len(events) == pytest.approx(6_000, rel=0.02)
    assert clock.now_s - START_S == pytest.approx(60, abs=1)
    assert START_S * 1_000 <= events[0].event_time_ms <= events[-1].event_time_ms < (START_S + 60) * 1_000


def test_events_are_exactly_as_many_as_asked_for() -> None:
    clock = FakeClock()
    events = live(clock, rate=50, events=1_234)
    assert len({event.event_id for event in events}) == len(events) == 1_234
    assert clock.now_s - START_S == pytest.approx(1_234 / 50, rel=0.1)


def test_no_event_comes_before_its_time() -> None:
    clock = FakeClock()
    spec = SimulationSpec(users=100, rate=20, duration_s=30)
    for event in simulate_live(spec, clock=clock, sleep=clock.sleep):
        assert event.event_time_ms <= clock.now_s * 1_000 + 3


def test_disorder_and_duplicates_hold_across_windows() -> None:
    events = live(rate=100, events=8_000, disorder_ms=5_000, duplicates=0.2)
    assert len(events) == pytest.approx(9_600, abs=10)
    assert len(set(events)) == len({event.event_id for event in events}) == 8_000
    newest_ms = worst_ms = 0
    seen: set[str] = set()
    for event in events:
        if event.event_id not in seen:
            worst_ms = max(worst_ms, newest_ms - event.event_time_ms)
        seen.add(event.event_id)
        newest_ms = max(newest_ms, event.event_time_ms)
    assert 4_000 < worst_ms <= 5_000


def test_a_later_run_has_other_ids_of_the_same_users() -> None:
    first = live(rate=100, events=1_000)
    second = live(FakeClock(START_S + 1), rate=100, events=1_000)
    assert not {event.event_id for event in first} & {event.event_id for event in second}
    assert {event.user_id for event in first} & {event.user_id for event in second}


def test_traffic_without_an_end_goes_on() -> None:
    clock = FakeClock()
    spec = SimulationSpec(users=50, rate=10)
    assert len(list(islice(simulate_live(spec, clock=clock, sleep=clock.sleep), 3_000))) == 3_000


def test_a_sleep_cut_short_yields_at_once() -> None:
    clock = FakeClock()
    spec = SimulationSpec(users=50, rate=1, events=20)
    assert len(list(simulate_live(spec, clock=clock, sleep=lambda _: None))) == 20
    assert clock.now_s == START_S


def test_few_users_at_a_high_rate_are_hasty() -> None:
    clock = FakeClock()
    spec = SimulationSpec(users=3, rate=500, events=2_000)
    events = list(simulate_live(spec, clock=clock, sleep=clock.sleep))
    assert len(events) == 2_000
    assert clock.now_s - START_S == pytest.approx(4, rel=0.3)
