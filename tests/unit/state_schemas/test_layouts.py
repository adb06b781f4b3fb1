"""Declarations may change over the state of users: what is kept goes on, what is new begins, what is gone is freed."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state_schemas.codec import StateFormatError
from state_schemas.layouts import StoredLayouts
from state_schemas.user_state import decode_user, encode_user
from tests import v1
from tests.builders import DAY, SECOND
from tests.timelines import base_of
from tests.unit.state_schemas import changing
from tests.unit.state_schemas.changing import (
    LONGER,
    POOL,
    SEGMENTS,
    Declared,
    Happened,
    declared,
    fresh,
    histories,
    own_state,
    plan_of,
    reread,
    run,
    values,
    written,
)
from udfs.event import CUSTOM, PURCHASE, VIEW
from udfs.packed_profile import pack_profile, unpack_profile
from udfs.plan.layout import BASE, Layout, TypeFields, segment_key
from udfs.plan.plan import Plan
from udfs.profile import Profile
from udfs.reducers.kind import Sizes
from udfs.seen_ids import SeenIds
from udfs.tail import Chunk
from udfs.timeline import Timeline, tail_of

EXACT = tuple(POOL | SEGMENTS)  # without windows that share a reducer, in which the longer one leaves more behind
PLAY = (("play", ("artist", "genres", "live", "seconds")),)


def kept(before: Plan, after: Plan) -> list[str]:
    """The features that both plans have."""
    return [name for name, definition in after.definitions.items() if before.definitions.get(name) == definition]


def memberships(plan: Plan, profile: Profile, names: set[str]) -> dict[str, list[float]]:
    """The slots of segments, by name."""
    found = {each["name"]: plan.layout.places[segment_key(each)].slots.value for each in plan.data["segments"]}
    return {name: profile.values[slot : slot + 2] for name, slot in found.items() if name in names}


def segments_of(plan: Plan) -> set[str]:
    return {each["name"] for each in plan.data["segments"]}


@settings(max_examples=150, deadline=None)
@given(st.data(), declared(), declared(), histories())
def test_what_is_kept_goes_on_as_if_nothing_had_changed(
    data: st.DataObject, before: Declared, after: Declared, history: list[Happened]
) -> None:
    old, new = plan_of(before), plan_of(after)
    cut = data.draw(st.integers(1, len(history)))
    timeline = run(new, history[cut:], reread(written(run(old, history[:cut]), old), new, old))
    undisturbed = run(new, history)
    found, expected = values(new, timeline.profile()), values(new, undisturbed.profile())
    names = kept(old, new)
    assert {name: found[name] for name in names} == {name: expected[name] for name in names}
    both = segments_of(old) & segments_of(new)
    assert memberships(new, timeline.profile(), both) == memberships(new, undisturbed.profile(), both)
    assert timeline.profile().session == undisturbed.profile().session
    assert (timeline.accepted, timeline.published.rows) == (undisturbed.accepted, undisturbed.published.rows)


@settings(max_examples=100, deadline=None)
@given(declared(), declared(), histories())
def test_what_is_new_begins_as_for_a_new_user(before: Declared, after: Declared, history: list[Happened]) -> None:
    old, new = plan_of(before), plan_of(after)
    committed = base_of(reread(written(run(old, history), old), new, old))
    added = [key for key in new.layout._own if key not in old.layout.places]
    assert [own_state(new, committed, key) for key in added] == [own_state(new, new.blank(), key) for key in added]
    reducers = new.data["reducers"]
    names = [
        each["name"]
        for each in new.data["features"]
        if "expr" not in each and reducers[each["reducer"]]["key"] in added
    ]
    found, expected = values(new, committed), values(new, fresh(new, committed))
    assert {name: found[name] for name in names} == {name: expected[name] for name in names}


@settings(max_examples=100, deadline=None)
@given(st.data(), declared(EXACT), histories())
def test_what_is_gone_leaves_nothing_behind(data: st.DataObject, before: Declared, history: list[Happened]) -> None:
    """The state is, byte for byte, that of a job which never had it."""
    gone = set(data.draw(st.lists(st.sampled_from(before.names), unique=True))) if before.names else set()
    after = before.without(gone | _users_of(gone))
    old, new = plan_of(before), plan_of(after)
    state = written(run(old, history), old)
    without = written(reread(state, new, old), new)
    assert without == written(run(new, history), new)

    again = base_of(reread(without, old, old, new))
    returned = [key for key in old.layout._own if key not in new.layout.places]
    assert [own_state(old, again, key) for key in returned] == [own_state(old, old.blank(), key) for key in returned]
    lost = run(new, history)
    assert again.values == old.layout.move(base_of(lost), new.layout).values


def _users_of(gone: set[str]) -> set[str]:
    """The names of the pool that cannot be without one of those."""
    pool = POOL | LONGER | SEGMENTS
    return {name for name, (_, needs) in pool.items() if gone & set(needs)}


def test_a_text_of_v1_that_is_gone_begins_anew_within_a_session() -> None:
    first, second = plan_of(Declared(("category_now",), ())), plan_of(Declared(("carts",), ()))
    history = [Happened(number * 70 * SECOND, number, "VIEW", category=name) for number, name in enumerate("abc")]
    state = written(run(first, history), first)
    assert values(first, base_of(reread(state, first)))["category_now"] == "b"
    returned = reread(written(reread(state, second, first), second), first, second)
    assert base_of(returned).texts[0] == ""
    switches = plan_of(Declared(("switches",), ()))  # it remembers the same text
    assert base_of(reread(state, switches, first)).texts[0] == "b"


@settings(max_examples=60, deadline=None)
@given(declared(), histories(), st.booleans())
def test_v1_goes_to_another_plan_and_back(after: Declared, history: list[Happened], whole: bool) -> None:
    """With all that v1 has it comes back byte for byte; else what was gone meanwhile begins anew."""
    first, other = v1.plan(), _with_v1(plan_of(after)) if whole else plan_of(after)
    state = written(run(first, history), first)
    assert first.layout.id == BASE
    back = reread(written(reread(state, other), other), first, other)
    if whole:
        assert written(back, first) == state
        assert _places(first) == {key: place for key, place in _places(other).items() if key in first.layout.places}
        return
    missing = first.layout.places.keys() - other.layout.places.keys()
    undisturbed, emptied = base_of(run(first, history)), first.blank()
    for key, (slots, _) in first.layout.places.items():
        expected = emptied if key in missing else undisturbed
        if key.startswith("by("):
            assert base_of(back).maps[0] == expected.maps[0]
        elif "text=true" not in key:
            assert base_of(back).values[slots.value] == expected.values[slots.value], key


def _places(plan: Plan) -> dict[str, Any]:
    return {key: place.slots for key, place in plan.layout.places.items()}


def _with_v1(plan: Plan) -> Plan:
    """The plan with the features of v1 beside its own."""
    data, more = v1.plan().data, plan.data
    keys = {each["key"] for each in data["reducers"]}
    return Plan(
        data
        | {"name": "more", "events": more["events"], "segments": []}
        | {
            "reducers": [
                *data["reducers"],
                *[each for each in more["reducers"] if each["key"] not in keys and "source" not in each],
            ]
        },
        changing.CATEGORIES_MAX,
    )


@settings(max_examples=100, deadline=None)
@given(declared(), declared(), histories())
def test_the_tail_finds_types_and_fields_by_name(before: Declared, after: Declared, history: list[Happened]) -> None:
    old, new = plan_of(before), plan_of(after)
    short = [
        Happened(each.number, each.number, each.kind, each.value, each.category, each.currency, each.fields)
        for each in history
    ]
    timeline = reread(written(run(old, short), old), new, old)
    assert len(timeline.waiting()) == len(short)
    declared_types = old.layout.types
    for event, happened in zip(timeline.waiting(), short, strict=True):
        expected = happened.event(new.layout)
        if happened.kind in declared_types or happened.kind not in new.layout.types:
            assert event == expected
        elif happened.kind == "PURCHASE":  # a built-in type that had no fields of its own
            assert (event.type, event.numbers, event.texts) == (PURCHASE, (0.0,), ("",))
        else:  # it came as CUSTOM, without its name
            assert (event.type, event.numbers, event.texts) == (CUSTOM, (), ())
    state = written(timeline, new)
    assert written(reread(state, new), new) == state


def test_a_built_in_type_that_gets_fields_while_events_wait_keeps_the_fields_of_others() -> None:
    none, more = plan_of(Declared((), PLAY)), plan_of(Declared((), (("PURCHASE", ("brand", "items")), *PLAY)))
    fields: dict[str, float | str] = {"artist": "abba", "genres": "pop", "live": 1.0, "seconds": 7.5}
    history = [Happened(0, 0, "PURCHASE", 9.5), Happened(1, 1, "play", fields=fields)]
    timeline = reread(written(run(none, history), none), more, none)
    again = reread(written(timeline, more), more)
    assert again.waiting() == timeline.waiting()
    assert [(event.numbers, event.texts) for event in again.waiting()] == [
        ((0.0,), ("",)),
        ((1.0, 7.5), ("abba", "pop")),
    ]


def test_layouts_of_several_declarations_are_read_side_by_side() -> None:
    """Users are moved when they are next read, so that a shard may hold states of many layouts."""
    plans = [
        v1.plan(),
        *[plan_of(Declared(names, PLAY)) for names in (("plays",), ("plays", "longest"), ("longest", "plays"))],
    ]
    history = [Happened(70 * SECOND * number, number, "play", fields=_fields(number)) for number in range(4)]
    states = [written(run(plan, history), plan) for plan in plans]
    known = StoredLayouts(plans[3].layout, [plan.layout.to_json() for plan in plans[1:3]])
    found = [decode_user(state, changing.bounds(plans[3]), known).profile() for state in states]
    assert [values(plans[3], profile) for profile in found] == [
        {"plays": 0.0, "longest": -1.0},
        {"plays": 4.0, "longest": 3.0},  # the event that waits in the tail is new to `longest`
        {"plays": 4.0, "longest": 3.0},
        {"plays": 4.0, "longest": 3.0},
    ]


def _fields(number: int) -> dict[str, float | str]:
    return {"artist": "abba", "genres": "", "live": 0.0, "seconds": float(number)}


def test_a_longer_window_begins_with_what_a_shorter_one_has_kept() -> None:
    short, both = plan_of(Declared(("plays_2d",), PLAY)), plan_of(Declared(("plays_2d", "plays_5d"), PLAY))
    history = [Happened(at * DAY, at, "play", fields=_fields(at)) for at in range(10)]
    later = run(both, history[6:7], reread(written(run(short, history[:6]), short), both, short))
    assert values(both, later.profile()) == {"plays_2d": 3.0, "plays_5d": 4.0}  # the first days were dropped
    assert values(both, run(both, history[7:9], later).profile()) == {"plays_2d": 3.0, "plays_5d": 6.0}
    back = reread(written(later, both), short, both)
    assert values(short, run(short, history[9:], back).profile()) == {"plays_2d": 3.0}


def test_a_layout_that_is_not_known_is_an_error() -> None:
    plan = plan_of(Declared(("plays",), PLAY))
    state = written(run(plan, [Happened(0, 0, "VIEW")]), plan)
    with pytest.raises(StateFormatError, match=f"{plan.layout.id:016x}"):
        decode_user(state, changing.bounds(v1.plan()))
    with pytest.raises(StateFormatError, match="does not have"):
        StoredLayouts(plan.layout).find(plan.layout.id ^ 1)
    assert StoredLayouts(plan.layout).find(BASE).id == BASE


# All areas, with several of each.
AREAS = Layout(
    {"a": Sizes(values=5), "b": Sizes(texts=2, maps=1), "c": Sizes(series=2, tables=1), "d": Sizes(1, 1, 1, 1, 1)},
    {"play": TypeFields(11, ["seconds"], ["artist", "genre"]), "VIEW": TypeFields(VIEW, [], ["page"])},
)
FLOATS = st.one_of(st.sampled_from([0.0, -0.0, 1.0]), st.floats(allow_nan=False))
TEXTS = st.one_of(st.sampled_from(["", "\x1f", "été", "𝄞"]), st.text(max_size=200))
SERIES = st.lists(FLOATS, max_size=5)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Anything that a profile may hold."""
    sizes = AREAS.sizes
    return Profile(
        [1.0, *[draw(FLOATS) for _ in range(sizes.values - 1)]],  # an event: an empty profile is not stored
        [draw(TEXTS) for _ in range(sizes.texts)],
        [draw(st.dictionaries(TEXTS, FLOATS, max_size=4)) for _ in range(sizes.maps)],
        [draw(SERIES) for _ in range(sizes.series)],
        [draw(st.dictionaries(TEXTS, SERIES, max_size=4)) for _ in range(sizes.tables)],
    )


