"""Canonical texts and hashes of meaning, and walks over expressions."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

_HASH_CHARS: Final = 12
_AS_OF: Final = ["slot", "last_ms"]
_NEWEST: Final = ["slot", "newest_ms"]
CLOCK_OPERATIONS: Final = frozenset({"day_angle", "hour", "day_of_week"})  # their value depends on the time zone


def canonical(value: Any) -> str:
    """Return data as JSON that is equal for equal meaning: names sorted, whole numbers without a point."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(value: Any) -> str:
    """Return 12 hex digits of the SHA-256 of canonical JSON."""
    return sha256(canonical(value).encode()).hexdigest()[:_HASH_CHARS]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def whole(value: float) -> float | int:
    """Return a whole number as an int, so that it is written as one."""
    return int(value) if float(value).is_integer() else value


def replaced(expr: Any, operation: str, by: Callable[[Any], Any]) -> Any:
    """Return an expression in which `by` has replaced every [operation, argument, ...].

    Args:
        expr: an expression of a plan; not changed.
        operation: what is replaced.
        by: gets the whole list, and returns what stands in its place.
    """
    if not isinstance(expr, list):
        return expr
    if expr and expr[0] == operation:
        return by(expr)
    return [replaced(part, operation, by) for part in expr]


def as_of_event(expr: Any) -> Any:
    """Return what an expression means as of the newest event, where the as-of time and that of the event are one."""
    return replaced(expr, "slot", lambda slot: _AS_OF if slot == _NEWEST else slot)


def uses_clock(expr: Any) -> bool:
    """Whether the value of an expression depends on the time zone."""
    if not isinstance(expr, list) or not expr:
        return False
    return expr[0] in CLOCK_OPERATIONS or any(uses_clock(part) for part in expr[1:])
