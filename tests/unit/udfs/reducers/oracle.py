"""What each kind of reducer should say, computed anew from all events, by other means than the fold's.

A mistake in both would have to be made twice: here is no state that is carried along, except where a bound drops
entries, which depends on history.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate, groupby
from typing import Any
from zoneinfo import ZoneInfo

from xxhash import xxh3_64_intdigest

from udfs.event import Event

Row = tuple[Event, float | str | None, str | None, float]  # event, value, key, weight
Answer = float | str | dict[str, float]


def evaluate(  # noqa: PLR0917  (what a plan's reducer is)
    kind: str, params: dict[str, Any], read: list[Any], default: float, events: Sequence[Row], as_of_ms: int
) -> Answer:
    """What a reducer of this kind reads after these events.

    Args:
        kind, params, read: as in a plan.
        default: of the feature.
        events: those that the reducer takes, in any order; ids distinct.
        as_of_ms: the time of the user's newest event, of any type, or a later one.
    """
    return ORACLES[kind](params, read, default, sorted(events, key=_position), as_of_ms)


def _position(row: Row) -> tuple[int, str]:
    return row[0].time_ms, row[0].event_id


def _number(row: Row) -> float:
    assert isinstance(row[1], (int, float))
    return float(row[1])


def _amount(row: Row) -> float:
    return row[3] if row[1] is None else _number(row) * row[3]


def _texts(rows: list[Row]) -> list[str]:
    return [row[1] for row in rows if isinstance(row[1], str) and row[1]]


def _decay(age_ms: int, half_life_ms: float) -> float:
    return math.pow(2.0, -age_ms / half_life_ms) if half_life_ms else 1.0


def _count(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    half_life_ms = params.get("half_life_ms", 0.0)
    return math.fsum(_amount(row) * _decay(as_of_ms - row[0].time_ms, half_life_ms) for row in rows)


def _window(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    hop_ms, aggregate = params["hop_ms"], read[0]
    from_ms = as_of_ms - as_of_ms % hop_ms - read[1] * hop_ms
    inside = [row for row in rows if row[0].time_ms >= from_ms]
    if aggregate == "sum":
        return math.fsum(_amount(row) for row in inside)
    return {"min": min, "max": max}[aggregate]([_number(row) for row in inside], default=default)


def _extreme(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    ranked = sorted(_number(row) for row in rows)
    if not ranked:
        return default
    return ranked[0] if params["agg"] == "min" else ranked[-1]


def _edge(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float | str:
    nth = 0 if params["which"] == "first" else -1
    if params["text"]:
        texts = _texts(rows)
        return texts[nth] if texts else ""
    number = _number(rows[nth]) if rows else default
    told_from_never = params["which"] == "first" or params.get("flag", False)
    return number if told_from_never else number or default


def _since(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    return (as_of_ms - max(row[0].time_ms for row in rows)) / read[1] if rows else default


def _last_k(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    newest_first = [_number(row) for row in reversed(rows)][: params["k"]]
    return newest_first[read[1]] if read[1] < len(newest_first) else default


def _moments(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    numbers = [_number(row) for row in rows]
    if read[0] == "mean":
        return statistics.fmean(numbers) if numbers else default
    return float(statistics.pstdev(numbers)) if len(numbers) > 1 else default


def _distinct(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    texts = {part for text in _texts(rows) for part in text.split("\x1f") if part}
    exact: int = params["exact"]
    if len(texts) < exact:
        return len(texts)
    kth = sorted(xxh3_64_intdigest(text.encode()) // 2**11 for text in texts)[exact - 1]
    return max(exact, (exact - 1) / (kth / 2**53))


def _keys(row: Row) -> list[str]:
    return [part for part in (row[2] or "").split("\x1f") if part]


def _by(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> dict[str, float]:
    half_life_ms = params.get("half_life_ms", 0.0)
    kept: dict[str, list[tuple[int, float]]] = defaultdict(list)

    def weight(key: str, now_ms: int) -> float:
        return math.fsum(amount * _decay(now_ms - time_ms, half_life_ms) for time_ms, amount in kept[key])

    for row in rows:
        now_ms = row[0].time_ms
        for key in _keys(row):
            kept[key].append((now_ms, _amount(row)))
            if len(kept) > params.get("cap", 32):
                del kept[min((weight(name, now_ms), name) for name in kept)[1]]
    return {key: weight(key, as_of_ms) for key in kept}


def _by_window(
    params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int
) -> dict[str, float]:
    hop_ms = params["hop_ms"]
    kept: dict[str, list[tuple[int, float]]] = defaultdict(list)

    def inside(key: str, now_ms: int, hops: int) -> list[float]:
        return [amount for time_ms, amount in kept[key] if time_ms // hop_ms >= now_ms // hop_ms - hops]

    for row in rows:
        now_ms = row[0].time_ms
        for key in _keys(row):
            kept[key].append((now_ms, _amount(row)))
            if len(kept) <= params.get("cap", 32):
                continue
            for gone in [name for name in kept if not inside(name, now_ms, params["hops"])]:
                del kept[gone]
            if len(kept) > params.get("cap", 32):
                del kept[min((math.fsum(inside(name, now_ms, params["hops"])), name) for name in kept)[1]]
    sums = {key: math.fsum(inside(key, as_of_ms, read[1])) for key in list(kept)}
    return {key: total for key, total in sums.items() if total}


def _histogram(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    ends = [-math.inf, *params["edges"], math.inf]
    low, high = ends[read[1]], ends[read[1] + 1]
    return math.fsum(row[3] for row in rows if low <= _number(row) < high)


def _local(time_ms: int, params: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, ZoneInfo(params.get("zone", "UTC")))


def _calendar(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    sums: Counter[int] = Counter()
    for row in rows:
        local = _local(row[0].time_ms, params)
        sums[local.hour if params["of"] == "hour" else local.weekday()] += _amount(row)  # type: ignore[assignment]
    return sums[read[1]]


def _streak(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float:
    # A clock that is set back over midnight does not begin the day before again.
    days: set[date] = set(accumulate((_local(row[0].time_ms, params).date() for row in rows), max))
    if not days or _local(as_of_ms, params).date() > max(days) + timedelta(days=1):
        return 0.0
    length = 0
    while max(days) - timedelta(days=length) in days:
        length += 1
    return length


def _changes(params: dict[str, Any], read: list[Any], default: float, rows: list[Row], as_of_ms: int) -> float | str:
    runs = [text for text, _ in groupby(_texts(rows))]
    if read[0] == "text":
        return runs[-1] if runs else ""
    return max(0, len(runs) - 1)


ORACLES: dict[str, Callable[[dict[str, Any], list[Any], float, list[Row], int], Answer]] = {
    "by": _by,
    "by_window": _by_window,
    "calendar": _calendar,
    "changes": _changes,
    "count": _count,
    "distinct": _distinct,
    "edge": _edge,
    "extreme": _extreme,
    "histogram": _histogram,
    "last_k": _last_k,
    "moments": _moments,
    "since": _since,
    "streak": _streak,
    "sum": _count,
    "window": _window,
}
