"""Where in a profile each reducer's state is: by its key, which says what it computes.

Layouts are kept with the state that was written in them (state.proto, ShardState.layouts), so that a plan that is
changed finds the state of the reducers that it has kept. All begin with the slots of v1 (udfs/profile.py): the pinned
keys below.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from driftline.limits import FIRST_DECLARED_TYPE
from udfs import profile as p
from udfs.event import CUSTOM, Event
from udfs.hashing import hash64
from udfs.plan.reducers import sizes_of
from udfs.profile import Profile
from udfs.reducers.kind import Sizes, Slots
from udfs.segments import SLOTS_A_SEGMENT

_TEXT_KINDS: Final = ("text", "strings")
BASE: Final = 0  # the id of the layout of v1, in which users' states do not name it
_INTEREST: Final = "of=ADD_TO_CART+CLICK+CUSTOM+EMAIL_OPEN+PURCHASE+SEARCH+SURVEY_RESPONSE+VIEW"
_WEEK: Final = f"half_life_ms={p.HALF_LIFE_MS}"
_MONTH: Final = f"half_life_ms={p.HALF_LIFE_LONG_MS}"
_ATTENTION: Final = '{"ADD_TO_CART":4,"CLICK":2,"PURCHASE":8}'
# What v1's slots mean. Never changed: users' states were written with it.
_PINNED: Final[dict[str, Slots]] = {
    "count(of=VIEW,scope=session)": Slots(value=p.SESSION_VIEWS),
    "count(of=CLICK,scope=session)": Slots(value=p.SESSION_CLICKS),
    "count(of=ADD_TO_CART,scope=session)": Slots(value=p.SESSION_CARTS),
    "count(of=PURCHASE,scope=session)": Slots(value=p.SESSION_PURCHASES),
    "count(of=SEARCH,scope=session)": Slots(value=p.SESSION_SEARCHES),
    "sum(money=true,of=PURCHASE,scope=session,value=value)": Slots(value=p.SESSION_PURCHASE_VALUE),
    "sum(money=true,of=REFUND,scope=session,value=value)": Slots(value=p.SESSION_REFUND_VALUE),
    f"changes({_INTEREST},scope=session,value=category)": Slots(value=p.SESSION_SWITCHES, text=0),
    f"edge({_INTEREST},scope=session,text=true,value=category,which=last)": Slots(text=0),
    f"count({_WEEK},of=VIEW)": Slots(value=p.RATE_VIEW),
    f"count({_WEEK},of=CLICK)": Slots(value=p.RATE_CLICK),
    f"count({_WEEK},of=ADD_TO_CART)": Slots(value=p.RATE_CART),
    f"count({_WEEK},of=PURCHASE)": Slots(value=p.RATE_PURCHASE),
    f"count({_WEEK},of=SEARCH)": Slots(value=p.RATE_SEARCH),
    f"count({_WEEK},of=SURVEY_RESPONSE)": Slots(value=p.RATE_SURVEY),
    f"count({_WEEK},of=EMAIL_OPEN)": Slots(value=p.RATE_EMAIL),
    f"count({_WEEK},of=CUSTOM+REFUND)": Slots(value=p.RATE_CUSTOM),
    f"count(half_life_ms={p.HALF_LIFE_SHORT_MS},of=any)": Slots(value=p.ACTIVITY_SHORT),
    f"count({_MONTH},of=any)": Slots(value=p.ACTIVITY_LONG),
    f"count({_MONTH},of=PURCHASE)": Slots(value=p.PURCHASES_LONG),
    "count(of=ADD_TO_CART)": Slots(value=p.CARTS),
    "count(of=PURCHASE)": Slots(value=p.PURCHASES),
    "sum(money=true,of=PURCHASE,value=value)": Slots(value=p.PURCHASE_VALUE),
    "since(of=ADD_TO_CART)": Slots(value=p.LAST_CART_MS),
    "since(of=PURCHASE)": Slots(value=p.LAST_PURCHASE_MS),
    "since(of=SEARCH)": Slots(value=p.LAST_SEARCH_MS),
    "since(of=EMAIL_OPEN)": Slots(value=p.LAST_EMAIL_MS),
    "count(of=SURVEY_RESPONSE)": Slots(value=p.SURVEYS),
    "sum(of=SURVEY_RESPONSE,value=value)": Slots(value=p.SURVEY_SUM),
    "edge(of=SURVEY_RESPONSE,value=value,which=last)": Slots(value=p.SURVEY_LAST),
    "sum(money=true,of=REFUND,value=value)": Slots(value=p.REFUND_VALUE),
    "count(money=left_out,of=PURCHASE)": Slots(value=p.PURCHASES_LEFT_OUT),
    f"by(by=category,{_MONTH},{_INTEREST},weights={_ATTENTION})": Slots(map=0),
}
# The reducers of v1 whose state is the first text, which two of them share.
_LAST_CATEGORY: Final = tuple(
    [key for key in _PINNED if key.startswith(("changes(", "edge(")) and "value=category" in key]
)
# The reducers of v1 that every plan has: the rest of the core reads them (sessions, the session in a user's scores).
CORE_KEYS: Final = (
    "count(of=VIEW,scope=session)",
    "count(of=CLICK,scope=session)",
    "count(of=ADD_TO_CART,scope=session)",
    "count(of=PURCHASE,scope=session)",
    "count(of=SEARCH,scope=session)",
    "sum(money=true,of=PURCHASE,scope=session,value=value)",
    "sum(money=true,of=REFUND,scope=session,value=value)",
)
_BASE_SIZES: Final = Sizes(values=p.SLOTS, texts=1, maps=1)


class TypeFields(NamedTuple):
    """A declared event type, or a built-in one with declared fields: its number, and its fields' names in order."""

    number: int
    numbers: Sequence[str]
    texts: Sequence[str]


