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
from tests.unit.udfs.plan.event_strategies import BUILT_IN, MONEY, TEXTS, declared_events, filters, terms_of, type_of

ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns")
WINDOWS = (
    ("10m", "5m"),
    ("1h", "5m"),
    ("2h", "1h"),
    ("4h", "1h"),
    ("12h", "6h"),
    ("1d", "1d"),
    ("3d", "1d"),
    ("1d", None),
)
HALF_LIVES = ("131071s", "700001s")  # prime
AGES: tuple[list[str] | None, ...] = (
    None,
    [],
    ["1s"],
    ["30m", "6h", "1d", "2d"],
    ["20d"],
    ["1s", "5m", "31m", "20d", "30d"],
)
CAPS = (None, 1, 2, 3, 5)
EDGES = ([0], [-1, 0.5, 2], [0, 1, 3, 1e12])
_NUMERIC = ("number", "money", "timestamp", "bool")
_ADDABLE = ("number", "money", "bool")
_ORDERED = ("number", "money", "timestamp")
_KINDS_OF = {
    "sum": _ADDABLE,
    "mean": _ADDABLE,
    "stddev": _ADDABLE,
    "min": _ORDERED,
    "max": _ORDERED,
    "first": (*_NUMERIC, "text"),
    "last": (*_NUMERIC, "text"),
    "last_k": _NUMERIC,
    "distinct": TEXTS,
    "histogram": _ORDERED,
    "changes": ("text",),
}
_ADDITIVE = ("count", "sum", "mean")  # what has most options
_WORDS = (*_ADDITIVE, *_ADDITIVE, "since", "streak", *_KINDS_OF)


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
    events = draw(declared_events())
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
    ages = draw(st.sampled_from(AGES))
    if ages is not None:
        data["project"]["ages"] = ages
    maps = names_of(outputs, "map")
    served = draw(st.booleans())
    if maps and served:
        data["project"]["affinities"] = draw(st.sampled_from(maps))
    return Declared(data, inexact | {output.name for output in outputs if not output.exact})


class _Maker:
    """Declares features that read events, one after another."""

    def __init__(self, draw: st.DrawFn, events: dict[str, Any], tight: bool) -> None:
        self._draw = draw
        self._events = events
        self._tight = tight
        self.features: dict[str, Any] = {}
        self.outputs: list[Output] = []

    def add(self) -> None:
        """Declare a feature, or a sibling of the one before."""
        windows = [name for name, made in self.features.items() if "hop" in made]
        if windows and self._draw(st.integers(0, 2)) == 0:
            self._add_sibling(windows[-1])
        else:
            self._add_new()

    def _add_sibling(self, of: str) -> None:
        """Declare a feature that differs from another in the length of its window alone, and shares its state."""
        name, made = f"f{len(self.features)}", self.features[of]
        length = self._pick([1, 2, 4])
        self.features[name] = made | {"window": f"{length * int(made['hop'][:-1])}{made['hop'][-1]}"}
        self.outputs += [each._replace(name=name) for each in self.outputs if each.name == of]

    def _add_new(self) -> None:
        """Declare a feature; of a kind whose field no event has, a count."""
        word = self._pick(_WORDS)
        events = self._pick(["any"]) if self._draw(st.integers(0, 5)) == 0 else self._some_events()
        terms = self._common(events)
        fitting = [field for field, kinds in terms.items() if kinds <= set(_KINDS_OF.get(word, ()))]
        # What is money in some events and a number in others is refused.
        fitting = [field for field in fitting if terms[field] == {"money"} or "money" not in terms[field]]
        fitting = [field for field in fitting if (events, field) != ("any", "value")]
        if word == "stddev":
            fitting = [field for field in fitting if field != "time"]
        if word in _KINDS_OF and not fitting:
            word = "count"
        name = f"f{len(self.features)}"
        of_field = {word: self._pick(fitting), "of": events} if word in _KINDS_OF else {}
        made: dict[str, Any] = of_field or {word: events}
        self._options(word, made, terms)
        if self._draw(st.integers(0, 3)) == 0:
            made["where"] = self._draw(filters(terms))
        if self._draw(st.integers(0, 4)) == 0:
            made["vector"] = False
        if self._draw(st.integers(0, 3)) == 0:
            made["default"] = self._pick([-1, 7.5])
        self.features[name] = made
        self.outputs += _outputs(name, word, made, terms)

    def _pick(self, choices: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(list(choices)))

    def _some_events(self) -> Any:
        """One event or several, mostly of those that histories are made of."""
        names = [*self._events, *self._events, "CUSTOM", *self._pick([MONEY, BUILT_IN])]
        chosen = self._draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        return chosen[0] if len(chosen) == 1 else chosen

    def _common(self, events: Any) -> dict[str, set[str]]:
        """The kinds of the names that all of these events have, as the same type."""
        each = [terms_of(self._events, name) for name in ([events] if isinstance(events, str) else events)]
        names = [name for name in each[0] if all(name in terms for terms in each)]
        kinds = {name: {terms[name] for terms in each} for name in names}
        return {name: found for name, found in kinds.items() if len({type_of(kind) for kind in found}) == 1}

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
        texts = [name for name, kinds in terms.items() if kinds <= set(TEXTS)]
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
