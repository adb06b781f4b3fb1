"""cel-python's own evaluator, with the functions of expressions, as the oracle of ours.

Its arithmetic on doubles is replaced by that of C, because it says that -1 / 0 is inf, and has no % for doubles. The
functions of one number come from libm itself, through ctypes.
"""

from __future__ import annotations

import ctypes
import functools
import math
import operator
from collections.abc import Callable, Mapping
from ctypes.util import find_library
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import celpy
import numpy as np
from celpy.celtypes import BoolType, DoubleType, MapType, StringType

ZONE = "Australia/Lord_Howe"  # half hours, and clocks that change by half an hour

_LIBM = ctypes.CDLL(find_library("m"))
_ENVIRONMENT = celpy.Environment()


def _of_libm(name: str, arguments: int = 1) -> Callable[..., DoubleType]:
    function = getattr(_LIBM, name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * arguments

    def call(*numbers: float) -> DoubleType:
        return DoubleType(function(*numbers))

    return call


def _double(function: Callable[..., float]) -> Callable[..., DoubleType]:
    def call(*arguments: Any) -> DoubleType:
        return DoubleType(function(*arguments))

    return call


def _divide(dividend: float, divisor: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.divide(np.float64(dividend), np.float64(divisor)))


def _extreme(pick: Callable[[list[float]], float]) -> Callable[..., float]:
    def call(*numbers: float) -> float:
        return math.nan if any(map(math.isnan, numbers)) else pick([float(number) for number in numbers])

    return call


def _coalesce(*numbers: float) -> float:
    return next((float(number) for number in numbers if math.isfinite(number)), float(numbers[-1]))


def _clamp(x: float, low: float, high: float) -> float:
    return math.nan if any(map(math.isnan, (x, low, high))) else min(max(x, low), high)


def _rounded(x: float) -> float:
    scaled = x * 1e12 + 0.5
    return int(scaled) / 1e12 if math.isfinite(scaled) else x


def _ranked(weights: Mapping[str, float]) -> list[tuple[float, str]]:
    return sorted((-weight, key) for key, weight in weights.items())


def _total(weights: Mapping[str, float]) -> float:
    total = 0.0
    for negative, _ in _ranked(weights):
        total += -negative
    return total


def _share(weights: Mapping[str, float], key: str) -> float:
    total = _total(weights)
    return _rounded(float(weights[key]) / total) if key in weights and total > 0 else 0.0


def _top(weights: Mapping[str, float]) -> StringType:
    return StringType(_ranked(weights)[0][1] if weights else "")


def _top_share(weights: Mapping[str, float]) -> float:
    return _share(weights, _top(weights)) if weights else 0.0


def local(time_ms: float, zone: str = ZONE) -> datetime:
    """The time in a zone."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=float(time_ms))).astimezone(ZoneInfo(zone))


def _day_angle(here: datetime) -> float:
    since = timedelta(hours=here.hour, minutes=here.minute, seconds=here.second, microseconds=here.microsecond)
    return (since / timedelta(milliseconds=1)) * (2 * math.pi / 86_400_000)


_FUNCTIONS: dict[str, Any] = {
    "_+_": _double(operator.add),
    "_-_": _double(operator.sub),
    "_*_": _double(operator.mul),
    "_/_": _double(_divide),
    "_%_": _of_libm("fmod", 2),
    "-_": _double(operator.neg),
    "pow": _of_libm("pow", 2),
    "abs": _of_libm("fabs"),
    "min": _double(_extreme(min)),
    "max": _double(_extreme(max)),
    "coalesce": _double(_coalesce),
    "clamp": _double(_clamp),
    "rounded": _double(_rounded),
    "size": _double(len),
    "top": _top,
    "top_share": _double(_top_share),
    "share": _double(_share),
    "value": _double(lambda weights, key: weights.get(key, 0.0)),
    "total": _double(_total),
    **{
        name: _of_libm(name) for name in ("log", "log1p", "log10", "exp", "exp2", "sqrt", "floor", "ceil", "sin", "cos")
    },
}


def _of_time(zone: str) -> dict[str, Any]:
    return {
        "hour": _double(lambda time_ms: local(time_ms, zone).hour),
        "day_of_week": _double(lambda time_ms: local(time_ms, zone).weekday()),
        "day_angle": _double(lambda time_ms: _day_angle(local(time_ms, zone))),
    }


@functools.lru_cache(maxsize=1_000)
def _program(text: str, zone: str) -> celpy.Runner:
    return _ENVIRONMENT.program(_ENVIRONMENT.compile(text), _FUNCTIONS | _of_time(zone))


def evaluate(text: str, values: Mapping[str, Any], zone: str = ZONE) -> Any:
    """Evaluate an expression of CEL whose numbers are all doubles; gives a float, bool or str."""
    activation = {name: _cel(value) for name, value in values.items()}
    result: Any = _program(text, zone).evaluate(activation)
    if isinstance(result, BoolType):
        return bool(result)
    return str(result) if isinstance(result, str) else float(result)


def _cel(value: Any) -> Any:
    if isinstance(value, bool):
        return BoolType(value)
    if isinstance(value, dict):
        return MapType({StringType(key): DoubleType(weight) for key, weight in value.items()})
    return StringType(value) if isinstance(value, str) else DoubleType(value)