class Place(NamedTuple):
    """A reducer's slots and how many of each it has."""

    slots: Slots
    sizes: Sizes


class Layout:
    """Which slots of a profile belong to which reducer, and what the numbers of event types mean.

    Args:
        wanted: the keys of the reducers, with how much each needs, in order; those of v1 have their own places.
        types: the declared event types by name.

    Attributes:
        id: a hash of `to_json`; `BASE` where it is v1's.
        sizes: of a profile.
        places: by key.
    """

    def __init__(self, wanted: Mapping[str, Sizes], types: Mapping[str, TypeFields]) -> None:
        self.types: dict[str, TypeFields] = dict(types)
        self.places: dict[str, Place] = {}
        self.declared = frozenset(wanted)  # the keys of the plan itself
        total = _BASE_SIZES
        for key in CORE_KEYS:
            self.places[key] = Place(_PINNED[key], Sizes(values=1))
        for key, sizes in wanted.items():
            pinned = _PINNED.get(key)
            if pinned is not None:
                self.places[key] = Place(pinned, sizes)
                continue
            self.places[key] = Place(Slots(*total), sizes)
            total = Sizes(*[before + more for before, more in zip(total, sizes, strict=True)])
        self.sizes = total
        self._names: dict[int, str] = {fields.number: name for name, fields in self.types.items()}
        self._own = {key: place.sizes for key, place in self.places.items() if key not in _PINNED}
        self._first = sorted([key for key in self.places if key in _PINNED])
        whole = not self._own and not self.types and len(self._first) == len(_PINNED)
        self.id = BASE if whole else hash64(self.to_json().decode())

    @classmethod
    def from_json(cls, stored: bytes) -> Layout:
        """Return the layout that `to_json` has written."""
        data: dict[str, Any] = json.loads(stored)
        types = {name: TypeFields(int(row[0]), row[1], row[2]) for name, row in data["types"].items()}
        wanted = {key: Sizes() for key in data["first"]} | {key: Sizes(*sizes) for key, sizes in data["reducers"]}
        return cls(wanted, types)

    def to_json(self) -> bytes:
        """Return the layout as bytes: what of v1 it has, and what is beyond, in the order of its slots."""
        reducers = [[key, list(sizes)] for key, sizes in self._own.items()]
        types = {name: list(fields) for name, fields in sorted(self.types.items())}
        stored = {"first": self._first, "reducers": reducers, "types": types}
        return json.dumps(stored, separators=(",", ":")).encode()

    def blank(self) -> Profile:
        """Return an empty profile."""
        sizes = self.sizes
        return Profile(
            [0.0] * sizes.values,
            [""] * sizes.texts,
            [{} for _ in range(sizes.maps)],
            [p.NOTHING] * sizes.series if sizes.series else None,
            [{} for _ in range(sizes.tables)] if sizes.tables else None,
        )

    def move(self, old: Profile, written: Layout) -> Profile:
        """Return a profile of another layout in this one: what both know, and the slots of v1; the rest is empty."""
        moved = self.blank()
        base = _BASE_SIZES
        moved.values[: base.values] = old.values[: base.values]
        moved.texts[: base.texts] = old.texts[: base.texts]
        moved.maps[: base.maps] = old.maps[: base.maps]
        for key in self._own:
            before = written.places.get(key)
            if before is not None and before.sizes == self.places[key].sizes:
                _copy(old, before, moved, self.places[key])
        self._free(moved)
        return moved

    def _free(self, moved: Profile) -> None:
        """Empty the slots of v1 of reducers that the plan no longer has: one that returns must begin anew."""
        for key, slots in _PINNED.items():
            if key in self.places:
                continue
            if slots.value:
                moved.values[slots.value] = 0.0
            if key.startswith("by("):
                moved.maps[slots.map] = {}
        if not any(key in self.places for key in _LAST_CATEGORY):
            moved.texts[0] = ""

    def move_event(self, event: Event, written: Layout) -> Event:
        """Return an event of a tail that was written in another layout in this one; a type it lacks is CUSTOM."""
        name = written.name_of(event.type)
        if not name and event.type < FIRST_DECLARED_TYPE:
            name = self.name_of(event.type)  # a built-in type that had no declared fields
        fields = self.types.get(name)
        if fields is None:
            kind = event.type if event.type < FIRST_DECLARED_TYPE else CUSTOM
            return _retyped(event, kind, (), ())
        before = written.types.get(name)
        numbers = dict(zip(before.numbers, event.numbers, strict=True)) if before is not None else {}
        texts = dict(zip(before.texts, event.texts, strict=True)) if before is not None else {}
        return _retyped(
            event,
            fields.number,
            tuple([numbers.get(field, 0.0) for field in fields.numbers]),
            tuple([texts.get(field, "") for field in fields.texts]),
        )

    def name_of(self, number: int) -> str:
        """Return the name of a declared event type; empty for another."""
        return self._names.get(number, "")


