"""Compactions: what is merged, and that a crash at any step, or a reader at any moment, sees each row once."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.units import HOUR_MS, wall_clock_ms
from history.lake.compacting import CompactionBounds, carry_out, finish, planned
from history.lake.files import IMPORTED, current_files
from history.lake.location import Location
from history.lake.reading import Lake
from tests.lake_files import Place, lake_in, places_of, put, rows_of
from tests.watched_files import Crash, CrashAt, watched_files

NOW_MS = wall_clock_ms() + HOUR_MS
BOUNDS = CompactionBounds(older_than_ms=0)
FILES = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), min_size=1, max_size=7)  # hour, and how many rows


def compact(location: Location, bounds: CompactionBounds = BOUNDS) -> int:
    """A whole run; returns how many merges there were."""
    merges = planned(finish(location, bounds, NOW_MS), bounds, NOW_MS)
    for merge in merges:
        carry_out(location, merge)
    return len(merges)


def fill(location: Location, files: list[tuple[int, int]], offset: int = 0) -> list[Place]:
    """Write files with rows of two partitions in turns; returns their places."""
    places: list[Place] = []
    for hour, count in files:
        some = [((offset + at) % 2, offset + at) for at in range(count)]
        put(location, rows_of(some), hour=hour)
        places += some
        offset += count
    return sorted(places)


def test_files_of_a_folder_become_one_in_order(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    places = fill(location, [(0, 3), (0, 2), (1, 2), (1, 1), (2, 1)])
    assert compact(location) == 2
    files = Lake(location).files()
    assert len(files) == 3
    for path in files:
        rows = pq.ParquetFile(path).read(["partition", "offset"]).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["partition"], row["offset"]))
    assert places_of(location) == places
    assert compact(location) == 0


@settings(max_examples=15)
@given(FILES, FILES, st.lists(st.integers(0, 40), max_size=3))
def test_a_crash_at_any_step_leaves_each_row_once(
    files: list[tuple[int, int]], later: list[tuple[int, int]], crashes: list[int]
) -> None:
    """Runs that crash, one after the other, with files that are archived in between, and then one that does not."""
    with tempfile.TemporaryDirectory() as folder:
        location = lake_in(Path(folder))
        places = fill(location, files)
        for number, step in enumerate(crashes):
            with suppress(Crash):
                compact(Location(watched_files(CrashAt(step)), location.path))
            assert places_of(location) == sorted(places)
            places += fill(location, later, offset=1_000 * (number + 1))
            assert places_of(location) == sorted(places)
        compact(location)
        assert places_of(location) == sorted(places)
        assert len(Lake(location).files()) <= len({hour for hour, _ in files + later})
        assert [path for path in Path(location.path).rglob("*") if path.is_file() and path.name[0] in "._"] == []


@settings(max_examples=8)
@given(FILES)
def test_a_reader_at_any_moment_sees_each_row_once(files: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        location = lake_in(Path(folder))
        places = fill(location, files)
        opened = [Lake(location)]  # and one more at each step: they go on reading what they have opened

        def look(_what: str) -> None:
            assert places_of(location) == places
            opened.append(Lake(location))
            for lake in opened:
                found = [(number, one) for number in (0, 1) for one in lake.read(number, 0, 99).column(1).to_pylist()]
                assert [(number, place) for number, place in found] == sorted(found)
                assert len(found) == len(places)

        compact(Location(watched_files(look), location.path))
        look("end")


def test_each_crash_point_of_one_merge(tmp_path: Path) -> None:
    """All of them, rather than some that are drawn."""
    probe = CrashAt(1_000)
    first = lake_in(tmp_path / "probe")
    fill(first, [(0, 2), (0, 1), (0, 1)])
    compact(Location(watched_files(probe), first.path))
    assert probe.steps >= 6  # two of the write, a move, three deletions
    for step in range(probe.steps):
        location = lake_in(tmp_path / str(step))
        places = fill(location, [(0, 2), (0, 1), (0, 1)])
        with pytest.raises(Crash):
            compact(Location(watched_files(CrashAt(step)), location.path))
        assert places_of(location) == places
        compact(location)
        assert places_of(location) == places
        assert len(Lake(location).files()) == 1


def test_young_and_large_files_stay(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    fill(location, [(0, 1), (0, 1)])
    files = current_files(location)
    written_ms = max(file.modified_ms for file, _ in files)
    assert planned(files, CompactionBounds(older_than_ms=1_000), written_ms + 500) == []
    assert len(planned(files, CompactionBounds(older_than_ms=1_000), written_ms + 1_000)) == 1
    assert planned(files, CompactionBounds(older_than_ms=0, file_bytes_max=files[0][0].size_bytes), NOW_MS) == []


def test_a_merge_is_as_large_as_is_said(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    places = fill(location, [(0, 1)] * 7)
    size_bytes = max(file.size_bytes for file, _ in current_files(location))
    assert compact(location, CompactionBounds(older_than_ms=0, file_bytes_max=3 * size_bytes + 10)) == 2
    assert len(Lake(location).files()) == 3
    assert places_of(location) == places


def test_copies_become_one_row_and_contradictions_stay(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    for payload in (b"", b"another", b"", b"another"):
        put(location, rows_of([(0, 1)], payload=payload))
    put(location, rows_of([(0, 2)]))
    compact(location)
    assert places_of(location) == [(0, 1), (0, 1), (0, 2)]


def test_columns_that_only_some_files_have_stay(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    put(location, rows_of([(0, 0)]).drop_columns(["reason"]))
    put(location, rows_of([(0, 1)], reason="MALFORMED", headers=[("trace", b"x")]))
    compact(location)
    assert Lake(location).read(0, 0, 9, ["reason", "headers"]).to_pylist() == [
        {"reason": None, "headers": []},
        {"reason": "MALFORMED", "headers": [("trace", b"x")]},
    ]


def test_a_merge_of_imports_is_one(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    for at, name in enumerate("ab"):
        put(location, rows_of([(0, at)]), metadata={IMPORTED: json.dumps({name: f"{name}.jsonl"})})
    compact(location)
    ((_, footer),) = current_files(location)
    assert footer.imported == {"a": "a.jsonl", "b": "b.jsonl"}
    put(location, rows_of([(0, 9)]))
    compact(location)
    ((_, footer),) = current_files(location)
    assert footer.imported is None
