"""Hypothesis strategies: expressions as text, written for us and for cel-python, and values for their names."""

from __future__ import annotations

import math
from typing import NamedTuple

from hypothesis import strategies as st

from declarations.expressions import Variable

KEYS = ("", "shoes", "hats", "Bögen", "a'b\"\\")
NUMBERS = ("plays", "skips", "rate", "in_cart")
TEXTS = ("brand", "top_artist")
MAPS = ("affinity", "spend")
NAMES: dict[str, Variable] = {
    **{name: Variable("number", ["feature", i]) for i, name in enumerate(NUMBERS)},
    "is_fan": Variable("bool", ["feature", len(NUMBERS)]),
    **{name: Variable("text", ["text_feature", i]) for i, name in enumerate(TEXTS)},
    **{name: Variable("map", ["map_feature", len(TEXTS) + i]) for i, name in enumerate(MAPS)},
    "as_of_ms": Variable("number", ["slot", "last_ms"]),
    "last_event_ms": Variable("number", ["slot", "newest_ms"]),
    "sessions": Variable("number", ["slot", "sessions"]),
}


class Written(NamedTuple):
    """An expression twice: as a user writes it, and with every number as a double, as cel-python needs it."""

    ours: str
    cel: str


Expressions = st.SearchStrategy[Written]


def values() -> st.SearchStrategy[dict[str, object]]:
    """A value for each of NAMES."""
    number = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 2.0, math.inf, math.nan]), st.floats(), st.floats(-100, 100))
    weights = st.dictionaries(st.sampled_from(KEYS), st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1e6)))
    of_kind: dict[str, st.SearchStrategy[object]] = {
        "number": number,
        "bool": st.booleans(),
        "text": st.sampled_from(KEYS),
        "map": weights,
    }
    named: dict[str, st.SearchStrategy[object]] = {name: of_kind[one.kind] for name, one in NAMES.items()}
    named["as_of_ms"] = named["last_event_ms"] = st.integers(0, 4_102_444_800_000).map(float)
    return st.fixed_dictionaries(named)


def _format(template: str, *parts: Expressions) -> Expressions:
    def written(chosen: tuple[Written, ...]) -> Written:
        ours, cel = (template.format(*[part[side] for part in chosen]) for side in (0, 1))
        return Written(ours, cel)

    return st.tuples(*parts).map(written)


def _same(text: str) -> Written:
    return Written(text, text)


def _text_literal(value: str) -> Written:
    escaped = "".join(f"\\u{ord(c):04x}" if c in "\\\"'" or ord(c) > 126 else c for c in value)
    return _same(f'"{escaped}"')


def _number_literals() -> Expressions:
    whole = st.one_of(st.integers(0, 3), st.integers(0, 10**6)).map(lambda n: Written(str(n), f"{n}.0"))
    return st.one_of(whole, st.floats(0, 1e9, allow_subnormal=False).map(lambda x: _same(f"{x:.6f}")))


class _Grammar:
    """Expressions by kind, nested at most so deep."""

    def __init__(self, depth: int) -> None:
        self.numbers = st.one_of(
            _number_literals(), st.sampled_from([*NUMBERS, "sessions", "as_of_ms", "last_event_ms"]).map(_same)
        )
        self.texts = st.one_of(st.sampled_from(KEYS).map(_text_literal), st.sampled_from(TEXTS).map(_same))
        self.truths = st.sampled_from(["true", "false", "is_fan"]).map(_same)
        for _ in range(depth):
            self.numbers, self.truths, self.texts = self._numbers(), self._truths(), self._texts()

    def _numbers(self) -> Expressions:
        one, text, amap = self.numbers, self.texts, st.sampled_from(MAPS).map(_same)
        functions = "abs log log1p log10 exp exp2 sqrt floor ceil rounded sin cos"
        return st.one_of(
            one,
            *[_format(f"({{0}} {op} {{1}})", one, one) for op in "+-*/%"],
            *[_format(f"{{0}} {op} {{1}}", one, one) for op in "+-*/%"],  # by precedence
            _format("-{0}", one.filter(lambda written: not written.ours.startswith("-"))),
            *[_format(f"{name}({{0}})", one) for name in functions.split()],
            *[_format(f"{name}({{0}}, {{1}})", one, one) for name in ("pow", "min", "max", "coalesce")],
            *[_format(f"{name}({{0}}, {{1}}, {{2}})", one, one, one) for name in ("clamp", "min", "max", "coalesce")],
            *[_format(f"{name}({{0}})", amap) for name in ("top_share", "total", "size")],
            *[_format(f"{name}({{0}}, {{1}})", amap, text) for name in ("share", "value")],
            *[st.just(_same(f"{name}(as_of_ms)")) for name in ("hour", "day_of_week", "day_angle")],
            *[st.just(Written(f"{name}()", f"{name}(as_of_ms)")) for name in ("hour", "day_of_week", "day_angle")],
            _format("size({0})", text),
            _format("({0} ? {1} : {2})", self.truths, one, one),
        )

    def _truths(self) -> Expressions:
        one, number, text = self.truths, self.numbers, self.texts
        literals = st.lists(_number_literals(), min_size=1, max_size=3).map(
            lambda many: Written(", ".join([n.ours for n in many]), ", ".join([n.cel for n in many]))
        )
        keys = st.lists(st.sampled_from(KEYS).map(_text_literal), min_size=1, max_size=3).map(
            lambda many: _same(", ".join([key.ours for key in many]))
        )
        return st.one_of(
            one,
            *[_format(f"({{0}} {op} {{1}})", number, number) for op in ("<", "<=", ">", ">=", "==", "!=")],
            *[_format(f"({{0}} {op} {{1}})", text, text) for op in ("==", "!=")],
            *[_format(f"({{0}} {op} {{1}})", one, one) for op in ("&&", "||", "==", "!=")],
            *[_format(f"{{0}} {op} {{1}}", one, one) for op in ("&&", "||")],
            *[_format(f"{{0}}.{name}({{1}})", text, text) for name in ("contains", "startsWith", "endsWith")],
            _format("!{0}", one),
            _format("({0} ? {1} : {2})", one, one, one),
            _format("({0} in [{1}])", text, keys),
            _format("({0} in [{1}])", number, literals),
        )

    def _texts(self) -> Expressions:
        return st.one_of(
            self.texts,
            st.sampled_from(MAPS).map(lambda name: _same(f"top({name})")),
            _format("({0} ? {1} : {2})", self.truths, self.texts, self.texts),
        )


_GRAMMAR = _Grammar(3)


def expressions() -> Expressions:
    """Numbers, truths and texts."""
    return st.one_of(_GRAMMAR.numbers, _GRAMMAR.truths, _GRAMMAR.texts)
