"""Properties of every kind of reducer, against an evaluation of the sorted events."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.limits import TIME_MS_MAX, VALUE_MAX
from tests.builders import DAY, HOUR
from tests.unit.udfs.reducers.cases import CASES, NOT_TAKEN, TAKEN, Case, Drawn, drawn, reads
from tests.unit.udfs.reducers.folding import Folded, Taken, packed, restored
from tests.unit.udfs.reducers.oracle import ORACLES, Answer, evaluate
from udfs.event import Event
from udfs.profile import Profile
from udfs.reducers.kinds import KINDS

EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
FEWER = settings(max_examples=40)


def test_every_kind_is_compared_with_an_oracle() -> None:
    assert set(KINDS) == set(ORACLES) == {case.kind for case in CASES}


def assert_same(case: Case, got: Answer, wanted: Answer, scale: float) -> None:
    if case.exact or isinstance(wanted, str):
        assert got == wanted
    elif isinstance(wanted, dict):
        assert isinstance(got, dict)
        assert got.keys() == wanted.keys()
        assert all(math.isclose(got[key], wanted[key], rel_tol=1e-9, abs_tol=1e-12 * scale) for key in wanted)
    else:
        assert isinstance(got, float)
        assert math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-12 * scale)


def _folded(history: Drawn, profile: Profile | None = None) -> Folded:
    return Folded(history.case.kind, history.params, history.taken, profile)


@EVERY_CASE
@given(data=st.data())
def test_what_is_read_at_every_event_is_what_the_sorted_events_say(case: Case, data: st.DataObject) -> None:
    history = data.draw(drawn(case))
    folded = _folded(history)
    every_read = reads(case, history.params)
    for count, event in enumerate(history.events, 1):
        folded.add(event)
        rows = history.rows(count)
        scale = 1.0 + sum(abs(row[1]) for row in rows if isinstance(row[1], float))
        for read in every_read:
            got = folded.read(read, case.gives, history.default)
            wanted = evaluate(case.kind, history.params, read, history.default, rows[::-1], event.time_ms)
            assert_same(case, got, wanted, scale)
    assert folded.fences_stand()


@EVERY_CASE
@given(data=st.data(), age_ms=st.one_of(st.integers(0, 3 * HOUR), st.integers(0, 40 * DAY), st.sampled_from([DAY])))
def test_what_is_read_at_any_later_time_is_what_the_sorted_events_say(
    case: Case, data: st.DataObject, age_ms: int
) -> None:
    history = data.draw(drawn(case))
    if not history.events:
        return
    folded = _folded(history).add_all(history.events)
    before = packed(folded.profile)
    rows = history.rows(len(history.events))
    scale = 1.0 + sum(abs(row[1]) for row in rows if isinstance(row[1], float))
    later = folded.later(age_ms)
    # By another time than the steps of the history, what has faded is not a whole power of 2.
    compared = replace(case, exact=case.exact and not KINDS[case.kind].half_life_ms(history.params))
    for read in reads(case, history.params):
        got = later.read(read, case.gives, history.default)
        as_of_ms = history.events[-1].time_ms + age_ms
        wanted = evaluate(case.kind, history.params, read, history.default, rows, as_of_ms)
        assert_same(compared, got, wanted, scale)
    assert packed(folded.profile) == before


@EVERY_CASE
@FEWER
@given(data=st.data())
def test_nothing_is_read_as_the_oracle_says(case: Case, data: st.DataObject) -> None:
    history = data.draw(drawn(case, size_max=0))
    for read in reads(case, history.params):
        got = _folded(history).read(read, case.gives, history.default)
        assert got == evaluate(case.kind, history.params, read, history.default, [], 0)


@EVERY_CASE
@FEWER
@given(data=st.data())
def test_the_state_is_all_that_the_rest_of_the_fold_needs(case: Case, data: st.DataObject) -> None:
    history = data.draw(drawn(case))
    cut = data.draw(st.integers(0, len(history.events)))
    whole = _folded(history).add_all(history.events)
    first = _folded(history).add_all(history.events[:cut])
    second = _folded(history, restored(first.profile)).add_all(history.events[cut:])
    assert packed(second.profile) == packed(whole.profile)
    assert first.dropped + second.dropped == whole.dropped


@EVERY_CASE
@FEWER
@given(data=st.data())
def test_a_copy_is_independent(case: Case, data: st.DataObject) -> None:
    history = data.draw(drawn(case))
    cut = data.draw(st.integers(0, len(history.events)))
    original = _folded(history).add_all(history.events[:cut])
    before = packed(original.profile)
    copied = _folded(history, original.profile.copy()).add_all(history.events[cut:])
    assert packed(original.profile) == before
    assert packed(copied.profile) == packed(original.add_all(history.events[cut:]).profile)


@EVERY_CASE
@given(data=st.data())
def test_the_bounds_hold_at_every_event(case: Case, data: st.DataObject) -> None:
    history = data.draw(drawn(case, size_max=30))
    params = history.params
    floats_max = 2 * (params.get("hops", 0) + 1) if "hops" in params else params.get("k", params.get("exact", 0))
    folded = _folded(history)
    for event in history.events:
        folded.add(event)
        assert all(len(weights) <= params["cap"] for weights in folded.own_maps())
        assert all(len(table) <= params["cap"] for table in folded.own_tables())
        tabled = [series for table in folded.own_tables() for series in table.values()]
        assert all(len(series) <= floats_max for series in [*folded.own_series(), *tabled])


@EVERY_CASE
@FEWER
@given(data=st.data())
def test_events_that_a_reducer_does_not_take_leave_it_alone(case: Case, data: st.DataObject) -> None:
    history = data.draw(drawn(case))
    if KINDS[case.kind].half_life_ms(history.params):
        return  # time alone changes it
    others = [Event(e.time_ms, e.event_id, NOT_TAKEN, 0.0, "") for e in history.events]
    both = sorted([*history.events, *others])
    alone, among = (_folded(history).add_all(events) for events in (history.events, both))
    among.profile.values[0] = alone.profile.values[0]  # the number of events
    assert packed(among.profile) == packed(alone.profile)


_TIMES_MS = st.one_of(st.integers(1, TIME_MS_MAX), st.sampled_from([1, TIME_MS_MAX]))
_FLOATS = st.one_of(st.floats(-VALUE_MAX, VALUE_MAX), st.sampled_from([VALUE_MAX, -VALUE_MAX, -0.0, 5e-324]))
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@EVERY_CASE
@FEWER
@given(
    data=st.data(),
    happened=st.lists(st.tuples(_TIMES_MS, _FLOATS, _TEXTS, _TEXTS), max_size=12).map(sorted),
)
def test_nothing_raises_and_all_stays_finite(
    case: Case, data: st.DataObject, happened: list[tuple[int, float, str, str]]
) -> None:
    history = data.draw(drawn(case, size_max=0))
    folded = _folded(history)
    for number, (time_ms, value, text, key) in enumerate(happened):
        folded.add(Event(time_ms, f"e{number:03}", TAKEN, 0.0, "", numbers=(value,), texts=(text, key)))
        for read in reads(case, history.params):
            got: Any = folded.read(read, case.gives, history.default)
            numbers = list(got.values()) if isinstance(got, dict) else [] if isinstance(got, str) else [got]
            assert all(math.isfinite(each) for each in numbers)
    assert folded.fences_stand()


@EVERY_CASE
def test_a_way_to_read_that_a_kind_does_not_have_is_refused(case: Case) -> None:
    params = {"agg": "sum", "hop_ms": 1, "hops": 1, "cap": 1, "k": 1, "exact": 3, "edges": [1], "of": "hour"}
    folded = Folded(case.kind, params | {"text": False, "which": "first"}, {})
    with pytest.raises(ValueError, match="can be read as"):
        folded.node(["nonsense", 1])


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"count", "sum", "since", "streak", "calendar"}))
def test_a_plan_without_the_value_that_a_kind_needs_is_refused(kind: str) -> None:
    params = {"agg": "max", "hop_ms": 1, "hops": 1, "cap": 1, "k": 1, "exact": 3, "edges": [1]}
    with pytest.raises(ValueError, match="lacks the value or key"):
        Folded(kind, params | {"text": False, "which": "first"}, {TAKEN: Taken()})
