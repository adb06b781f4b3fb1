"""Where the state of reducers is, and that a layout is found again as it was written."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import v1
from tests.builders import T0
from udfs import profile as p
from udfs.event import CUSTOM, PURCHASE, VIEW, Event
from udfs.plan.layout import _PINNED, BASE, CORE_KEYS, Layout, TypeFields, first_layout
from udfs.profile import Profile
from udfs.reducers.kind import Sizes

KEYS = [*sorted(_PINNED), *[f"count(of=t{number})" for number in range(6)]]
SIZES = st.builds(Sizes, *[st.integers(0, 3) for _ in range(5)])
NAMES = st.lists(st.sampled_from(["a", "b", "c", "zoë"]), max_size=3, unique=True)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Any layout, of any keys in any order."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    wanted = {key: Sizes(values=1) if key in _PINNED else draw(SIZES) for key in keys}
    names = draw(st.lists(st.sampled_from(["play", "like", "söng"]), max_size=3, unique=True))
    types = {name: TypeFields(11 + at, draw(NAMES), draw(NAMES)) for at, name in enumerate(names)}
    if draw(st.booleans()):
        types["VIEW"] = TypeFields(VIEW, draw(NAMES), draw(NAMES))
    return Layout(wanted, types)


def slots(layout: Layout) -> dict[str, object]:
    return {key: place.slots for key, place in layout.places.items()}


@settings(deadline=None)
@given(layouts())
def test_a_layout_is_read_as_it_was_written(layout: Layout) -> None:
    stored = layout.to_json()
    found = Layout.from_json(stored)
    assert found.to_json() == stored
    assert (found.id, found.sizes, slots(found)) == (layout.id, layout.sizes, slots(layout))
    assert {name: tuple(map(list, fields[1:])) for name, fields in found.types.items()} == {
        name: tuple(map(list, fields[1:])) for name, fields in layout.types.items()
    }
    assert [found.name_of(number) for number in range(20)] == [layout.name_of(number) for number in range(20)]


@settings(deadline=None)
@given(layouts(), layouts())
def test_two_layouts_have_one_id_only_if_they_are_the_same(one: Layout, two: Layout) -> None:
    assert (one.id == two.id) == (one.to_json() == two.to_json())


@settings(deadline=None)
@given(layouts())
def test_no_two_reducers_beyond_v1_share_a_slot(layout: Layout) -> None:
    for area, first in enumerate((p.SLOTS, 1, 1, 0, 0)):
        own = sorted((layout.places[key].slots[area], size[area]) for key, size in layout._own.items() if size[area])
        at = first
        for slot, size in own:
            assert slot == at
            at += size
        assert at == layout.sizes[area]


def test_v1_has_the_id_that_states_do_not_name_and_nothing_else_has() -> None:
    whole = {key: Sizes(values=1) for key in _PINNED}
    assert v1.plan().layout.id == first_layout().id == Layout(whole, {}).id == BASE
    assert first_layout().sizes == Sizes(p.SLOTS, 1, 1, 0, 0)
    for key in whole.keys() - set(CORE_KEYS):
        assert Layout({other: size for other, size in whole.items() if other != key}, {}).id != BASE
    assert Layout(whole | {"count(of=x)": Sizes(values=1)}, {}).id != BASE
    assert Layout(whole, {"VIEW": TypeFields(VIEW, [], [])}).id != BASE


def test_ids_stay_what_they_are() -> None:
    """Users' states name them: another id for an unchanged layout would make all of them unreadable."""
    wanted = {"count(of=VIEW)": Sizes(values=1), "window(hop_ms=3600000,of=play)": Sizes(series=1)}
    layout = Layout(wanted | {"count(of=PURCHASE)": Sizes(values=1)}, {"play": TypeFields(11, ["seconds"], ["artist"])})
    assert json.loads(layout.to_json())["first"] == sorted({*CORE_KEYS, "count(of=PURCHASE)"})
    assert f"{layout.id:016x}" == "8d6cb0a5a4210335"


def old_and_new() -> tuple[Layout, Layout]:
    old = Layout({}, {"play": TypeFields(11, ["seconds", "skips"], ["artist"]), "stop": TypeFields(12, ["why"], [])})
    more = {"like": TypeFields(11, [], ["artist"]), "play": TypeFields(12, ["year", "seconds"], ["mood", "artist"])}
    return old, Layout({}, more | {"PURCHASE": TypeFields(PURCHASE, ["items"], ["brand"])})


def moved(event: Event) -> tuple[int, tuple[float, ...], tuple[str, ...]]:
    old, new = old_and_new()
    found = new.move_event(event, old)
    kept = [
        (each.time_ms, each.event_id, each.value, each.category, each.known_ms, each.currency)
        for each in (event, found)
    ]
    assert kept[0] == kept[1]
    return found.type, found.numbers, found.texts


def test_events_that_wait_move_by_the_names_of_their_types_and_fields() -> None:
    of_play = Event(T0, "e", 11, 1.5, "hats", T0 - 5, 3, (7.0, 2.0), ("abba",))
    assert moved(of_play) == (12, (0.0, 7.0), ("", "abba"))
    assert moved(Event(T0, "e", 12, 1.5, "hats", -1, 3, (9.0,))) == (CUSTOM, (), ())  # its type is gone
    assert moved(Event(T0, "e", PURCHASE, 1.5, "hats")) == (PURCHASE, (0.0,), ("",))  # has fields only now
    assert moved(Event(T0, "e", VIEW, 1.5, "hats")) == (VIEW, (), ())
    old, new = old_and_new()
    back = old.move_event(Event(T0, "e", PURCHASE, 0.0, "", numbers=(2.0,), texts=("acme",)), new)
    assert (back.type, back.numbers, back.texts) == (PURCHASE, (), ())  # and loses them again


def filled(layout: Layout) -> Profile:
    """A profile with another value in every place."""
    profile = layout.blank()
    profile.values = [float(slot + 1) for slot in range(layout.sizes.values)]
    profile.texts = [f"t{at}" for at in range(layout.sizes.texts)]
    profile.maps = [{f"m{at}": 1.0} for at in range(layout.sizes.maps)]
    profile.series = [[float(at), 1.0] for at in range(layout.sizes.series)]
    profile.tables = [{f"k{at}": [1.0]} for at in range(layout.sizes.tables)]
    return profile


def areas_of(layout: Layout, profile: Profile, key: str) -> list[object]:
    place = layout.places[key]
    areas: tuple[list[object], ...] = (
        list(profile.values),
        list(profile.texts),
        list(profile.maps),
        list(profile.series),
        list(profile.tables),
    )
    return [area[at : at + size] for area, at, size in zip(areas, place.slots, place.sizes, strict=True)]


@settings(deadline=None)
@given(layouts(), layouts())
def test_a_profile_moves_by_key_and_everything_else_is_empty(old: Layout, new: Layout) -> None:
    profile, blank = filled(old), new.blank()
    found = new.move(profile, old)
    for key, sizes in new._own.items():
        known = key in old.places and old.places[key].sizes == sizes
        expected = areas_of(old, profile, key) if known else areas_of(new, blank, key)
        assert areas_of(new, found, key) == expected
    freed = {pinned.value for key, pinned in _PINNED.items() if key not in new.places and pinned.value}
    assert found.values[: p.SLOTS] == [0.0 if at in freed else float(at + 1) for at in range(p.SLOTS)]
    lengths = [len(area) for area in (found.values, found.texts, found.maps, found.series, found.tables)]
    assert lengths == list(new.sizes)
