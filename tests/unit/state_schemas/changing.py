"""Declarations that change over a user's state: projects from a pool, and histories that each of them can read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from jobs.pipeline import bounds_of
from state_schemas.layouts import StoredLayouts
from state_schemas.user_state import decode_user, encode_user
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, job_settings
from tests.unit.declarations.projects import plan_of_files
from udfs.event import ADD_TO_CART, CUSTOM, PURCHASE, REFUND, VIEW, Event
from udfs.expressions.node import Node, Scope
from udfs.money import NO_CURRENCY, NUMBERS
from udfs.plan.layout import BASE, Layout
from udfs.plan.plan import Plan
from udfs.profile import LAST_MS, Profile
from udfs.timeline import Timeline, TimelineBounds

CATEGORIES_MAX = 10
FIELDS: dict[str, dict[str, str]] = {
    "play": {"artist": "string", "seconds": "number", "live": "bool", "genres": "strings"},
    "like": {"artist": "string"},
    "visit": {"page": "string", "dwell": "number"},
    "PURCHASE": {"brand": "string", "items": "number"},
}
BUILT_IN = {"VIEW": VIEW, "ADD_TO_CART": ADD_TO_CART, "PURCHASE": PURCHASE, "CUSTOM": CUSTOM, "REFUND": REFUND}
_INTEREST = "[VIEW, CLICK, ADD_TO_CART, PURCHASE, SEARCH, SURVEY_RESPONSE, EMAIL_OPEN, CUSTOM]"
_WEIGHTS = "{CLICK: 2, ADD_TO_CART: 4, PURCHASE: 8}"
# Features by name: what is declared, and the types (and features) that it needs. The first nine are v1's, by meaning.
POOL: dict[str, tuple[str, tuple[str, ...]]] = {
    "carts": ("{count: ADD_TO_CART}", ()),
    "spend": ("{sum: value, of: PURCHASE, money: true}", ()),
    "session_views": ("{count: VIEW, scope: session}", ()),
    "hours_since_cart": ("{since: ADD_TO_CART, unit: h, default: 2160}", ()),
    "activity_30d": ("{count: any, half_life: 30d}", ()),
    "switches": (f"{{changes: category, of: {_INTEREST}, scope: session}}", ()),
    "category_now": (f"{{last: category, of: {_INTEREST}, scope: session}}", ()),
    "taste": (f"{{count: {_INTEREST}, by: category, half_life: 30d, weights: {_WEIGHTS}}}", ()),
    "left_out": ("{count: PURCHASE, money: left_out}", ()),
    "customs": ("{count: CUSTOM}", ()),
    "plays": ("{count: play}", ("play",)),
    "live_plays": ("{count: play, where: live}", ("play",)),
    "before_plays": ("{count: play, scope: previous_session}", ("play",)),
    "plays_2d": ("{count: play, window: 2d, hop: 6h}", ("play",)),
    "play_rate": ("{count: play, half_life: 7d}", ("play",)),
    "mean_seconds": ("{mean: seconds, of: play}", ("play",)),
    "longest": ("{max: seconds, of: play, default: -1}", ("play",)),
    "longest_2d": ("{max: seconds, of: play, window: 2d, hop: 6h}", ("play",)),
    "seconds_sd": ("{stddev: seconds, of: play}", ("play",)),
    "last_seconds": ("{last_k: seconds, of: play, k: 3}", ("play",)),
    "seconds_hist": ("{histogram: seconds, of: play, edges: [1, 30]}", ("play",)),
    "artists": ("{distinct: artist, of: [play, like]}", ("play", "like")),
    "artist_taste": ("{count: [play, like], by: artist, half_life: 30d, cap: 4}", ("play", "like")),
    "artist_2d": ("{count: play, by: artist, window: 2d, hop: 6h, cap: 3}", ("play",)),
    "first_artist": ("{first: artist, of: play}", ("play",)),
    "session_artist": ("{last: artist, of: play, scope: session}", ("play",)),
    "genres": ("{distinct: genres, of: play}", ("play",)),
    "likes": ("{count: like}", ("like",)),
    "like_share": ("{ratio: [likes, plays], default: 0.5}", ("likes", "plays")),
    "dwell": ("{sum: dwell, of: visit}", ("visit",)),
    "pages": ("{changes: page, of: visit, scope: session}", ("visit",)),
    "brands": ("{sum: value, of: PURCHASE, by: brand, cap: 5}", ("PURCHASE",)),
    "items": ("{sum: items, of: PURCHASE, where: 'items > 1.0'}", ("PURCHASE",)),
    "hours": ("{count: any, calendar: hour}", ()),
    "days_in_a_row": ("{streak: any}", ()),
}
LONGER: dict[str, tuple[str, tuple[str, ...]]] = {
    "plays_5d": ("{count: play, window: 5d, hop: 6h}", ("play",)),  # shares a reducer with plays_2d
}
SEGMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "busy": ("{enter: events_in_session >= 3, leave: events_in_session < 2, min_stay: 1h}", ()),
    "listeners": ("{when: plays >= 2}", ("plays",)),
}
_ALL = POOL | LONGER | SEGMENTS


@dataclass(frozen=True)
class Declared:
    """What a project declares: names of the pool, in order, and the types in order, each with its fields in order."""

    names: tuple[str, ...]
    types: tuple[tuple[str, tuple[str, ...]], ...]

    def without(self, names: set[str]) -> Declared:
        """The same types, and fewer features."""
        return Declared(tuple(name for name in self.names if name not in names), self.types)


def _with_needs(names: Sequence[str]) -> dict[str, None]:
    found: dict[str, None] = {}
    for name in names:
        found |= _with_needs(_ALL.get(name, ("", ()))[1])
        found[name] = None
    return found


@st.composite
def declared(draw: st.DrawFn, pool: Sequence[str] = tuple(_ALL)) -> Declared:
    """Some of a pool; types that are needed and others, and fields, in any order."""
    wanted = draw(st.lists(st.sampled_from(pool), max_size=10, unique=True))
    more = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2, unique=True))
    found = _with_needs([*wanted, *more])
    types = draw(st.permutations([name for name in found if name in FIELDS]))
    rows = tuple((name, tuple(draw(st.permutations(sorted(FIELDS[name]))))) for name in types)
    return Declared(tuple(name for name in found if name in _ALL), rows)


@functools.lru_cache(maxsize=300)
def plan_of(project: Declared) -> Plan:
    """The plan that a project is compiled into."""
    text = "project: {name: changing}\n"
    if project.types:
        text += "events:\n"
        for name, fields in project.types:
            text += (
                f"  {name}: {{fields: {{{', '.join(f'{each}: {{type: {FIELDS[name][each]}}}' for each in fields)}}}}}\n"
            )
    for section, pool in (("features", POOL | LONGER), ("segments", SEGMENTS)):
        names = [name for name in project.names if name in pool]
        if names:
            text += f"{section}:\n" + "".join(f"  {name}: {pool[name][0]}\n" for name in names)
    return Plan(plan_of_files(a=text), CATEGORIES_MAX)


@dataclass(frozen=True)
class Happened:
    """An event as it was sent, before a plan gives its type a number and its fields an order."""

    at_ms: int
    number: int
    kind: str
    value: float = 0.0
    category: str = ""
    currency: int = NO_CURRENCY
    fields: dict[str, float | str] = field(default_factory=dict)

    def event(self, layout: Layout) -> Event:
        """As a job with this layout decodes it."""
        types = layout.types.get(self.kind)
        number = types.number if types is not None else BUILT_IN.get(self.kind, CUSTOM)
        numbers = tuple(float(self.fields[each]) for each in types.numbers) if types is not None else ()
        texts = tuple(str(self.fields[each]) for each in types.texts) if types is not None else ()
        first = T0 + self.at_ms, f"e{self.number:03}", number, self.value, self.category
        return Event(*first, -1, self.currency, numbers, texts)


_PAUSES_MS = st.one_of(
    st.sampled_from([0, 0, 1, 1, SECOND, SECOND, 59 * SECOND, MINUTE, 31 * MINUTE, 6 * HOUR, 3 * DAY]),
    st.integers(0, 2 * HOUR),
)
_NUMBERS = st.integers(-200, 400).map(lambda quarters: quarters / 4)
_ARTISTS = st.sampled_from(["", "abba", "björk", "cher", "devo", "enya", "fugees"])
_GENRES = st.sampled_from(["", "pop", "pop\x1frock", "jazz"])


@st.composite
def histories(draw: st.DrawFn, size_max: int = 14) -> list[Happened]:
    """What one user did, in order of time."""
    now_ms = 0
    found: list[Happened] = []
    for number, pause_ms in enumerate(draw(st.lists(_PAUSES_MS, min_size=2, max_size=size_max))):
        now_ms += pause_ms
        kind = draw(st.sampled_from([*FIELDS, *FIELDS, *BUILT_IN]))
        fields: dict[str, float | str] = {
            "artist": draw(_ARTISTS),
            "genres": draw(_GENRES),
            "page": draw(st.sampled_from(["", "home", "cart"])),
            "brand": draw(st.sampled_from(["", "acme", "zoë"])),
            "live": draw(st.sampled_from([0.0, 1.0])),
            **{name: draw(_NUMBERS) for name in ("seconds", "dwell", "items")},
        }
        money = kind in {"PURCHASE", "REFUND"}
        currency = draw(st.sampled_from([NO_CURRENCY, NUMBERS["EUR"], NUMBERS["JPY"]])) if money else NO_CURRENCY
        value, category = draw(st.integers(0, 400)) / 4, draw(st.sampled_from(["", "hats", "shoes"]))
        found.append(Happened(now_ms, number, kind, value, category, currency, fields))
    return found


def bounds(plan: Plan) -> TimelineBounds:
    """The default bounds, over a plan."""
    return bounds_of(job_settings(), plan)


def run(plan: Plan, history: Sequence[Happened], timeline: Timeline | None = None) -> Timeline:
    """Offer a history to a timeline, a new one unless given."""
    timeline = timeline if timeline is not None else Timeline.begin(bounds(plan))
    for each in history:
        timeline.offer(each.event(plan.layout))
    return timeline


def layouts(present: Plan, *before: Plan) -> StoredLayouts:
    """Those of a job whose shards' states name the layouts of earlier plans."""
    return StoredLayouts(present.layout, [plan.layout.to_json() for plan in before if plan.layout.id != BASE])


