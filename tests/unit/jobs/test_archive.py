"""archive-events: what its operator makes of a block, its settings, and where it begins."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyflink.common import Row

from console.settings import StackSettings
from console.submission import job_settings
from driftline.errors import InputError, SettingError
from history.lake.files import IMPORTED
from history.lake.layout import RAW, schema_of
from history.lake.location import locate
from history.lake.typed import Record, declared_kinds
from history.lake.writing import write_file
from jobs.archive_settings import ArchiveEventsSettings
from jobs.archive_start import behind_lake, require_endpoint
from jobs.bundle import input_bundle_of
from jobs.operators.archive_blocks import ArchiveBlocks, typer_of
from jobs.plans import plan_for
from tests.builders import MINUTE, NOW, T0, message
from tests.builders import job_settings as score_settings
from tests.fake_flink import FakeRuntimeContext, KeyedBackend

DECLARED = "project: {name: p}\nevents: {listen: {fields: {genre: {type: string}}}}\nfeatures: {views: {count: VIEW}}\n"


def settings(**given: Any) -> ArchiveEventsSettings:
    loaded: ArchiveEventsSettings = ArchiveEventsSettings.load(**given)
    return loaded


class Task:
    """The operator as a task has it: pickled where it was submitted, and opened."""

    def __init__(self, **given: Any) -> None:
        made = settings(**given)
        sent = pickle.dumps(ArchiveBlocks(made, input_bundle_of(made)))
        self.operator: ArchiveBlocks = pickle.loads(sent)  # noqa: S301  (our own)
        self.counts: Counter[str] = Counter()
        self.operator.open(FakeRuntimeContext(KeyedBackend(), self.counts))

    def columns(self, records: list[Record]) -> dict[str, Any]:
        """What a block of records becomes."""
        block = Row(*([getattr(record, name) for record in records] for name in RAW.names))
        (row,) = self.operator.process_element(block, None)
        return dict(zip([*RAW.names, *self.operator._typer.names], row, strict=True))


def test_the_raw_columns_pass_and_typed_ones_that_are_null_take_nothing() -> None:
    sent = message(item_id="sku")
    records = [
        Record(1, 7, T0 + 1, b"u1", sent.SerializeToString(), {"h": b"\x00"}),
        Record(2, 9, T0 + 2, None, None, {}),
    ]
    task = Task()
    found = task.columns(records)
    assert [found[name] for name in RAW.names] == [[getattr(one, name) for one in records] for name in RAW.names]
    assert found["user_id"] == ["u1", None]
    assert found["item_id"] == ["sku", None]
    assert found["reason"] == [None, "UNDECODABLE"]
    assert found["category"] == found["properties"] == []
    assert task.counts == {"records_archived": 2, "records_no_event": 1}


def test_a_window_that_fired_twice_is_nothing() -> None:
    task = Task()
    assert task.operator.process_element(Row(*[None] * len(RAW.names)), None) == []
    assert not task.counts


def test_declared_fields_are_columns_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "p.yaml").write_text(DECLARED)
    task = Task(declarations=tmp_path / "p")
    (tmp_path / "p" / "p.yaml").unlink()  # no task sees it
    sent = message(type=8, name="listen", properties={"genre": "jazz"})
    found = task.columns([Record(0, 0, T0, b"u1", sent.SerializeToString(), {})])
    assert found["field_genre"] == ["jazz"]
    kinds = declared_kinds(plan_for(score_settings()).data["events"]) | {"genre": "text"}
    assert list(found) == schema_of(kinds).names


def test_what_is_an_event_is_what_score_events_takes_for_one() -> None:
    shared = {"clock_skew_ms_max": MINUTE, "refused_ids": "u1", "event_bytes_max": 1_024}
    ours = typer_of(settings(**shared), input_bundle_of(settings(**shared)))
    for sent, at_ms in ((message(), T0), (message("u2"), T0), (message("u2"), T0 - 2 * MINUTE)):
        row = ours.row(sent.user_id.encode(), sent.SerializeToString(), at_ms, NOW)
        reason = row[ours.names.index("reason")]
        assert reason == ("REFUSED_ID" if sent.user_id == "u1" else "CLOCK_SKEW" if at_ms < T0 else None)


def test_the_stack_says_where_the_lake_is(tmp_path: Path) -> None:
    stack: StackSettings = StackSettings.load(home=tmp_path / "home", events_format="json")
    given = job_settings("archive-events", stack, {})
    assert isinstance(given, ArchiveEventsSettings)
    assert given.lake_url == str(tmp_path / "home" / "lake")
    assert given.events_format == "json"
    on_s3: StackSettings = StackSettings.load(lake_url="s3://b/lake", s3_endpoint="http://s3.example:9000")
    elsewhere = job_settings("archive-events", on_s3, {})
    assert isinstance(elsewhere, ArchiveEventsSettings)
    assert (elsewhere.lake_url, elsewhere.s3_endpoint) == ("s3://b/lake", "http://s3.example:9000")


def test_a_folder_is_that_of_where_it_is_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings(lake_url="lake").lake_url == str(tmp_path / "lake")
    assert settings(lake_url="s3://b/x").lake_url == "s3://b/x"
    with pytest.raises(SettingError, match="checkpoint_s"):
        settings(checkpoint_s=0)


def test_a_cluster_of_another_server_is_named() -> None:
    there = {"lake_url": "s3://b/x", "s3_endpoint": "http://mine:9000"}
    with pytest.raises(SettingError, match=r"is not the cluster's s3\.endpoint, which is not set; set that in Flink's"):
        require_endpoint({}, settings(**there))
    with pytest.raises(SettingError, match="which is http://other:9000"):
        require_endpoint({"s3.endpoint": "http://other:9000"}, settings(**there))
    require_endpoint({"s3.endpoint": "http://mine:9000"}, settings(**there))
    require_endpoint({"s3.endpoint": "http://other:9000"}, settings(lake_url="s3://b/x"))
    require_endpoint({}, settings(lake_url="/lake", s3_endpoint="http://mine:9000"))


def test_a_job_from_nothing_begins_behind_what_the_lake_has(tmp_path: Path) -> None:
    given = settings(lake_url=str(tmp_path), events_topic="shop.events")
    assert behind_lake(given) == {}
    folder = locate(str(tmp_path)).below("shop.events", "event_date=2026-01-01", "event_hour=00")
    typer = typer_of(given, input_bundle_of(given))
    write_file(typer.table([Record(0, 4, T0, None, b"", {}), Record(2, 1, T0, None, b"", {})], NOW), folder)
    assert behind_lake(given) == {0: 5, 2: 2}
    table = typer.table([Record(0, 5, T0, None, b"", {})], NOW)
    write_file(table, folder, {IMPORTED: '{"0": "old.jsonl"}'})
    with pytest.raises(InputError, match=r"has imported events \(old\.jsonl\) below the name shop\.events"):
        behind_lake(given)
