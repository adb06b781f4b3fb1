"""What the properties are tested with: reducers of each kind, and histories of one user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.builders import DAY, HOUR, MINUTE, T0
from tests.unit.udfs.reducers.folding import Taken
from tests.unit.udfs.reducers.oracle import Row
from udfs.event import Event

TAKEN, ALSO_TAKEN, NOT_TAKEN = 11, 12, 13  # event types
HOP_MS = 6 * HOUR
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"]
# Shortly before clocks are changed: Berlin, Lord Howe (by half an hour), St. John's (from 00:01 to the day before),
# Apia (which left out a day); and the very first millisecond.
STARTS_MS = [T0, 1_774_745_990_000, 1_775_314_790_000, 1_162_089_030_000, 1_325_152_000_000, 1]
PAUSES_MS = st.one_of(
    st.sampled_from([0, 0, 1, MINUTE, HOP_MS - 1, HOP_MS, HOP_MS + 1, DAY, 30 * DAY]),
    st.integers(0, 2 * HOUR),
    st.integers(0, 3 * DAY),
)
HALF_LIVES = st.sampled_from([0, 0, HOUR, 2 * HOUR])  # of HOUR: powers of two, so that weights are exact
NUMBERS = st.integers(-400, 400).map(lambda quarters: quarters / 4)  # sums of them are exact
WEIGHTS = st.sampled_from([1.0, 1.0, 2.0, 0.5])
KEYS = st.sampled_from(["", "a", "b", "c", "d", "e", "a\x1fb", "f\x1f\x1fa", "c\x1fc\x1fd", "\x1f"])


@dataclass(frozen=True)
class Case:
    """A reducer: how its parameters are drawn, and what of them follows."""

    kind: str
    params: st.SearchStrategy[dict[str, Any]]
    gives: str = "number"  # or text, map
    values: tuple[str | None, ...] = (None,)
    key: bool = False
    pauses_ms: st.SearchStrategy[int] = field(default=PAUSES_MS)
    exact: bool = True  # the oracle gives the same number, not only a near one

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.gives}-{'-'.join(str(value) for value in self.values)}"


def _fixed(**params: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(params)


_HOPS = {"hop_ms": st.just(HOP_MS), "hops": st.integers(1, 6)}
_ZONE = st.sampled_from(ZONES)
_HALF_LIFE = st.sampled_from([MINUTE, HOUR, 7 * DAY])

CASES = [
    Case("count", st.just({})),
    Case("count", _fixed(half_life_ms=_HALF_LIFE), exact=False),
    Case("sum", st.just({}), values=("number",)),
    Case("sum", _fixed(half_life_ms=_HALF_LIFE), values=("number",), exact=False),
    Case("window", _fixed(agg=st.just("count"), **_HOPS)),
    Case("window", _fixed(agg=st.just("sum"), **_HOPS), values=("number",)),
    Case("window", _fixed(agg=st.sampled_from(["min", "max"]), **_HOPS), values=("number",)),
    Case("extreme", _fixed(agg=st.sampled_from(["min", "max"])), values=("number",)),
    Case(
        "edge",
        _fixed(which=st.sampled_from(["first", "last"]), text=st.just(False), flag=st.booleans()),
        values=("number",),
    ),
    Case("edge", _fixed(which=st.sampled_from(["first", "last"]), text=st.just(True)), "text", ("text",)),
    Case("since", st.just({})),
    Case("last_k", _fixed(k=st.integers(1, 5)), values=("number",)),
    Case("moments", st.just({}), values=("number",), exact=False),
    Case("distinct", _fixed(exact=st.integers(3, 8)), values=("text",)),
    Case("by", _fixed(cap=st.integers(1, 6)), "map", (None, "number"), key=True),
    # Weights that are mathematically equal must be equal, or the wrong entry may go: whole half-lives.
    Case(
        "by",
        _fixed(cap=st.integers(1, 6), half_life_ms=st.just(HOUR)),
        "map",
        (None, "number"),
        key=True,
        pauses_ms=HALF_LIVES,
    ),
    Case("by", _fixed(cap=st.just(6), half_life_ms=_HALF_LIFE), "map", (None, "number"), key=True, exact=False),
    Case(
        "by_window",
        _fixed(cap=st.integers(1, 6), agg=st.sampled_from(["count", "sum"]), **_HOPS),
        "map",
        (None, "number"),
        key=True,
    ),
    Case(
        "histogram",
        _fixed(edges=st.lists(st.integers(-50, 50), min_size=1, max_size=4, unique=True).map(sorted)),
        values=("number",),
    ),
    Case("calendar", _fixed(of=st.sampled_from(["hour", "day_of_week"]), zone=_ZONE), values=(None, "number")),
    Case("streak", _fixed(zone=_ZONE)),
    Case("changes", st.just({}), values=("text",)),
    Case("changes", st.just({}), "text", ("text",)),
]


def reads(case: Case, params: dict[str, Any]) -> list[list[Any]]:
    """The ways to read a reducer."""
    kind = case.kind
    if kind in {"window", "by_window"}:
        name = "map" if kind == "by_window" else "sum" if params["agg"] in {"count", "sum"} else params["agg"]
        return [[name, n] for n in range(1, params["hops"] + 1)]
    if kind in {"last_k", "histogram", "calendar"}:
        size = {"last_k": params.get("k"), "histogram": len(params.get("edges", [])) + 1}
        return [["nth", i] for i in range(size.get(kind) or (24 if params["of"] == "hour" else 7))]
    if kind == "changes":
        return [["text" if case.gives == "text" else "value"]]
    named: dict[str, list[list[Any]]] = {
        "since": [["since", 1], ["since", HOUR]],
        "moments": [["mean"], ["stddev"]],
        "distinct": [["count"]],
        "by": [["map"]],
        "streak": [["days"]],
    }
    return named.get(kind, [["value"]])


@dataclass(frozen=True)
class Drawn:
    """A reducer and a history."""

    case: Case
    params: dict[str, Any]
    default: float
    taken: dict[int, Taken]
    events: list[Event]

    def rows(self, upto: int) -> list[Row]:
        """What the reducer takes of the first events."""
        return [_row(event, self.taken[event.type]) for event in self.events[:upto] if event.type in self.taken]


def _row(event: Event, taken: Taken) -> Row:
    value = event.numbers[0] if taken.value == "number" else event.texts[0] if taken.value == "text" else None
    return event, value, event.texts[1] if taken.key else None, taken.weight


@st.composite
def drawn(draw: st.DrawFn, case: Case, size_max: int = 15) -> Drawn:
    """A reducer of the case, and a history in the order of the fold."""
    value = draw(st.sampled_from(case.values))
    taken = {number: Taken(value, case.key, draw(WEIGHTS)) for number in (TAKEN, ALSO_TAKEN)}
    now_ms = draw(st.sampled_from(STARTS_MS))
    events: list[Event] = []
    for pause_ms in draw(st.lists(case.pauses_ms, max_size=size_max)):
        now_ms += pause_ms
        kind = draw(st.sampled_from([TAKEN, TAKEN, ALSO_TAKEN, NOT_TAKEN]))
        texts = draw(KEYS), draw(KEYS)
        event_id = f"e{len(events):03}"
        events.append(Event(now_ms, event_id, kind, 0.0, "", numbers=(draw(NUMBERS),), texts=texts))
    return Drawn(case, draw(case.params), draw(st.sampled_from([0.0, -1.0])), taken, events)
