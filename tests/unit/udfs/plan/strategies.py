"""Hypothesis strategies: projects with all that can be declared, as the data that a YAML file holds.

What is drawn is meant to be compared with an evaluation that computes otherwise. So amounts are quarters, whose sums
are exact; what decays does so with half-lives that no pause is a multiple of; and what is not exact is compared with
thresholds that it does not meet. `Declared.inexact` says which names those are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.unit.udfs.plan.derived_strategies import Output, derived, names_of, scores, segments

FIELDS = {
    "word": "string",
    "amount": "number",
    "live": "bool",
    "tags": "strings",
    "moment": "timestamp",
    "price": "money",
}
KINDS = {"string": "text"}
OWN = ("play", "like", "invoice")
BUILT_IN = ("VIEW", "CLICK", "PURCHASE", "REFUND", "SURVEY_RESPONSE", "CUSTOM")
MONEY = ("PURCHASE", "REFUND")
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns")
WINDOWS = (("1h", "5m"), ("2h", "1h"), ("6h", "1h"), ("1d", "6h"), ("3d", "1d"), ("5d", "1d"), ("1d", None))
HALF_LIVES = ("131071s", "700001s")  # prime
CAPS = (None, 1, 2, 3, 5)
EDGES = ([0], [-1, 0.5, 2], [0, 1, 3, 1e12])
_SOURCES: dict[str, list[str]] = {
    "string": ["properties.alt_word", "item_id", "category", "channel"],
    "number": ["properties.alt_amount", "value"],
    "money": ["value"],
}
_DEFAULTS: dict[str, list[Any]] = {
    "string": ["none", "a"],
    "number": [2, -0.75],
    "bool": [True],
    "strings": ["a, z"],
    "timestamp": [5_000],
}
_NUMERIC = ("number", "money", "timestamp", "bool")
_ADDABLE = ("number", "money", "bool")
_ORDERED = ("number", "money", "timestamp")
_TEXTS = ("text", "strings")
_KINDS_OF = {
    "sum": _ADDABLE,
    "mean": _ADDABLE,
    "stddev": _ADDABLE,
    "min": _ORDERED,
    "max": _ORDERED,
    "first": (*_NUMERIC, "text"),
    "last": (*_NUMERIC, "text"),
    "last_k": _NUMERIC,
    "distinct": _TEXTS,
    "histogram": _ORDERED,
    "changes": ("text",),
}
_WORDS = ("count", "since", "streak", *_KINDS_OF)


@dataclass(frozen=True)
class Declared:
    """A project.

    Attributes:
        data: what its YAML holds.
        inexact: the features and scores whose last digits depend on how they are computed.
    """

    data: dict[str, Any]
    inexact: frozenset[str]


@st.composite
def projects(draw: st.DrawFn, tight: bool = True, features_max: int = 7) -> Declared:
    """A project.

    Args:
        draw: of hypothesis.
        tight: whether maps that decay may lose entries for their cap: which one goes depends on the last digits.
        features_max: how many features read events, at most.
    """
    events = draw(_events())
    maker = _Maker(draw, events, tight)
    for _ in range(draw(st.integers(1, features_max))):
        maker.add()
    outputs = maker.outputs
    for _ in range(draw(st.integers(0, 3))):
        name = f"f{len(maker.features)}"
        declaration, output = draw(derived(name, outputs))
        maker.features[name] = declaration
        outputs.append(output)
    order = draw(st.permutations(list(maker.features)))
    declared_scores, inexact = draw(scores(outputs))
    data: dict[str, Any] = {
        "project": {"name": "drawn", "time_zone": draw(st.sampled_from(ZONES))},
        "events": events,
        "features": {name: maker.features[name] for name in order},
        "scores": declared_scores,
        "segments": draw(segments(outputs, declared_scores, inexact)),
    }
    maps = names_of(outputs, "map")
    served = draw(st.booleans())
    if maps and served:
        data["project"]["affinities"] = draw(st.sampled_from(maps))
    return Declared(data, inexact | {output.name for output in outputs if not output.exact})


@st.composite
def _events(draw: st.DrawFn) -> dict[str, Any]:
    declared: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from([*OWN, "VIEW", "PURCHASE"]), min_size=1, max_size=4, unique=True)):
        names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=5, unique=True))
        fields = {each: draw(_field(FIELDS[each])) for each in names if each != "price" or name not in MONEY}
        event: dict[str, Any] = {"fields": fields}
        if name == "like" and draw(st.booleans()):
            event["name"] = "Song Liked"
        if "word" in fields and draw(st.booleans()):
            event["category"] = "word"
        values = [each for each in ("amount", "price") if each in fields]
        if values and name not in MONEY and draw(st.booleans()):
            event["value"] = draw(st.sampled_from(values))
        declared[name] = event
    return declared


@st.composite
def _field(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    field: dict[str, Any] = {"type": kind}
    if kind in _SOURCES and draw(st.booleans()):
        field["from"] = draw(st.sampled_from(_SOURCES[kind]))
    option = draw(st.sampled_from(["", "", "required", "default"]))
    if option == "required":
        field["required"] = True
    elif option == "default" and kind in _DEFAULTS:
        field["default"] = draw(st.sampled_from(_DEFAULTS[kind]))
    if kind == "number" and draw(st.booleans()):
        field |= draw(st.sampled_from([{"min": 0}, {"max": 3}, {"min": -2, "max": 50.5}]))
    if kind == "timestamp":
        field |= draw(st.sampled_from([{}, {"unit": "s"}, {"unit": "iso"}]))
    if kind == "money" and draw(st.booleans()):
        field["currency"] = "properties.coin"
    return field


def terms_of(events: dict[str, Any], name: str) -> dict[str, str]:
    """The kind of each name of an event; of `any` and CUSTOM, what every event has."""
    terms = {"value": "money" if name in MONEY else "number", "category": "text", "time": "number"}
    event = events.get(name, {})
    for field, declared in event.get("fields", {}).items():
        terms[field] = KINDS.get(declared["type"], declared["type"])
    terms |= {role: terms[event[role]] for role in ("category", "value") if role in event}
    return terms


def _type(kind: str) -> str:
    return "text" if kind in _TEXTS else "bool" if kind == "bool" else "number"


class _Maker:
    """Declares features that read events, one after another."""

    def __init__(self, draw: st.DrawFn, events: dict[str, Any], tight: bool) -> None:
        self._draw = draw
        self._events = events
        self._tight = tight
        self.features: dict[str, Any] = {}
        self.outputs: list[Output] = []

    def add(self) -> None:
        """Declare a feature; of a kind whose field no event has, a count."""
        word = self._pick(_WORDS)
        events = self._pick(["any"]) if self._draw(st.integers(0, 5)) == 0 else self._some_events()
        terms = self._common(events)
        fitting = [field for field, kinds in terms.items() if kinds <= set(_KINDS_OF.get(word, ()))]
        if word == "stddev":
            fitting = [field for field in fitting if field != "time"]
        if word in _KINDS_OF and not fitting:
            word = "count"
        name = f"f{len(self.features)}"
        of_field = {word: self._pick(fitting), "of": events} if word in _KINDS_OF else {}
        made: dict[str, Any] = of_field or {word: events}
        self._options(word, made, terms)
        if self._draw(st.integers(0, 2)) == 0:
            made["where"] = self._draw(_filters(terms))
        if self._draw(st.integers(0, 4)) == 0:
            made["vector"] = False
        if self._draw(st.integers(0, 3)) == 0:
            made["default"] = self._pick([-1, 7.5])
        self.features[name] = made
        self.outputs += _outputs(name, word, made, terms)

    def _pick(self, choices: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(list(choices)))

    def _some_events(self) -> Any:
        own = [name for name in self._events if name in OWN]
        names = [*own, *own, *BUILT_IN]
        chosen = self._draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        return chosen[0] if len(chosen) == 1 else chosen

    def _common(self, events: Any) -> dict[str, set[str]]:
        """The kinds of the names that all of these events have, as the same type."""
        each = [terms_of(self._events, name) for name in ([events] if isinstance(events, str) else events)]
        names = [name for name in each[0] if all(name in terms for terms in each)]
        kinds = {name: {terms[name] for terms in each} for name in names}
        return {name: found for name, found in kinds.items() if len({_type(kind) for kind in found}) == 1}

    def _options(self, word: str, made: dict[str, Any], terms: dict[str, set[str]]) -> None:
        times = ["", "", "session", "previous_session"]
        if word in {"count", "sum", "mean", "min", "max"}:
            times += ["window", "window"]
        if word in {"count", "sum", "mean"} and made.get(word) != "time":
            times += ["half_life"]
        if word == "streak":
            times = [""]
        self._time(self._pick(times), made)
        if word in {"count", "sum"}:
            self._additive(word, made, terms)
        elif word == "last_k":
            made["k"] = self._pick([1, 2, 4])
        elif word == "since":
            made["unit"] = self._pick(["s", "m", "h", "d"])
        elif word == "distinct":
            made["exact"] = self._pick([8, 256])
        elif word == "histogram":
            made["edges"] = self._pick(EDGES)

    def _time(self, time: str, made: dict[str, Any]) -> None:
        if time == "window":
            window, hop = self._pick(WINDOWS)
            made |= {"window": window} | ({"hop": hop} if hop else {})
        elif time == "half_life":
            made["half_life"] = self._pick(HALF_LIVES)
        elif time:
            made["scope"] = time

    def _additive(self, word: str, made: dict[str, Any], terms: dict[str, set[str]]) -> None:
        texts = [name for name, kinds in terms.items() if kinds <= set(_TEXTS)]
        events = made["of"] if word == "sum" else made[word]
        each = [events] if isinstance(events, str) else events
        options = ["", "by", "by", "weights"]
        if word == "count" and not made.keys() & {"window", "half_life"}:
            options.append("calendar")
        if word == "count" and all("money" in terms_of(self._events, name).values() for name in each):
            options += ["money", "money"]
        option = self._pick(options)
        if option == "by":
            made["by"] = self._pick(texts)
            cap = self._pick(CAPS)
            if cap is not None and (self._tight or "half_life" not in made):
                made["cap"] = cap
        elif option == "money":
            made["money"] = self._pick([True, "left_out"])
        elif option == "calendar":
            made["calendar"] = self._pick(["hour", "day_of_week"])
        if option == "weights" or (option == "by" and self._draw(st.booleans())):
            weighted = ["CUSTOM", "VIEW", *self._events] if events == "any" else each
            made["weights"] = {name: self._pick([2, 0.5]) for name in sorted({self._pick(weighted)})}


def _outputs(name: str, word: str, made: dict[str, Any], terms: dict[str, set[str]]) -> list[Output]:
    """What a declaration becomes."""
    exact = "half_life" not in made and word != "stddev"
    if "by" in made:
        return [Output(name, "map", exact)]
    if word in {"first", "last"} and terms[made[word]] == {"text"}:
        return [Output(name, "text", True)]
    number = {"hour": 24, "day_of_week": 7}.get(made.get("calendar", ""), 0)
    number = made["k"] if word == "last_k" else len(made["edges"]) + 1 if word == "histogram" else number
    return [Output(f"{name}_{i}", "number", True) for i in range(number)] or [Output(name, "number", exact)]


def _filters(terms: dict[str, set[str]]) -> st.SearchStrategy[str]:
    """Conditions over the names of events, with every number as a double, as cel-python needs it."""
    each = ["hour() < 12.0", "hour(time) >= 18.0 || day_of_week() > 4.0", "day_angle() < 3.0", 'type == "play"']
    each += ['type in ["CUSTOM", "VIEW", "like"]', "true", "!(value <= 0.5)"]
    for name in sorted(terms):
        kind = _type(min(terms[name]))
        if kind == "text":
            each += [f'{name} == "a"', f'{name} in ["b", "", "none"]', f'{name}.contains("a") && size({name}) < 3.0']
        elif kind == "bool":
            each += [name, f"!{name} || value > 1.0", f"{name} == (value > 0.0)"]
        elif name != "time":
            each += [
                f"{name} > 0.5",
                f"{name} != 0.0",
                f"{name} / 0.0 > 1.0",
                f"abs({name}) < 2.0 ? true : value < 9.0",
            ]
    return st.sampled_from(each)