def written(timeline: Timeline, plan: Plan) -> bytes:
    """The state bytes of a timeline of a plan."""
    return encode_user(timeline, StoredLayouts(plan.layout))


def reread(state: bytes, plan: Plan, *before: Plan) -> Timeline:
    """The timeline of state bytes that an earlier plan has written."""
    return decode_user(state, bounds(plan), layouts(plan, *before))


def values(plan: Plan, profile: Profile) -> dict[str, Any]:
    """All features of a profile that is not empty, by name: numbers, texts, and maps as ascending pairs."""
    scope = plan.scope_of(profile)
    found: dict[str, Any] = {}
    for at, each in enumerate(plan._features._all):
        read = _READ.get(each["kind"])
        found[each["name"]] = read(plan._features.nodes[at], scope) if read else plan._features.values[at]
    return found


def _text(node: Node, scope: Scope) -> str:
    return node.text(scope)


def _map(node: Node, scope: Scope) -> list[tuple[str, float]]:
    return sorted(node.mapping(scope).items())


_READ: dict[str, Callable[[Node, Scope], Any]] = {"text": _text, "map": _map}


def own_state(plan: Plan, profile: Profile, key: str) -> list[Any]:
    """The state of a reducer that is not one of v1's."""
    slots, sizes = plan.layout.places[key]
    p = profile
    areas: list[list[Any]] = [p.values, p.texts, p.maps, p.series, p.tables]
    return [area[at : at + size] for area, at, size in zip(areas, slots, sizes, strict=True)]


def fresh(plan: Plan, profile: Profile) -> Profile:
    """A profile in which nothing has happened but an event, at the time of another profile's newest."""
    blank = plan.blank()
    blank.values[LAST_MS] = profile.values[LAST_MS]
    return blank
