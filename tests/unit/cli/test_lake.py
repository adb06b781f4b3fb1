"""`driftline lake` as it is typed, over lakes in folders."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.publishing import key_hash
from driftline.errors import InputError, SettingError
from driftline.jsonlines import format_event, parse_event
from history.lake.location import Location
from history.lake.reading import Lake
from tests.builders import HOUR, NOW, T0, message
from tests.lake_files import lake_in, places_of, put, rows_of

SAMPLES = Path(__file__).parents[2] / "samples"
MAPPINGS = Path(__file__).parents[3] / "docs" / "mappings"
EVENTS = [
    message(f"u{at % 5}", at * HOUR, event_id=f"e{at}", category="lamps" if at % 2 else "", value=at / 2)
    for at in range(40)
]


@pytest.fixture(autouse=True)
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTLINE_LAKE_URL", str(tmp_path / "lake"))
    monkeypatch.setattr("console.lake.verify._SETTLED_S", 0.0)
    return lake_in(tmp_path / "lake")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f"{format_event(event)}\n" for event in EVENTS))
    return file


def lake(*arguments: object, stdin: str = "") -> Any:
    return CliRunner().invoke(app, ["lake", *map(str, arguments)], input=stdin)


def good(*arguments: object, stdin: str = "") -> Any:
    done = lake(*arguments, stdin=stdin)
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def rows(query: str, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in good("sql", query, "--json", *options).stdout.splitlines()]


def test_an_import_is_what_publish_would_have_written(events: Path, location: Location) -> None:
    done = good("import", events)
    assert f"imported 40 events into {location.path}" in done.stderr
    reader = Lake(location)
    for partition in range(4):
        expected = [event for event in EVENTS if key_hash(event.user_id.encode()) % 4 == partition]
        found = reader.read(partition, 0, 99).to_pylist()
        assert [row["offset"] for row in found] == list(range(len(expected)))
        assert [row["payload"] for row in found] == [event.SerializeToString() for event in expected]
        assert [row["key"] for row in found] == [event.user_id.encode() for event in expected]
        assert [row["record_time_ms"] for row in found] == [event.event_time_ms for event in expected]
    assert "every offset is there" in good("verify").stdout


def test_an_import_to_json_keeps_lines_as_they_are(
    events: Path, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_EVENTS_FORMAT", "json")
    good("import", events, "--partitions", "1", "--topic", "other")
    found = Lake(lake_in(Path(location.path).parent, "other")).read(0, 0, 99).column("payload").to_pylist()
    assert found == events.read_bytes().splitlines()
    assert parse_event(found[3]).event_id == "e3"
    assert rows("SELECT count(*) AS n FROM events WHERE reason IS NULL", "--topic", "other") == [{"n": 40}]


def test_a_second_import_goes_on_and_repeats_are_noticed(events: Path, tmp_path: Path, location: Location) -> None:
    good("import", events, "--partitions", "3")
    again = lake("import", events)
    assert isinstance(again.exception, InputError)
    assert "imported before: events.jsonl. Nothing was imported. --again" in str(again.exception)
    good("import", events, "--again")
    other = tmp_path / "more.jsonl"
    other.write_text(format_event(message("u9", event_id="new")))
    assert "3 partitions" in good("import", other).stderr
    assert len(places_of(location)) == 81
    assert len(set(places_of(location))) == 81
    assert rows("SELECT count(DISTINCT event_id) AS n FROM events") == [{"n": 41}]


def test_an_import_into_an_archive_is_refused(events: Path, location: Location) -> None:
    put(location, rows_of([(0, 0)]))
    refused = lake("import", events)
    assert isinstance(refused.exception, InputError)
    assert "archived from a topic" in str(refused.exception)
    good("import", events, "--topic", "other")
    good("import", events, "--force")


def test_a_bad_line_leaves_the_lake_as_it_was(events: Path, location: Location) -> None:
    events.write_text(events.read_text() + "no event\n")
    bad = lake("import", events)
    assert isinstance(bad.exception, InputError)
    assert "line 41" in str(bad.exception)
    assert str(bad.exception).endswith("Nothing was imported")
    assert not Path(location.path).exists()
    assert "lines left out because they are no events: 1" in good("import", events, "--skip-bad").stderr


def test_events_that_a_job_rejects_are_imported_and_warned_of(location: Location) -> None:
    future = format_event(message("u1", event_id="later", event_time_ms=4 * NOW))
    done = good("import", "-", stdin=f"{future}\n{format_event(EVENTS[0])}\n")
    assert "a job will reject 1 of them" in done.stderr
    counted = [json.loads(line) for line in good("count", "--by", "reason", "--json").stdout.splitlines()]
    assert {one["reason"]: one["records"] for one in counted} == {None: 1, "INVALID_VALUE": 1}


def test_ls_adds_up_by_date_and_hour(events: Path) -> None:
    good("import", events)
    table = good("ls").stdout.splitlines()
    assert [line.split()[:3] for line in table[1:3]] == [["2026-01-01", "24", "24"], ["2026-01-02", "16", "16"]]
    assert table[3].split()[:4] == ["in", "all", "40", "40"]
    found = json.loads(good("ls", "--hours", "--json", "--since", "2026-01-02").stdout)
    assert [(one["date"], one["hour"], one["rows"]) for one in found] == [
        ("2026-01-02", f"{hour:02}", 1) for hour in range(16)
    ]


def test_sql_answers_in_three_forms(events: Path) -> None:
    good("import", events)
    query = "SELECT user_id, count(*) AS n, max(event_time) AS last FROM events GROUP BY 1 ORDER BY 1 LIMIT 2"
    table = good("sql", query).stdout.splitlines()
    assert table[0].split() == ["user_id", "n", "last"]
    assert table[1].split() == ["u0", "8", "2026-01-02T11:00:00+00:00"]
    assert list(csv.DictReader(io.StringIO(good("sql", "--csv", stdin=query).stdout)))[1] == {
        "user_id": "u1",
        "n": "8",
        "last": "2026-01-02T12:00:00+00:00",
    }
    assert rows(query)[0] == {"user_id": "u0", "n": 8, "last": "2026-01-02T11:00:00+00:00"}


def test_sql_sees_each_row_once_and_all_columns(location: Location) -> None:
    put(location, rows_of([(0, 0), (0, 1)], headers=[("trace", b"x")], properties=[("a", "b")]))
    put(location, rows_of([(0, 1), (1, 1)], key=None), hour=1)
    assert rows("SELECT count(*) AS n FROM events") == [{"n": 3}]
    (row,) = rows('SELECT * FROM events WHERE "offset" = 0')
    assert (row["payload"], row["headers"], row["properties"]) == ("0:0", {"trace": "x"}, {"a": "b"})
    assert (row["event_date"], row["event_hour"], row["record_time"]) == (
        "2026-01-01",
        "00",
        "2026-01-01T00:00:00+00:00",
    )
    assert row["event_time"] is None
    assert good("count").stdout.split() == ["records", "3"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELEC 1", "SQL: Parser Error"),
        ("SELECT nope FROM events", 'SQL: Binder Error: Referenced column "nope" not found'),
        (" ", "no SQL"),
    ],
)
def test_errors_of_sql_are_one_line(location: Location, query: str, says: str) -> None:
    put(location, rows_of([(0, 0)]))
    error = lake("sql", query).exception
    assert isinstance(error, InputError)
    assert says in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ls", "--since", "2026-1-5"),
        ("ls", "--since", "yesterday"),
        ("count", "--since", "2026-01-05", "--until", "2026-01-04"),
        ("sql", "SELECT 1", "--csv", "--json"),
        ("compact", "--older-than", "soon"),
        ("ls", "--lake", "gs://bucket"),
    ],
)
def test_options_that_make_no_sense_are_named(arguments: tuple[str, ...]) -> None:
    error = lake(*arguments).exception
    assert isinstance(error, SettingError)
    assert ("lake_url" if arguments[-1] == "gs://bucket" else "--") in str(error)


@pytest.mark.parametrize("command", ["ls", "count", "verify", "compact"])
def test_no_lake_is_said(command: str) -> None:
    error = lake(command).exception
    assert isinstance(error, InputError)
    assert "driftline lake import" in str(error)


def test_verify_finds_what_is_wrong(location: Location) -> None:
    put(location, rows_of([(0, 0), (0, 1), (0, 4), (1, 7)]))
    put(location, rows_of([(0, 1)]))
    put(location, rows_of([(1, 7)], payload=b"other"))
    damaged = Path(put(location, rows_of([(2, 0)])))
    damaged.write_bytes(damaged.read_bytes()[:-30])
    done = lake("verify")
    assert done.exit_code == 1
    assert f"cannot be read: {damaged}: " in done.stdout
    assert "partition 0: 2 missing: --kafka tells whether they were records (2-3)" in done.stdout
    assert "partition 0: 1 there more than once, the same each time: readers take one (1)" in done.stdout
    assert "partition 1: 1 there more than once, and not the same (7)" in done.stdout
    assert done.stdout.splitlines()[-1] == "the lake is not whole"
    found = json.loads(lake("verify", "--json").stdout)
    assert (found["good"], found["partitions"][0]["unknown"]["spans"]) == (False, [[2, 4]])


def test_verify_reads_every_column_if_asked(location: Location) -> None:
    path = Path(put(location, rows_of([(0, at) for at in range(2_000)])))
    assert "every offset is there" in good("verify", "--deep").stdout
    content = bytearray(path.read_bytes())
    middle = content.index(b"0:") if b"0:" in content else len(content) // 2
    content[middle : middle + 400] = os.urandom(400)
    path.write_bytes(content)
    assert lake("verify", "--deep").exit_code == 1


def test_compact_merges_what_an_import_has_written(events: Path, location: Location) -> None:
    for number in range(3):
        put(location, rows_of([(number, 0), (number, 1)]))
    for path in Path(location.path).rglob("*.parquet"):
        os.utime(path, (T0 / 1_000, T0 / 1_000))
    before = places_of(location)
    assert "would merge 3 files into 1 in 1 folders: 6 rows" in good("compact", "--dry-run").stdout
    assert "merged 3 files into 1 in 1 folders: 6 rows" in good("compact").stdout
    assert places_of(location) == before
    assert "merged 0 files" in good("compact", "--older-than", "1s").stdout
    assert len(Lake(location).files()) == 1


def test_a_lake_of_files_has_no_topic_to_be_compared_with(events: Path) -> None:
    good("import", events)
    error = lake("verify", "--kafka").exception
    assert isinstance(error, InputError)
    assert "was imported from files" in str(error)


def test_an_import_that_is_stopped_leaves_nothing(
    events: Path, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def stopped() -> Iterator[threading.Event]:
        event = threading.Event()
        event.set()
        yield event

    monkeypatch.setattr("console.cli.lake_import.stop_on_signal", stopped)
    done = lake("import", events)
    assert (done.exit_code, done.stderr) == (1, "stopped before the end: nothing was imported\n")
    assert not Path(location.path).exists()


def test_csv_is_imported_by_a_mapping(location: Location) -> None:
    done = good("import", SAMPLES / "online-retail.csv", "--mapping", MAPPINGS / "online-retail.toml")
    (count,) = rows("SELECT count(*) AS n, count(DISTINCT user_id) AS users, count(reason) AS bad FROM events")
    assert f"imported {count['n']} events" in done.stderr
    assert count["n"] == len(places_of(location)) > count["users"] > 0
    assert count["bad"] == 0
