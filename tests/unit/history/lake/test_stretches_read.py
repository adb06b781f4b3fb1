"""A stretch is read from the files that may have rows of it, in pieces where it is large."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from history.lake.layout import schema_of
from history.lake.location import locate
from history.lake.reading import Lake
from history.lake.writing import write_file
from tests.builders import HOUR, T0

PAYLOAD = b"x" * 100


def file_of(folder: Path, hour: int, rows: list[tuple[int, int]]) -> None:
    """A file of rows (partition, offset)."""
    records = [
        {"partition": partition, "offset": offset, "record_time_ms": T0 + hour * HOUR + offset, "payload": PAYLOAD}
        for partition, offset in rows
    ]
    write_file(pa.Table.from_pylist(records, schema_of()), locate(str(folder)).below("events", f"event_hour={hour}"))


@settings(deadline=None, max_examples=30)
@given(places=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=60))
def test_a_stretch_has_its_rows_whatever_files_they_are_in(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("lake")
    for hour in {place[2] for place in places}:
        file_of(folder, hour, [place[:2] for place in places if place[2] == hour])
    lake = Lake(locate(str(folder)).below("events"))
    for partition, begin, end in ((0, 0, 41), (1, 10, 20), (2, 40, 41), (7, 0, 41)):
        expected = sorted({at for part, at, _ in places if part == partition and begin <= at < end})
        assert lake.read(partition, begin, end).column("offset").to_pylist() == expected


def test_a_stretch_is_read_in_pieces_of_so_many_bytes(tmp_path: Path) -> None:
    file_of(tmp_path, 0, [(0, offset) for offset in range(1_000)])
    lake = Lake(locate(str(tmp_path)).below("events"))
    assert lake.pieces(0, 0, 1_000, 10**9) == [(0, 1_000)]
    pieces = lake.pieces(0, 100, 1_000, 3_000)
    assert (pieces[0][0], pieces[-1][1]) == (100, 1_000)
    assert all(before[1] == after[0] for before, after in pairwise(pieces))
    assert sum(lake.read(0, *piece).num_rows for piece in pieces) == 900
    assert lake.pieces(5, 0, 10, 1) == [(0, 10)]  # of another partition there is nothing
