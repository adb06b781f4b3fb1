from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity import BEGIN, DOCUMENT, END, Costs, markdown, plan

COSTS = Costs()


@given(st.floats(1, 1e8), st.floats(1, 1e9))
def test_no_thread_is_busier_than_planned(events_s: float, users: float) -> None:
    planned = plan(events_s, users, COSTS)
    each_s = events_s / planned.cells
    blocks_s = min(planned.shards * 20, each_s)
    busy = (each_s * COSTS.event_s + blocks_s * COSTS.block_s) / planned.slots
    assert busy <= COSTS.busy_max * 1.001
    assert each_s * COSTS.redis_write_s <= COSTS.busy_max * 1.001
    assert planned.slots <= planned.shards <= 128


@given(st.floats(1, 1e7), st.floats(1, 10))
def test_more_events_never_need_less(events_s: float, times: float) -> None:
    less, more = plan(events_s, 1e6, COSTS), plan(events_s * times, 1e6, COSTS)
    assert (more.cells, more.kafka_mb_s) >= (less.cells, less.kafka_mb_s)
    assert more.cells * more.slots * 2 >= less.cells * less.slots  # slots are powers of two


def test_dearer_writes_mean_more_cells_and_a_small_load_needs_one_slot() -> None:
    assert plan(1_000, 1e6, COSTS).slots == 1
    dear = replace(COSTS, redis_write_s=COSTS.redis_write_s * 10)
    assert plan(1e6, 1e6, dear).cells == pytest.approx(10 * plan(1e6, 1e6, COSTS).cells, rel=0.05)


def test_document_shows_what_the_model_says() -> None:
    text = DOCUMENT.read_text()
    shown = text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()
    assert shown == markdown(plan(events_s, 1e8, COSTS) for events_s in (1e4, 1e5, 1e6, 1e7))
