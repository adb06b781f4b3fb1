"""Verifying a lake that a job writes meanwhile: what a checkpoint makes visible file by file is no gap."""

from __future__ import annotations

from pathlib import Path

from console.lake.verify import settled
from driftline.units import HOUR_MS, wall_clock_ms
from history.lake.coverage import Span
from tests.lake_files import lake_in, put, rows_of


def spans(folder: Path, waits: list[float], *, later_ms: int = 0, then: list[tuple[int, int]]) -> list[Span]:
    """What is seen of partition 0 of a lake that has offsets 0, 1 and 4, and other rows a moment later."""
    location = lake_in(folder)
    put(location, rows_of([(0, 0), (0, 1), (0, 4)]))

    def wait(seconds: float) -> None:
        waits.append(seconds)
        put(location, rows_of(then), hour=1)

    found = settled(
        location, deep=False, report=lambda text: None, now_ms=lambda: wall_clock_ms() + later_ms, wait=wait
    )
    return list(found.coverages[0].seen.spans())


def test_a_gap_that_is_being_filled_is_none(tmp_path: Path) -> None:
    waits: list[float] = []
    # Of the checkpoint after that, 7 is there and 5 and 6 are not: they are not asked for.
    assert spans(tmp_path, waits, then=[(0, 2), (0, 3), (0, 7), (1, 0)]) == [(0, 5)]
    assert len(waits) == 1


def test_a_gap_that_stays_is_one(tmp_path: Path) -> None:
    assert spans(tmp_path, [], then=[(0, 3)]) == [(0, 2), (3, 5)]


def test_nobody_waits_for_a_lake_that_nobody_writes(tmp_path: Path) -> None:
    waits: list[float] = []
    assert spans(tmp_path, waits, later_ms=HOUR_MS, then=[(0, 2)]) == [(0, 2), (4, 5)]
    assert waits == []
