"""What a project says of a user's messages, from its declarations and all the messages, by other means than a plan's.

Nothing is carried along from event to event.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.unit.declarations.cel_oracle import evaluate as cel
from tests.unit.udfs.plan.histories import GAP_MS
from tests.unit.udfs.plan.message_oracle import NO_AMOUNT, NO_CODE, NO_CURRENCY, Happened
from tests.unit.udfs.reducers.oracle import Answer, Row, evaluate

UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
CATEGORIES_MAX = 32
TOP = 10
_ABOUT_A_FIELD = ("sum", "mean", "stddev", "min", "max", "first", "last", "last_k", "distinct", "histogram", "changes")


def duration_ms(text: str) -> int:
    """A duration such as 7d."""
    return int(text[:-1]) * UNIT_MS[text[-1]]


class View:
    """What a project says after some events.

    Args:
        declared: the project.
        history: the events, at least one.
        age_ms: how long after the newest one it says so.
    """

    def __init__(self, declared: dict[str, Any], history: Sequence[Happened], age_ms: int = 0) -> None:
        self._declared = declared
        self._history = history
        self._zone: str = declared["project"]["time_zone"]
        self._known: dict[str, Any] = {}
        self.as_of_ms = history[-1].time_ms + age_ms
        self._sessions: list[list[Happened]] = []
        for before, each in zip([None, *history], history, strict=False):
            if before is None or each.time_ms - before.time_ms > GAP_MS:
                self._sessions.append([])
            self._sessions[-1].append(each)
        self._currency = next((each.currency for each in history if _decides(each.currency)), NO_CURRENCY)

    def value(self, name: str) -> Any:
        """A feature, one that a declaration is expanded to, or what a profile says."""
        if name not in self._known:
            self._known[name] = self._profile(name) if name not in self._features_by_output() else self._feature(name)
        return self._known[name]

    def outputs(self) -> list[str]:
        """The names of all features, expanded, in the declared order."""
        return list(self._features_by_output())

    def expression(self, text: str, scores: Mapping[str, str] | None = None) -> Any:
        """The value of an expression over features and, where they are given, scores by formula."""
        text = re.sub(r"\b(hour|day_of_week|day_angle)\(\)", r"\1(as_of_ms)", text)
        text = re.sub(r'(\w+)(\["a"\])', r'value(\1, "a")', text)  # cel-python has no value for a key that is not there
        features, profile = self._features_by_output(), self._profile_values()
        names = set(re.findall(r"[a-z_]\w*", re.sub(r'"[^"]*"', "", text)))
        values = {name: self.value(name) for name in names if name in features or name in profile}
        values |= {name: self.score(scores[name]) for name in names if scores and name in scores and name not in values}
        return cel(text, values, self._zone)

    def score(self, text: str) -> float:
        """A score by formula: 0 where it has no value."""
        value = self.expression(text)
        return float(value) if math.isfinite(value) else 0.0

    def top(self, name: str) -> list[tuple[str, float]]:
        """The largest entries of a map with their shares."""
        weights: dict[str, float] = self.value(name)
        names = sorted(weights, key=lambda key: (-weights[key], key))[:TOP]
        return [(key, cel(f'share(m, "{key}")', {"m": weights})) for key in names]

    def kind(self, name: str) -> str:
        """number, bool, text or map."""
        value = self.value(name)
        return {float: "number", int: "number", bool: "bool", str: "text", dict: "map"}[type(value)]

    def _features_by_output(self) -> dict[str, str]:
        return {
            output: name
            for name, declared in self._declared["features"].items()
            for output in _expanded(name, declared)
        }

    def _profile(self, name: str) -> float:
        return self._profile_values()[name]

    def _profile_values(self) -> dict[str, float]:
        ended, current = self._sessions[:-1], self._sessions[-1]
        return {
            "events_total": float(len(self._history)),
            "sessions_total": float(len(self._sessions)),
            "first_event_ms": float(self._history[0].time_ms),
            "as_of_ms": float(self.as_of_ms),
            "last_event_ms": float(self._history[-1].time_ms),
            "session_start_ms": float(current[0].time_ms),
            "events_in_session": float(len(current)),
            "previous_session_end_ms": float(ended[-1][-1].time_ms) if ended else 0.0,
            "ended_sessions": float(len(ended)),
            "ended_sessions_ms": float(sum(each[-1].time_ms - each[0].time_ms for each in ended)),
            "events_in_ended_sessions": float(sum(map(len, ended))),
        }

    def _feature(self, output: str) -> Any:
        name = self._features_by_output()[output]
        declared = self._declared["features"][name]
        if "expr" in declared or "ratio" in declared:
            value = self.expression(declared.get("expr") or " / ".join(declared["ratio"]))
            unusable = isinstance(value, float) and not math.isfinite(value)
            return float(declared.get("default", 0)) if unusable else value
        nth = int(output.removeprefix(name + "_")) if output != name else 0
        return self._aggregate(declared, nth)

    def _aggregate(self, declared: dict[str, Any], nth: int) -> Answer:
        rows, default = self._rows(declared), float(declared.get("default", 0))
        if "mean" in declared:
            return self._mean(declared, rows, default)
        kind, params, read = self._reducer(declared, nth)
        return evaluate(kind, params, read, default, rows, self.as_of_ms)

    def _mean(self, declared: dict[str, Any], rows: list[Row], default: float) -> float:
        counted: list[Row] = [(event, None, key, weight) for event, _, key, weight in rows]
        kind, params, read = self._reducer(declared, 0)
        summed, number = (evaluate(kind, params, read, 0.0, some, self.as_of_ms) for some in (rows, counted))
        assert isinstance(summed, float | int)
        assert isinstance(number, float | int)
        return summed / number if number else default

    def _reducer(self, declared: dict[str, Any], nth: int) -> tuple[str, dict[str, Any], list[Any]]:
        """The kind, parameters and reading of a reducer, as the oracle of reducers takes them."""
        word = next(iter(declared))
        params: dict[str, Any] = {"zone": self._zone, "cap": declared.get("cap", CATEGORIES_MAX)}
        if "half_life" in declared:
            params["half_life_ms"] = duration_ms(declared["half_life"])
        if "window" in declared:
            hop_ms = duration_ms(declared.get("hop", "1h"))
            hops = duration_ms(declared["window"]) // hop_ms
            params |= {"hop_ms": hop_ms, "hops": self._hops(declared, hop_ms)}
            if "by" in declared:
                return "by_window", params, ["map", hops]
            return "window", params, [word if word in {"min", "max"} else "sum", hops]
        if "by" in declared:
            return "by", params, ["map"]
        if "calendar" in declared:
            return "calendar", params | {"of": declared["calendar"]}, ["nth", nth]
        return self._plain(word, declared, params, nth)

    def _plain(
        self, word: str, declared: dict[str, Any], params: dict[str, Any], nth: int
    ) -> tuple[str, dict[str, Any], list[Any]]:
        if word in {"min", "max"}:
            return "extreme", {"agg": word}, ["value"]
        if word in {"first", "last"}:
            # A last number that is 0 must not read as the default.
            return "edge", {"which": word, "text": self._is_text(declared), "flag": True}, ["value"]
        read: dict[str, list[Any]] = {
            "stddev": ["stddev"],
            "since": ["since", UNIT_MS[declared.get("unit", "h")]],
            "distinct": ["count"],
            "streak": ["days"],
            "last_k": ["nth", nth],
            "histogram": ["nth", nth],
        }
        kind = {"stddev": "moments", "mean": "count"}.get(word, word)
        return kind, params | declared, read.get(word, ["value"])

    def _hops(self, declared: dict[str, Any], hop_ms: int) -> int:
        """The longest window of what differs in length alone: such windows share what they remember."""
        same = [
            duration_ms(other["window"]) // hop_ms
            for other in self._declared["features"].values()
            if "window" in other
            and duration_ms(other.get("hop", "1h")) == hop_ms
            and _meaning(other) == _meaning(declared)
        ]
        return max(same)

    def _is_text(self, declared: dict[str, Any]) -> bool:
        """Whether a feature is one of a text, from the declarations of its events."""
        word = next(iter(declared))
        name, of = declared[word], declared["of"]
        if name in {"value", "time"}:
            return False
        first = of if isinstance(of, str) else of[0]
        event = self._declared["events"].get(first, {})
        return bool(name == "category" or event["fields"][name]["type"] == "string")

    def _rows(self, declared: dict[str, Any]) -> list[Row]:
        """What a feature takes of the events."""
        scope = declared.get("scope", "lifetime")
        history: Sequence[Happened] = self._history
        if scope == "session":
            history = self._sessions[-1]
        elif scope == "previous_session":
            history = self._sessions[-2] if len(self._sessions) > 1 else []
        word = next(iter(declared))
        taken = declared["of"] if word in _ABOUT_A_FIELD else declared[word]
        names = [taken] if isinstance(taken, str) else taken
        rows: list[Row] = []
        for each in history:
            name = _taken_as(each, names)
            if name and self._wanted(declared, each, name):
                rows.append(self._row(declared, each, names))
        return rows

    def _wanted(self, declared: dict[str, Any], each: Happened, name: str) -> bool:
        money = declared.get("money", self._is_money(declared))
        adds_up = each.currency in {self._currency, NO_CURRENCY, NO_AMOUNT}
        if money and adds_up == (money == "left_out"):
            return False
        where = declared.get("where")
        if where is None:
            return True
        where = re.sub(r"\b(hour|day_of_week|day_angle)\(\)", r"\1(time)", where)
        shown = "CUSTOM" if name == "CUSTOM" else each.type
        holds: bool = cel(where, each.named | {"type": shown}, self._zone)
        return holds

    def _is_money(self, declared: dict[str, Any]) -> bool:
        """Whether what is added up is an amount of money in all events."""
        word = next(iter(declared))
        if word not in {"sum", "mean"}:
            return False
        names = [declared["of"]] if isinstance(declared["of"], str) else declared["of"]
        return all(self._is_amount(name, declared[word]) for name in names)

    def _is_amount(self, event: str, name: str) -> bool:
        if name == "value" and event in {"PURCHASE", "REFUND"}:
            return True
        found = self._declared["events"].get(event, {})
        field = found.get("fields", {}).get(found.get("value", "") if name == "value" else name, {})
        return bool(field.get("type") == "money")

    def _row(self, declared: dict[str, Any], each: Happened, names: Sequence[str]) -> Row:
        word = next(iter(declared))
        value = each.named[declared[word]] if word in _ABOUT_A_FIELD else None
        key = each.named[declared["by"]] if "by" in declared else None
        weights = declared.get("weights", {})
        as_custom = each.own and each.type not in names
        weight = weights.get(each.type, weights.get("CUSTOM", 1.0) if as_custom else 1.0)
        if as_custom and "any" not in names:
            weight = weights.get("CUSTOM", 1.0)
        return each.event, float(value) if isinstance(value, bool) else value, None if key is None else str(key), weight


def _decides(currency: str) -> bool:
    return currency not in {NO_AMOUNT, NO_CODE, NO_CURRENCY}


def _taken_as(each: Happened, names: Sequence[str]) -> str:
    """Under which of the given names an event is taken; empty if it is not."""
    if each.type in names:
        return each.type
    return "CUSTOM" if each.own and "CUSTOM" in names else "any" if "any" in names else ""


def _expanded(name: str, declared: dict[str, Any]) -> list[str]:
    number = {"hour": 24, "day_of_week": 7}.get(declared.get("calendar", ""), declared.get("k", 0))
    if "edges" in declared:
        number = len(declared["edges"]) + 1
    return [f"{name}_{i}" for i in range(number)] or [name]


def _meaning(declared: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in declared.items() if name not in {"window", "hop", "vector", "default"}}
