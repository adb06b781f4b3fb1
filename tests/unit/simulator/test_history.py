"""A history is exact, reproducible, and believable."""

import hashlib
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from console.simulator import SimulatedEvent, SimulationSpec, json_line, simulate, user_event
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event, parse_event

DAY_MS = 86_400_000
MINUTE_MS = 60_000


def made(**given: object) -> list[SimulatedEvent]:
    return list(simulate(SimulationSpec(**given)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def events() -> list[SimulatedEvent]:
    return made(users=2_000, events=20_000, seed=7)


@settings(max_examples=25, deadline=None)
@given(
    users=st.integers(1, 60),
    events=st.integers(1, 400),
    seed=st.integers(0, 2**63 - 1),
    disorder_ms=st.sampled_from([0, 1, 5_000, 60_000, 3_600_000, 3 * 86_400_000]),
    duplicates=st.sampled_from([0.0, 0.1, 1.0]),
    days=st.sampled_from([0.001, 0.5, 14.0]),
)
def test_disorder_and_duplicates_keep_their_promises(
    *, users: int, events: int, seed: int, disorder_ms: int, duplicates: float, days: float
) -> None:
    plain = made(users=users, events=events, seed=seed, days=days)
    shuffled = made(users=users, events=events, seed=seed, days=days, disorder_ms=disorder_ms, duplicates=duplicates)
    times = [event.event_time_ms for event in plain]
    assert len(plain) == events == len({event.event_id for event in plain})
    assert times == sorted(times)
    assert set(shuffled) == set(plain)
    assert len(shuffled) == events + round(events * duplicates)
    newest_ms = 0
    seen: set[str] = set()
    for event in shuffled:
        if event.event_id not in seen:
            assert newest_ms - event.event_time_ms <= disorder_ms
        seen.add(event.event_id)
        newest_ms = max(newest_ms, event.event_time_ms)


def test_the_same_spec_gives_the_same_bytes() -> None:
    spec = SimulationSpec(users=50, events=1_000, seed=3, disorder_ms=60_000, duplicates=0.1)
    assert [json_line(event) for event in simulate(spec)] == [json_line(event) for event in simulate(spec)]


def test_another_seed_gives_other_events() -> None:
    first, second = (made(users=50, events=500, seed=seed) for seed in (1, 2))
    assert not {event.event_id for event in first} & {event.event_id for event in second}
    assert [event.type for event in first] != [event.type for event in second]


def test_a_tenth_is_repeated_soon() -> None:
    arrived = made(users=100, events=5_000, seed=1, duplicates=0.1)
    place: dict[str, int] = {}
    distances = [index - place.setdefault(event.event_id, index) for index, event in enumerate(arrived)]
    assert sum(distance > 0 for distance in distances) == 500
    assert max(distances) < 200


def test_disorder_uses_its_bound() -> None:
    newest_ms = worst_ms = 0
    for event in made(users=100, events=5_000, seed=1, days=0.2, disorder_ms=10_000):
        newest_ms = max(newest_ms, event.event_time_ms)
        worst_ms = max(worst_ms, newest_ms - event.event_time_ms)
    assert 8_000 < worst_ms <= 10_000


def test_every_line_is_the_event(events: list[SimulatedEvent]) -> None:
    for event in events:
        line = json_line(event)
        message = user_event(event)
        assert parse_event(line.encode()) == message
        assert format_event(message) == line


def test_lines_are_read_alike_by_the_reference(events: list[SimulatedEvent]) -> None:
    for event in events[::20]:
        assert json_format.Parse(json_line(event), UserEvent()) == user_event(event)


def test_events_fill_the_days_asked_for() -> None:
    start_ms = 1_780_000_123_456
    times = [event.event_time_ms for event in made(users=500, events=5_000, start_ms=start_ms, days=3)]
    assert start_ms <= min(times) < start_ms + DAY_MS / 4
    assert start_ms + 2.75 * DAY_MS < max(times) < start_ms + 3 * DAY_MS


def test_nearly_everyone_comes_and_a_few_come_often(events: list[SimulatedEvent]) -> None:
    counts = sorted(Counter(event.user_id for event in events).values())
    assert len(counts) > 1_900
    assert counts[-1] > 10 * counts[len(counts) // 2]


def test_types_are_plausible(events: list[SimulatedEvent]) -> None:
    share = {kind: count / len(events) for kind, count in Counter(event.type for event in events).items()}
    assert share.keys() == set(UserEvent.Type.keys()) - {"TYPE_UNSPECIFIED", "FORGET", "REFUND"}
    assert 0.01 < share["PURCHASE"] < 0.04
    assert share["VIEW"] > share["CLICK"] > share["ADD_TO_CART"] > share["PURCHASE"] > share["SURVEY_RESPONSE"]


def test_events_carry_what_their_type_needs(events: list[SimulatedEvent]) -> None:
    for event in events:
        priced = event.type in {"ADD_TO_CART", "PURCHASE"}
        assert (event.currency == "EUR") == priced
        assert (event.value is not None) == (priced or event.type == "SURVEY_RESPONSE")
        assert bool(event.name) == (event.type == "CUSTOM")
        assert bool(event.item_id) == (event.type in {"VIEW", "CLICK", "ADD_TO_CART", "PURCHASE", "CUSTOM"})
        if event.type == "SURVEY_RESPONSE":
            assert event.value in range(11)


def test_a_purchase_costs_what_was_put_into_the_cart(events: list[SimulatedEvent]) -> None:
    carts: defaultdict[str, float] = defaultdict(float)
    last_ms: dict[str, int] = {}
    for event in events:
        if event.event_time_ms - last_ms.get(event.user_id, 0) > 30 * MINUTE_MS:
            carts[event.user_id] = 0.0  # carts are not kept from one session to the next
        last_ms[event.user_id] = event.event_time_ms
        if event.type == "ADD_TO_CART":
            carts[event.user_id] += event.value or 0.0
        if event.type == "PURCHASE":
            assert event.value is not None
            assert 0 < event.value <= carts[event.user_id] + 0.001
            carts[event.user_id] = 0.0


def test_users_return_after_hours_or_days(events: list[SimulatedEvent]) -> None:
    times: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        times[event.user_id].append(event.event_time_ms)
    gaps = sorted(later - earlier for own in times.values() for earlier, later in pairwise(own))
    within = [gap for gap in gaps if gap < 30 * MINUTE_MS]
    between = [gap for gap in gaps if gap >= 30 * MINUTE_MS]
    assert len(within) > 3 * len(between)
    assert 5_000 < within[len(within) // 2] < 60_000
    assert between[len(between) // 2] > 6 * 60 * MINUTE_MS


def test_evenings_are_busier_than_nights(events: list[SimulatedEvent]) -> None:
    hours = Counter(event.event_time_ms // 3_600_000 % 24 for event in events)
    assert hours[20] > 5 * hours[3]


def test_a_cart_foretells_a_purchase(events: list[SimulatedEvent]) -> None:
    purchases: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.type == "PURCHASE":
            purchases[event.user_id].append(event.event_time_ms)

    def bought_soon(kind: str) -> float:
        chosen = [event for event in events if event.type == kind]
        soon = [
            any(0 < time_ms - event.event_time_ms <= 30 * MINUTE_MS for time_ms in purchases[event.user_id])
            for event in chosen
        ]
        return sum(soon) / len(soon)

    assert bought_soon("VIEW") < 0.2
    assert 0.3 < bought_soon("ADD_TO_CART") < 0.9


def test_one_user_with_more_than_the_days_can_hold_stays_within_them() -> None:
    times = [event.event_time_ms for event in made(users=1, events=5_000, days=0.01)]
    assert len(times) == 5_000
    assert times[-1] - times[0] < 0.01 * DAY_MS


def digest(**given: object) -> str:
    spec = SimulationSpec(**given)  # type: ignore[arg-type]
    lines = "\n".join(json_line(event) for event in simulate(spec))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def test_histories_stay_what_they_were() -> None:
    assert digest(users=60, events=900, seed=3, days=9, disorder_ms=60_000, duplicates=0.1) == "2d3a173b1465e88e"
    assert digest(users=300, events=2_000, seed=11) == "d30b20c0e972913a"


def test_who_leaves_comes_as_often_before_and_not_after() -> None:
    """Of those who come often: when each was last seen, and how often in a week until then."""

    def told(leaving: float) -> tuple[list[float], float]:
        times: defaultdict[str, list[int]] = defaultdict(list)
        history = made(users=400, events=24_000, seed=5, days=70, leaving=leaving)
        assert len(history) == 24_000 == len({event.event_id for event in history})
        for event in history:
            times[event.user_id].append(event.event_time_ms)
        end_ms = max(event.event_time_ms for event in history)
        often = [own for own in times.values() if len(own) > 60]
        return [(end_ms - own[-1]) / DAY_MS for own in often], sum(len(own) for own in often) / len(often)

    stayed, left = told(0.0), told(0.5)
    assert sum(days > 21 for days in stayed[0]) < 0.05 * len(stayed[0])
    assert 0.2 < sum(days > 21 for days in left[0]) / len(left[0]) < 0.5
    assert told(0.5) == left


@settings(max_examples=15, deadline=None)
@given(users=st.integers(1, 40), events=st.integers(1, 300), seed=st.integers(0, 99), leaving=st.floats(0, 1))
def test_a_history_with_leaving_users_is_exact(*, users: int, events: int, seed: int, leaving: float) -> None:
    told = made(users=users, events=events, seed=seed, days=30, leaving=leaving)
    times = [event.event_time_ms for event in told]
    start_ms = SimulationSpec(users=1).history_start_ms
    assert len({event.event_id for event in told}) == events and times == sorted(times)
    assert start_ms <= times[0] and times[-1] < start_ms + 30 * DAY_MS
