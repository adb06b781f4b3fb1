"""SQL over a lake whose files change while it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.lake.sql import LakeSql
from driftline.errors import InputError
from driftline.units import HOUR_MS, wall_clock_ms
from history.lake.compacting import CompactionBounds, carry_out, finish, planned
from history.lake.location import Location
from history.lake.reading import Lake
from tests.lake_files import lake_in, put, rows_of


def compact(location: Location) -> None:
    bounds, now_ms = CompactionBounds(older_than_ms=0), wall_clock_ms() + HOUR_MS
    for merge in planned(finish(location, bounds, now_ms), bounds, now_ms):
        carry_out(location, merge)


def answer(asked: LakeSql, query: str) -> list[dict[str, Any]]:
    return [row for batch in asked.answer(query).batches for row in batch.to_pylist()]


def test_files_that_a_compaction_has_replaced_are_not_missed(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    for offset in range(4):
        put(location, rows_of([(0, offset)]))
    with LakeSql(Lake(location)) as asked:
        assert answer(asked, "SELECT count(*) AS n FROM events") == [{"n": 4}]
        compact(location)
        assert answer(asked, "SELECT count(*) AS n, max(payload) AS last FROM events") == [{"n": 4, "last": b"0:3"}]
        put(location, rows_of([(0, 4)]))  # it was opened before
        assert answer(asked, "SELECT count(*) AS n FROM events") == [{"n": 4}]


def test_a_damaged_file_is_an_error_in_one_line(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    put(location, rows_of([(0, 0)]))
    path = Path(put(location, rows_of([(0, 1)])))
    with LakeSql(Lake(location)) as asked:
        content = path.read_bytes()
        path.write_bytes(content[:10] + bytes(len(content) - 20) + content[-10:])
        with pytest.raises(InputError, match="lake verify") as refused:
            answer(asked, "SELECT sum(octet_length(payload)) FROM events")
        assert "\n" not in str(refused.value)


def test_many_rows_come_in_batches_in_their_order(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    put(location, rows_of([(0, offset) for offset in range(25_000)]))
    with LakeSql(Lake(location)) as asked:
        found = asked.answer('SELECT "offset" FROM events ORDER BY 1')
        sizes = []
        offsets = []
        for batch in found.batches:
            sizes.append(batch.num_rows)
            offsets += batch.column(0).to_pylist()
    assert offsets == list(range(25_000))
    assert len(sizes) > 1
