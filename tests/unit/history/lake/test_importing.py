"""Imports: all or nothing for a reader, whatever happens; offsets go on; files are filed by event date."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftline.units import DAY_MS, wall_clock_ms
from history.lake import importing as importing_module
from history.lake.files import COMMITTED, STAGED, staged_folders
from history.lake.importing import Import, finish_imports, lake_end
from history.lake.location import Location
from history.lake.reading import Lake
from history.lake.typed import Typer
from jobs.pipeline import decoder_of
from tests.builders import DAY, HOUR, NOW, T0, job_settings, message
from tests.lake_files import lake_in, places_of, put, rows_of
from tests.watched_files import Crash, CrashAt, watched_files

HOURS = (0, 1, 25, 1)


def begin(location: Location, next_offsets: dict[int, int] | None = None) -> Import:
    typer = Typer(decoder_of(job_settings()))
    return Import(location, typer, next_offsets or {}, {"digest": "events.jsonl"}, NOW)


def fill(importing: Import) -> None:
    """An event at each of the hours; users u0 and u1 take turns, and so do the partitions."""
    for at, hour in enumerate(HOURS):
        event = message(f"u{at % 2}", hour * HOUR + at, event_id=f"e{at}")
        importing.add(at % 2, event.user_id.encode(), event.SerializeToString(), event.event_time_ms)


def test_records_are_filed_by_event_time_with_typed_columns(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    importing = begin(location)
    fill(importing)
    importing.add(0, b"u0", b"no event", T0 + DAY)
    importing.commit()
    assert (importing.rows, importing.no_events, importing.files) == (5, 1, 4)
    assert places_of(location) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    columns = ["offset", "key", "payload", "headers", "record_time_ms", "user_id", "event_time_ms", "reason"]
    rows = Lake(location).read(0, 0, 9, [*columns, "event_date", "event_hour"]).to_pylist()
    first = message("u0", 0, event_id="e0")
    assert rows[0] == {
        "offset": 0,
        "key": b"u0",
        "payload": first.SerializeToString(),
        "headers": [],
        "record_time_ms": T0,
        "user_id": "u0",
        "event_time_ms": T0,
        "reason": None,
        "event_date": "2026-01-01",
        "event_hour": "00",
    }
    assert [(row["event_date"], row["event_hour"]) for row in rows[1:]] == [("2026-01-02", "01"), ("2026-01-02", "00")]
    assert (rows[2]["user_id"], rows[2]["event_time_ms"]) == (None, None)
    assert rows[2]["reason"]


def test_offsets_go_on_and_what_was_imported_is_known(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    for _ in range(2):
        end = lake_end(location)
        importing = begin(location, end.next_offsets)
        fill(importing)
        importing.commit()
    assert places_of(location) == [(number, offset) for number in (0, 1) for offset in range(4)]
    end = lake_end(location)
    assert (end.next_offsets, end.imported, end.archived) == ({0: 4, 1: 4}, {"digest": "events.jsonl"}, "")
    path = put(location, rows_of([(2, 10)]))
    assert lake_end(location).archived == path
    assert lake_end(location).next_offsets == {0: 4, 1: 4, 2: 11}


def test_nothing_is_seen_before_the_end_and_discarding_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing_module, "_RECORDS_A_TABLE", 2)
    monkeypatch.setattr(importing_module, "_BUFFERED_BYTES_MAX", 1)
    location = lake_in(tmp_path)
    put(location, rows_of([(5, 0)]))
    importing = begin(location)
    fill(importing)
    assert importing.files
    assert places_of(location) == [(5, 0)]
    importing.discard()
    assert staged_folders(location) == {}
    assert places_of(location) == [(5, 0)]


def test_a_crash_at_any_step_leaves_all_or_nothing(tmp_path: Path) -> None:
    every = [(0, 0), (0, 1), (1, 0), (1, 1), (5, 0)]
    probe, seen = CrashAt(1_000), set()
    fill(counted := begin(Location(watched_files(probe), str(tmp_path / "probe"))))
    counted.commit()
    assert probe.steps > 10
    for step in range(probe.steps):
        location = lake_in(tmp_path / str(step))
        put(location, rows_of([(5, 0)]))
        importing = begin(Location(watched_files(CrashAt(step)), location.path))
        fill(importing)
        with pytest.raises(Crash):
            importing.commit()
        found = places_of(location)
        assert found in ([(5, 0)], every)
        finish_imports(location, wall_clock_ms())
        assert places_of(location) == found
        finish_imports(location, wall_clock_ms() + 2 * DAY_MS)
        assert places_of(location) == found
        assert staged_folders(location) == {}
        seen.add(len(found))
    assert seen == {1, 5}


def test_an_import_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    put(location.below(f"{STAGED}other"), rows_of([(0, 0)]))
    finish_imports(location, wall_clock_ms())
    assert not staged_folders(location)[f"{STAGED}other"].committed
    (Path(location.path) / f"{STAGED}other" / COMMITTED).write_text("{}")
    assert places_of(location) == [(0, 0)]
    finish_imports(location, wall_clock_ms())
    assert places_of(location) == [(0, 0)]
    assert STAGED not in Lake(location).files()[0]


def test_an_import_of_nothing_leaves_nothing(tmp_path: Path) -> None:
    location = lake_in(tmp_path)
    begin(location).commit()
    assert list(tmp_path.iterdir()) == []
