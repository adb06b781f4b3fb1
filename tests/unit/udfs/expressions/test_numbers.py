"""Numbers: as C computes them, and nothing raises."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from ctypes.util import find_library

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from udfs.expressions.arithmetic import quotient, remainder
from udfs.expressions.build import build
from udfs.expressions.node import Scope
from udfs.expressions.numbers import (
    ceil,
    cosine,
    exp,
    exp_2,
    finite,
    floor,
    larger,
    log,
    log_1p,
    log_10,
    power,
    rounded,
    sine,
    smaller,
    sqrt,
)
from udfs.profile import Profile

LIBM = ctypes.CDLL(find_library("m"))
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    -3.0,
    710.0,
    1024.0,
    1e300,
    -1e300,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
]
ANY = st.one_of(st.sampled_from(EDGES), st.floats())


def in_c(name: str, *numbers: float) -> float:
    function = getattr(LIBM, name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * len(numbers)
    return float(function(*numbers))


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (log, "log"),
        (log_1p, "log1p"),
        (log_10, "log10"),
        (exp, "exp"),
        (exp_2, "exp2"),
        (sqrt, "sqrt"),
        (floor, "floor"),
        (ceil, "ceil"),
        (sine, "sin"),
        (cosine, "cos"),
    ],
)
def test_functions_of_one_number_are_those_of_c(function: Callable[[float], float], name: str) -> None:
    @given(ANY)
    def holds(x: float) -> None:
        assert same(function(x), in_c(name, x))

    holds()
    assert all(same(function(x), in_c(name, x)) for x in EDGES)


@given(ANY, ANY)
def test_functions_of_two_numbers_are_those_of_c(a: float, b: float) -> None:
    assert same(power(a, b), in_c("pow", a, b))
    assert same(remainder(a, b), in_c("fmod", a, b))
    with np.errstate(all="ignore"):
        assert same(quotient(a, b), float(np.divide(a, b)))


def test_functions_of_two_numbers_at_their_edges() -> None:
    for a in EDGES:
        for b in EDGES:
            assert same(power(a, b), in_c("pow", a, b)), (a, b)
            assert same(remainder(a, b), in_c("fmod", a, b)), (a, b)
            with np.errstate(all="ignore"):
                assert same(quotient(a, b), float(np.divide(a, b))), (a, b)


@given(ANY, ANY, ANY)
def test_smaller_and_larger_are_the_same_in_any_order(a: float, b: float, c: float) -> None:
    assert same(smaller(a, smaller(b, c)), smaller(smaller(c, a), b))
    assert same(larger(a, larger(b, c)), larger(larger(c, a), b))
    if not (math.isnan(a) or math.isnan(b)):
        assert smaller(a, b) == min(a, b)
        assert larger(a, b) == max(a, b)
    else:
        assert math.isnan(smaller(a, b))
        assert math.isnan(larger(a, b))


@given(st.one_of(ANY, st.floats(-1e5, 1e5)))
@example(2.0**53 / 1e12)
@example(-(2.0**53) / 1e12)
@example(0.0000000000005)
def test_rounded_is_to_12_decimals_as_scores_are(x: float) -> None:
    scaled = x * 1e12 + 0.5
    assert same(rounded(x), int(scaled) / 1e12 if math.isfinite(scaled) else x)


@given(ANY)
def test_finite(x: float) -> None:
    assert finite(x) == math.isfinite(x)


@given(ANY, ANY, ANY)
def test_coalesce_and_clamp(a: float, b: float, c: float) -> None:
    scope = Scope(Profile(), [a, b, c])
    features = [["feature", 0], ["feature", 1], ["feature", 2]]
    first = build(["coalesce", *features], [], "UTC").number(scope)
    assert same(first, a if math.isfinite(a) else b if math.isfinite(b) else c)
    clamped = build(["clamp", *features], [], "UTC").number(scope)
    assert same(clamped, smaller(larger(a, b), c))
    if b <= a <= c:
        assert clamped == a
