"""A history of which some events arrive late, and what users' states take of memory after it. No Flink, no Redis."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.state_size import fold
from driftline.jsonlines import parse_event
from driftline.units import HOUR_MS
from jobs.settings import ScoreEventsSettings

ABOVE_MS = HOUR_MS  # by so much the job waits longer than events are late


def late_lines(lines: Iterable[str], *, share: float, by_ms: int, seed: int) -> Iterator[str]:
    """Return the lines in the order in which they arrive, where a share of them does so late.

    Args:
        lines: events in JSON, in order of time.
        share: of the events, 0 to 1, which arrive late.
        by_ms: how much later, in milliseconds of event time, each of those arrives than it happened.
        seed: chooses them.
    """
    rng = random.Random(seed)
    waiting: deque[tuple[int, str]] = deque()  # when each arrives; all wait equally long, so in order
    for line in lines:
        time_ms = int(json.loads(line)["eventTimeMs"])
        while waiting and waiting[0][0] <= time_ms:
            yield waiting.popleft()[1]
        if rng.random() < share:
            waiting.append((time_ms + by_ms, line))
        else:
            yield line
    while waiting:
        yield waiting.popleft()[1]


def delay(in_order: Path, arriving: Path, *, share: float, by_ms: int, seed: int = 5) -> None:
    """Write the events of one file into another in the order in which they arrive; see `late_lines`."""
    with in_order.open(encoding="utf-8") as lines, arriving.open("w", encoding="utf-8") as out:
        out.writelines(late_lines(lines, share=share, by_ms=by_ms, seed=seed))


def settings_for(by_ms: int) -> list[str]:
    """Assignments with which a job calls no event late that comes `by_ms` after it happened."""
    bound_ms = by_ms + ABOVE_MS
    return [f"disorder_ms={bound_ms}", f"dedupe_horizon_ms={bound_ms}"]


def state_sizes(file: Path, assignments: Iterable[str]) -> dict[str, Any]:
    """Bytes of the users' states after the events of a file, by the pure core with a job's settings."""
    given = dict(assignment.split("=", 1) for assignment in assignments)
    settings: ScoreEventsSettings = ScoreEventsSettings.load(**given)
    with file.open("rb") as lines:
        folded = fold(map(parse_event, lines), settings, {})
    sizes = sorted(map(len, folded.states.values()))
    return {
        "users": len(sizes),
        "state_mean": mean(sizes),
        "state_median": median(sizes),
        "state_p99": sizes[int(len(sizes) * 0.99)],
    }
