"""What a reader sees of a lake: each offset once, stretches on a grid, dates, columns that only some files have."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.errors import InputError
from history.lake.files import REPLACES
from history.lake.layout import schema_of
from history.lake.location import Location
from history.lake.reading import STRETCH_OFFSETS, Lake, Stretch, each_once
from tests.builders import T0
from tests.lake_files import lake_in, places_of, put, rows_of


def replacing(paths: list[str]) -> dict[str, str]:
    return {REPLACES: json.dumps([Path(path).name for path in paths])}


def test_rows_of_a_partition_come_by_offset_each_once(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    put(location, rows_of([(0, 5), (0, 1), (1, 3)]))
    put(location, rows_of([(0, 3), (0, 5), (0, 7)]), hour=1)
    table = Lake(location).read(0, 1, 7)
    assert table.column("offset").to_pylist() == [1, 3, 5]
    assert table.column("payload").to_pylist() == [b"0:1", b"0:3", b"0:5"]
    assert "user_id" not in table.column_names


@given(st.lists(st.integers(0, 30), max_size=60))
def test_each_once(offsets: list[int]) -> None:
    table = pa.table({"offset": pa.array(offsets, pa.int64())})
    assert each_once(table).column("offset").to_pylist() == sorted(set(offsets))


def test_stretches_are_on_a_grid_and_joined_over_files(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    put(location, rows_of([(0, 0), (0, 2), (0, STRETCH_OFFSETS), (2, 7)]))
    put(location, rows_of([(0, 1), (0, 2), (0, 9)]), hour=3)
    ms = T0
    assert Lake(location).stretches() == [
        Stretch(0, 0, 10, 5, ms, ms + 9_000),
        Stretch(0, STRETCH_OFFSETS, STRETCH_OFFSETS + 1, 1, ms + 20_000_000, ms + 20_000_000),
        Stretch(2, 7, 8, 1, ms + 7_000, ms + 7_000),
    ]


def test_dates_leave_files_out(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    for day in range(3):
        put(location, rows_of([(0, day)]), hour=24 * day)
    assert Lake(location, since="2026-01-02").read(0, 0, 9).num_rows == 2
    assert Lake(location, until="2026-01-01").read(0, 0, 9).column("offset").to_pylist() == [0]
    assert len(Lake(location, "2026-01-02", "2026-01-02").files()) == 1
    with pytest.raises(InputError, match="2026-02-01"):
        Lake(location, since="2026-02-01")


def test_a_column_that_a_file_lacks_is_null_there(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    put(location, rows_of([(0, 0)]))
    schema = schema_of({"length": "number"})
    newer = rows_of([(0, 1)]).append_column("field_length", pa.array([2.5])).cast(schema)
    put(location, newer, hour=1)
    lake = Lake(location)
    assert lake.read(0, 0, 2, ["offset", "field_length"]).to_pylist() == [
        {"offset": 0, "field_length": None},
        {"offset": 1, "field_length": 2.5},
    ]
    assert {"event_date", "event_hour", "field_length"} <= set(lake.schema().names)


def test_files_that_are_being_written_are_not_read(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    path = Path(put(location, rows_of([(0, 0)])))
    for name in (".part-0.inprogress.1", "_SUCCESS", "_temporary/0/part-0"):
        other = path.parent / name
        other.parent.mkdir(exist_ok=True, parents=True)
        other.write_bytes(b"not yet")
    (path.parent / "empty.parquet").touch()
    assert Lake(location).files() == [str(path)]


def test_a_file_that_names_others_is_read_instead_of_them(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    old = [put(location, rows_of([(0, offset)])) for offset in range(3)]
    new = put(location, rows_of([(0, 0), (0, 1)]), metadata=replacing(old[:2]))
    assert sorted(Lake(location).files()) == sorted([old[2], new])
    assert places_of(location) == [(0, 0), (0, 1), (0, 2)]


def test_a_lake_that_is_open_outlives_a_compaction(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    old = [put(location, rows_of([(0, offset)])) for offset in range(3)]
    lake = Lake(location)
    put(location, rows_of([(0, offset) for offset in range(3)]), metadata=replacing(old))
    for path in old:
        Path(path).unlink()
    assert lake.read(0, 0, 3).column("offset").to_pylist() == [0, 1, 2]
    assert sum(stretch.rows for stretch in Lake(location).stretches()) == 3


def test_a_scan_goes_on_when_files_are_replaced_meanwhile(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    old = [put(location, rows_of([(0, offset)])) for offset in range(3)]
    lake = Lake(location)
    put(location, rows_of([(0, offset) for offset in range(3)]), metadata=replacing(old))
    for path in old:
        Path(path).unlink()
    assert {offset for batch in lake.scan(["offset"]) for offset in batch.column(0).to_pylist()} == {0, 1, 2}


def test_no_lake_and_no_lake_s_files_are_errors(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    with pytest.raises(InputError, match="driftline lake import"):
        Lake(location)
    put(location, pa.table({"partition": pa.array([0]), "offset": pa.array([0])}))
    with pytest.raises(InputError, match="have no column"):
        Lake(location)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    path = Path(put(location, rows_of([(0, 0)])))
    (path.parent / "damaged.parquet").write_bytes(b"PAR1 nothing else")
    with pytest.raises(InputError, match="lake verify"):
        Lake(location)


def test_contents_say_rows_and_folders(tmp_path: Path) -> None:
    location: Location = lake_in(tmp_path)
    put(location, rows_of([(0, 0), (0, 1)]), hour=25)
    ((file, footer),) = Lake(location).contents()
    assert (file.date, file.hour, footer.rows, footer.imported) == ("2026-01-02", "01", 2, None)
    assert file.size_bytes == Path(file.path).stat().st_size


def test_files_of_other_writers_go_together(tmp_path: Path) -> None:
    """Flink's columns may all be null, and stand in an order of their own."""
    location = lake_in(tmp_path)
    put(location, rows_of([(0, 0)]))
    rows = rows_of([(0, 1)], headers=[("a", b"b")])
    columns = [field.with_nullable(True) for field in reversed(list(rows.schema))]
    foreign = pa.table([rows.column(field.name) for field in columns], schema=pa.schema(columns))
    put(location, foreign)
    assert Lake(location).read(0, 0, 9, ["partition", "headers"]).to_pylist() == [
        {"partition": 0, "headers": []},
        {"partition": 0, "headers": [("a", b"b")]},
    ]
