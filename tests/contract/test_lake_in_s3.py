"""The lake's commands against a real server that speaks S3: the same as in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest
from typer.testing import CliRunner

from console.cli import app
from driftline.errors import ServiceUnavailable
from driftline.jsonlines import format_event
from driftline.units import wall_clock_ms
from history.lake.checking import keep_no_records, read_no_records
from history.lake.compacting import CompactionBounds, carry_out, finish, planned
from history.lake.coverage import OffsetSet, Span
from history.lake.files import STAGED, staged_folders
from history.lake.importing import Import, finish_imports
from history.lake.reading import Lake
from history.lake.typed import Typer
from jobs.pipeline import decoder_of
from tests.builders import HOUR, NOW, job_settings, message
from tests.lake_files import places_of, put, rows_of
from tests.s3_server import S3Server, require_s3_server

ANY_AGE = CompactionBounds(older_than_ms=0)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    require_s3_server()
    with S3Server() as running:
        yield running


@pytest.fixture
def url(server: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A lake of the test's own."""
    own = f"{server.url}/{request.node.name}"
    monkeypatch.setenv("DRIFTLINE_LAKE_URL", own)
    monkeypatch.setenv("DRIFTLINE_S3_ENDPOINT", server.endpoint)
    return own


def lake(*arguments: object, exit_code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["lake", *map(str, arguments)])
    assert done.exit_code == exit_code, (done.output, done.exception)
    return done


def test_every_command_works_on_a_bucket(server: S3Server, url: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    events = [message(f"u{at % 3}", at * HOUR // 4, event_id=f"e{at}") for at in range(50)]
    file.write_text("".join(f"{format_event(event)}\n" for event in events))
    assert "imported 50 events" in lake("import", file).stderr
    more = tmp_path / "more.jsonl"
    more.write_text(format_event(message("u1", event_id="one more")))
    lake("import", more)
    location = server.location(f"{url.removeprefix(server.url + '/')}/events")
    assert staged_folders(location) == {}
    assert sum(part["rows"] for part in json.loads(lake("ls", "--json").stdout)) == 51
    assert lake("count").stdout.split() == ["records", "51"]
    assert json.loads(lake("sql", "--json", "SELECT count(DISTINCT event_id) AS n FROM events").stdout) == {"n": 51}
    assert "every offset is there" in lake("verify").stdout
    before = places_of(location)
    late_ms = wall_clock_ms() + HOUR
    merges = planned(finish(location, ANY_AGE, late_ms), ANY_AGE, late_ms)
    assert len(merges) == 1
    carry_out(location, merges[0])
    assert places_of(location) == before
    assert "every offset is there" in lake("verify", "--deep").stdout


def test_a_reader_that_was_there_before_a_compaction_goes_on(server: S3Server, url: str) -> None:
    location = server.location(f"{url.removeprefix(server.url + '/')}/events")
    for offset in range(5):
        put(location, rows_of([(0, offset)]))
    opened, scanned = Lake(location), Lake(location)
    late_ms = wall_clock_ms() + HOUR
    for merge in planned(finish(location, ANY_AGE, late_ms), ANY_AGE, late_ms):
        carry_out(location, merge)
    assert opened.read(0, 0, 9).column("offset").to_pylist() == [0, 1, 2, 3, 4]
    assert {one for batch in scanned.scan(["offset"]) for one in batch.column(0).to_pylist()} == {0, 1, 2, 3, 4}
    assert len(Lake(location).files()) == 1


def test_an_import_that_crashes_while_it_is_moved_is_finished(
    server: S3Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = server.location(f"{url.removeprefix(server.url + '/')}/events")
    importing = Import(location, Typer(decoder_of(job_settings())), {}, {}, NOW)
    for at in range(3):
        event = message("u1", at * HOUR, event_id=f"e{at}")
        importing.add(0, b"u1", event.SerializeToString(), event.event_time_ms)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr("history.lake.importing._move_into_place", crash)
        importing.commit()
    assert [folder.committed for folder in staged_folders(location).values()] == [True]
    assert places_of(location) == [(0, 0), (0, 1), (0, 2)]
    finish_imports(location, NOW)
    assert staged_folders(location) == {}
    assert places_of(location) == [(0, 0), (0, 1), (0, 2)]
    assert all(STAGED not in path for path in Lake(location).files())


def test_what_is_no_record_is_kept_in_the_bucket(server: S3Server, url: str) -> None:
    location = server.location(f"{url.removeprefix(server.url + '/')}/events")
    assert read_no_records(location) == {}
    keep_no_records(location, {3: OffsetSet([Span(5, 7), Span(9, 10)])})
    assert list(read_no_records(location)[3].spans()) == [(5, 7), (9, 10)]


def test_a_bucket_that_is_not_there_and_a_server_that_is_not_are_said(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert url
    gone = lake("ls", "--lake", "s3://no-such-bucket/x", exit_code=1).exception
    assert "no-such-bucket" in str(gone)
    monkeypatch.setenv("DRIFTLINE_S3_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    silent = lake("ls", exit_code=1).exception
    assert isinstance(silent, ServiceUnavailable)
    assert "DRIFTLINE_S3_ENDPOINT" in str(silent)
    assert "\n" not in str(silent)


def test_large_files_are_written_in_parts(server: S3Server, url: str) -> None:
    """More than the 5 MiB of a part: a multipart upload, which is what Flink does, too."""
    location = server.location(f"{url.removeprefix(server.url + '/')}/events")
    size_bytes = 12 * 1024 * 1024
    with location.files.open_output_stream(f"{location.path}/large") as sink:
        for _ in range(12):
            sink.write(b"x" * (size_bytes // 12))
        info = location.files.get_file_info(f"{location.path}/large")
        assert info.type == pafs.FileType.NotFound  # an object is there when it is complete
    assert location.files.get_file_info(f"{location.path}/large").size == size_bytes
