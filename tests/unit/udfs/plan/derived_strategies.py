"""Hypothesis strategies: features, scores and segments that are computed from features.

Every number in an expression is written as a double, as cel-python needs it. What is not exact is never a divisor, and
is compared with numbers that it does not meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

SCORES_MAX = 45
PROFILE = (
    *("events_total", "sessions_total", "first_event_ms", "as_of_ms", "session_start_ms", "events_in_session"),
    *("previous_session_end_ms", "ended_sessions", "ended_sessions_ms", "events_in_ended_sessions", "last_event_ms"),
)
DURATIONS = ("1s", "30m", "6h", "2d")
SILENCES_MS = st.sampled_from([1_000, 1_800_000, 21_600_000, 172_800_000])
_THRESHOLDS = ("0.0", "1.0", "2.0", "5.0")
_NEVER_MET = ("0.3719", "1.8713", "4.1137")


class Output(NamedTuple):
    """A feature: its name, its kind (number, bool, text or map), and whether its last digit is certain."""

    name: str
    kind: str
    exact: bool


def names_of(outputs: Sequence[Output], kind: str) -> list[str]:
    """The names of the features of a kind."""
    return [output.name for output in outputs if output.kind == kind]


class _Parts:
    """Parts of expressions."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.outputs = list(outputs)
        self.maps = names_of(outputs, "map")
        self.texts = names_of(outputs, "text")
        numbers = [output for output in outputs if output.kind == "number"]
        exact = [output.name for output in numbers if output.exact]
        # Half of what is drawn is of features, if there are any.
        self.exact = [*PROFILE, *(exact * (1 + len(PROFILE) // max(1, len(exact))))]
        self.numbers = [*PROFILE, *([each.name for each in numbers] * (1 + len(PROFILE) // max(1, len(numbers))))]
        self.truths = names_of(outputs, "bool")
        self._inexact = {output.name for output in outputs if not output.exact}

    def is_exact(self, text: str) -> bool:
        """Whether the value of an expression is, too."""
        return not any(name in text for name in self._inexact)

    def texts_of(self) -> st.SearchStrategy[str]:
        """Expressions that are texts."""
        return st.sampled_from([*self.texts, *[f"top({name})" for name in self.maps], '"a"'])

    def truths_of(self) -> st.SearchStrategy[str]:
        """Expressions that are true or false."""
        number = st.sampled_from(self.numbers)
        compared = st.builds(
            lambda name, op, at: f"{name} {op} {(_THRESHOLDS if self.is_exact(name) else _NEVER_MET)[at]}",
            number,
            st.sampled_from(["<", ">", ">=", "<="]),
            st.integers(0, 2),
        )
        silent = st.builds("as_of_ms - last_event_ms {} {}.0".format, st.sampled_from([">=", "<"]), SILENCES_MS)
        equal = st.builds('{} == "{}"'.format, self.texts_of(), st.sampled_from(["a", "b", ""]))
        simple = [
            compared,
            compared,
            equal,
            silent,
            st.just("hour() < 12.0"),
            *([st.sampled_from(self.truths)] * 2)[: len(self.truths)],
        ]
        one = st.one_of(*simple)
        return st.one_of(one, one, st.builds("({}) {} !({})".format, one, st.sampled_from(["&&", "||"]), one))

    def numbers_of(self) -> st.SearchStrategy[str]:
        """Expressions that are numbers, and may be not finite."""
        number, exact = st.sampled_from(self.numbers), st.sampled_from(self.exact)
        each = [
            number,
            st.builds("{} / {}".format, number, exact),
            st.builds("log1p(abs({})) - {}".format, number, exact),
            st.builds("{} ? {} : {} * 2.0".format, self.truths_of(), number, number),
            st.builds("coalesce({} / {}, {}, 7.0)".format, number, exact, number),
            st.builds("min({}, max({}, 3.0))".format, number, number),
            st.builds("clamp({}, -1.0, 40.0) + sqrt({})".format, number, exact),
            st.builds("rounded(exp2(-{} / 9.0))".format, exact),
            st.sampled_from(["hour()", "day_of_week(as_of_ms)", "sin(day_angle())", "hour(first_event_ms)"]),
            st.builds("size({})".format, self.texts_of()),
        ]
        if self.maps:
            name = st.sampled_from(self.maps)
            each += [
                st.builds("{}({})".format, st.sampled_from(["total", "size", "top_share"]), name),
                st.builds("{}({}, {})".format, st.sampled_from(["share", "value"]), name, self.texts_of()),
                st.builds('{}["a"]'.format, name),
            ]
        return st.one_of(*each)


@st.composite
def derived(draw: st.DrawFn, name: str, outputs: Sequence[Output]) -> tuple[dict[str, Any], Output]:
    """A feature that is computed from others, and what it is."""
    parts = _Parts(outputs)
    made: dict[str, Any] = {}
    kind = draw(st.sampled_from(["number", "number", "bool", "text", "ratio"]))
    if kind == "ratio":
        made["ratio"] = [draw(st.sampled_from(parts.numbers)), draw(st.sampled_from(parts.exact))]
        text, kind = " ".join(made["ratio"]), "number"
    else:
        of_kind = {"number": parts.numbers_of(), "bool": parts.truths_of(), "text": parts.texts_of()}
        text = made["expr"] = draw(of_kind[kind])
    if draw(st.booleans()):
        made["default"] = -3
    if draw(st.integers(0, 3)) == 0:
        made["vector"] = False
    return made, Output(name, kind, parts.is_exact(text) or kind != "number")


@st.composite
def scores(draw: st.DrawFn, outputs: Sequence[Output]) -> tuple[dict[str, Any], frozenset[str]]:
    """A score for each feature, so that they are seen in full precision, and others; and which are not exact."""
    parts = _Parts(outputs)
    declared: dict[str, Any] = {}
    for name, kind, _ in parts.outputs:
        if kind in {"number", "bool"}:
            declared[f"s_{name}"] = {"expr": name}
        elif kind == "map":
            declared[f"s_{name}_total"] = {"expr": f"total({name})"}
            declared[f"s_{name}_size"] = {"expr": f"size({name})"}
    declared = dict(list(declared.items())[:SCORES_MAX])
    for number in range(draw(st.integers(1, 3))):
        declared[f"own_{number}"] = {"expr": draw(st.one_of(parts.numbers_of(), parts.truths_of()))}
    return declared, frozenset(name for name, score in declared.items() if not parts.is_exact(score["expr"]))


@st.composite
def segments(
    draw: st.DrawFn, outputs: Sequence[Output], declared: dict[str, Any], inexact: frozenset[str]
) -> dict[str, Any]:
    """Segments over features and scores by formula."""
    own = [Output(name, "number", name not in inexact) for name in declared if name.startswith("own_")]
    seen = [*outputs, *own * (1 + len(outputs))]
    parts = _Parts(seen)
    found: dict[str, Any] = {}
    for number in range(draw(st.sampled_from([0, 1, 2, 3]))):
        if draw(st.booleans()):
            segment = {"when": draw(parts.truths_of())}
        else:
            segment = {"enter": draw(parts.truths_of())}
            if draw(st.booleans()):
                segment["leave"] = draw(parts.truths_of())
        if draw(st.booleans()):
            segment["min_stay"] = draw(st.sampled_from(DURATIONS))
        found[f"segment_{number}"] = segment
    return found