def bits(numbers: list[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def areas(profile: Profile) -> list[Any]:
    """What a profile holds, with the sign of zeros, in an order that is not history."""
    maps = [[(key, bits([weights[key]])) for key in sorted(weights)] for weights in profile.maps]
    tables = [[(key, bits(table[key])) for key in sorted(table)] for table in profile.tables]
    return [bits(profile.values), profile.texts, maps, [bits(series) for series in profile.series], tables]


def timeline_of(profile: Profile, fields: list[tuple[int, float, str]]) -> Timeline:
    limits = changing.bounds(v1.plan())
    rows = {11: AREAS.types["play"], VIEW: AREAS.types["VIEW"]}
    tail = tail_of(limits, [Chunk(pack_profile(profile))])
    for at, (kind, number, text) in enumerate(fields):
        event = Happened(at, at, "CUSTOM").event(AREAS)
        event.type = kind
        names = rows.get(kind, TypeFields(kind, [], []))
        event.numbers, event.texts = (number,) * len(names.numbers), (text,) * len(names.texts)
        tail.append(event)
    seen = SeenIds(horizon_ms=limits.dedupe_horizon_ms, ids_max=limits.dedupe_ids_max)
    return Timeline(limits, seen, tail, profile)


TAILS = st.lists(st.tuples(st.sampled_from([11, VIEW, PURCHASE, CUSTOM]), FLOATS, TEXTS), max_size=5)


@settings(deadline=None)
@given(profiles(), TAILS)
def test_every_area_and_field_comes_back_and_is_written_alike(
    profile: Profile, fields: list[tuple[int, float, str]]
) -> None:
    stored, timeline = StoredLayouts(AREAS), timeline_of(profile, fields)
    state = encode_user(timeline, stored)
    decoded = decode_user(state, changing.bounds(v1.plan()), stored)
    assert areas(decoded.profile()) == areas(profile)
    assert areas(unpack_profile(decoded.tail.chunks[0].before, AREAS.blank())) == areas(profile)
    assert decoded.waiting() == timeline.waiting()
    assert encode_user(decoded, stored) == state


@settings(deadline=None)
@given(profiles())
def test_equal_profiles_are_written_as_equal_bytes(profile: Profile) -> None:
    other = profile.copy()
    other.maps = [dict(reversed(weights.items())) for weights in profile.maps]
    other.tables = [dict(reversed(table.items())) for table in profile.tables]
    stored = StoredLayouts(AREAS)
    assert encode_user(timeline_of(other, []), stored) == encode_user(timeline_of(profile, []), stored)
