"""The cache of timelines is bounded in bytes, whatever the users are like."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.plans import plan_for
from state_schemas.layouts import StoredLayouts
from state_schemas.user_state import decode_user, encode_user
from state_schemas.users import Timelines, memory_bytes
from tests.builders import HOUR, SECOND, States, bounds, event, job_settings, timelines
from udfs.timeline import Timeline

MIB = 2**20


def timeline_of(events: int, step_ms: int, id_bytes: int = 36, category_bytes: int = 11, kinds: int = 30) -> Timeline:
    timeline = Timeline.begin(bounds())
    for n in range(events):
        category = f"{n % kinds:0{category_bytes}}" if category_bytes else ""
        timeline.offer(event(n * step_ms, event_id=f"{n:0{id_bytes}}", category=category))
    timeline.clear_gathered()
    return timeline


SHAPES = {
    "first event": (1, HOUR, 36, 11, 30),
    "a day": (20, HOUR, 36, 11, 30),
    "busy": (500, 170 * SECOND, 36, 11, 30),
    "a session": (100, SECOND, 36, 11, 30),
    "bot": (4_096, 20, 36, 11, 30),
    "bot of long strings": (4_096, 20, 128, 256, 2_000),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_estimate_is_what_python_allocates(shape: tuple[int, int, int, int, int]) -> None:
    state = encode_user(timeline_of(*shape))
    decode_user(state, bounds())  # the first call imports modules, which do not count
    # Other threads of the process only ever add to the figure: the least of a few is the timeline's own.
    offered = min(allocated_by(lambda: timeline_of(*shape)) for _ in range(5))
    decoded = min(allocated_by(lambda: decode_user(state, bounds())) for _ in range(5))
    allocated = max(offered, decoded)
    estimate = memory_bytes(decode_user(state, bounds()), len(state))
    assert 0.7 * allocated <= estimate <= 1.5 * allocated, (allocated, estimate)


def allocated_by(make: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        made = make()
        return tracemalloc.get_traced_memory()[0] if made else 0
    finally:
        tracemalloc.stop()


def cached(users: Timelines) -> list[str]:
    return list(users._cached)


def test_a_crowd_at_its_bounds_stays_within_the_memory_for_it() -> None:
    states, shape = States(), SHAPES["bot"]
    users = timelines(states, cached_max=10_000, cached_bytes_max=4 * MIB)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(30):
        users.put_all({f"u{number}": timeline_of(*shape)})
    stored = sum(map(len, states.values()))
    allocated = tracemalloc.get_traced_memory()[0] - before - stored
    tracemalloc.stop()
    assert allocated <= 5 * MIB
    assert 2 <= len(cached(users)) < 30
    assert cached(users)[-1] == "u29"
    assert len(states) == 30


def test_evicted_users_give_their_bytes_back() -> None:
    users = timelines(cached_max=3, cached_bytes_max=MIB)
    for number in range(1_000):
        name = f"u{number % 7}"
        timeline = users.get(name) or timeline_of(1 + number % 5, HOUR)
        users.put_all({name: timeline}, cache=number % 3 > 0)
    sizes = [size for _, size in users._cached.values()]
    assert users._cached_bytes == sum(sizes)
    assert 0 < len(sizes) <= 3


def test_users_who_went_quiet_do_not_evict_the_active_ones() -> None:
    users = timelines(cached_max=2)
    users.put_all({"a": timeline_of(1, HOUR), "b": timeline_of(1, HOUR)})
    users.put_all({f"quiet{n}": timeline_of(1, HOUR) for n in range(10)}, cache=False)
    assert cached(users) == ["a", "b"]
    assert users.peek("a") is not None
    users.put_all({"a": timeline_of(2, HOUR)}, cache=False)
    assert cached(users) == ["b"]
    again = users.peek("a")
    assert again is not None and again.accepted == 2


def test_a_peek_leaves_the_order_of_use() -> None:
    users = timelines(cached_max=2)
    users.put_all({"a": timeline_of(1, HOUR), "b": timeline_of(1, HOUR)})
    assert users.peek("a") is not None
    users.put_all({"c": timeline_of(1, HOUR)})
    assert cached(users) == ["b", "c"]


WIDE = """
project: {name: wide}
features:
  by_category: {count: VIEW, by: category, half_life: 7d, cap: 40}
  by_category_30d: {count: VIEW, by: category, window: 30d, hop: 1d, cap: 40}
  categories: {distinct: category, of: VIEW, exact: 64}
  last_values: {last_k: value, of: VIEW, k: 50}
"""


@pytest.mark.parametrize("events", [1, 30, 500])
def test_the_estimate_holds_for_what_is_declared(events: int, tmp_path: Path) -> None:
    windows = "".join(f"  views_{n}: {{count: VIEW, window: 7d, hop: 6h, where: value >= {n}}}\n" for n in range(60))
    (tmp_path / "wide.yaml").write_text(WIDE + windows)
    declared = bounds(declarations=tmp_path)
    plan = plan_for(job_settings(declarations=tmp_path))
    layouts = StoredLayouts(plan.layout)

    def made() -> Timeline:
        timeline = Timeline.begin(declared)
        for n in range(events):
            timeline.offer(event(n * HOUR, event_id=f"{n:036}", category=f"{n % 30:011}", value=float(n % 70)))
        timeline.profile()
        timeline.clear_gathered()
        return timeline

    state = encode_user(made(), layouts)

    def read() -> Timeline:
        timeline = decode_user(state, declared, layouts)
        timeline.profile()
        return timeline

    read()
    allocated = max(min(allocated_by(made) for _ in range(5)), min(allocated_by(read) for _ in range(5)))
    estimate = memory_bytes(read(), len(state))
    # Numbers that are zero are one object in a compiled core, and are counted all the same.
    assert 0.6 * allocated <= estimate <= 1.7 * allocated, (allocated, estimate)