def _retyped(event: Event, kind: int, numbers: tuple[float, ...], texts: tuple[str, ...]) -> Event:
    first = event.time_ms, event.event_id, kind, event.value, event.category
    return Event(*first, event.known_ms, event.currency, numbers, texts)


def _copy(old: Profile, before: Place, new: Profile, after: Place) -> None:
    """Copy a reducer's state from its place in an old profile to that in a new one."""
    sizes, source, target = after.sizes, before.slots, after.slots
    new.values[target.value : target.value + sizes.values] = old.values[source.value : source.value + sizes.values]
    new.texts[target.text : target.text + sizes.texts] = old.texts[source.text : source.text + sizes.texts]
    new.maps[target.map : target.map + sizes.maps] = old.maps[source.map : source.map + sizes.maps]
    new.series[target.series : target.series + sizes.series] = old.series[source.series : source.series + sizes.series]
    new.tables[target.table : target.table + sizes.tables] = old.tables[source.table : source.table + sizes.tables]


def layout_of(plan: dict[str, Any]) -> Layout:
    """Return the layout of a plan's data."""
    wanted = {reducer["key"]: sizes_of(reducer) for reducer in plan["reducers"]}
    wanted |= {segment_key(each): Sizes(values=SLOTS_A_SEGMENT) for each in plan["segments"] if not each["on_models"]}
    return Layout(wanted, {event["name"]: _fields_of(event) for event in plan["events"]})


def segment_key(segment: dict[str, Any]) -> str:
    """Return the key of a segment's state: its definition."""
    return f"segment({segment['hash']})"


def _fields_of(event: dict[str, Any]) -> TypeFields:
    texts = [field["name"] for field in event["fields"] if field["kind"] in _TEXT_KINDS]
    numbers = [field["name"] for field in event["fields"] if field["kind"] not in _TEXT_KINDS]
    return TypeFields(int(event["number"]), numbers, texts)


def first_layout() -> Layout:
    """Return the layout of v1, of the id `BASE`."""
    return Layout({key: Sizes() for key in _PINNED}, {})
