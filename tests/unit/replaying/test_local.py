"""A replay of a lake leaves what the job would have left, in however many processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import history.lake.reading
from console.replaying import outputs
from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.errors import ModelError
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.models import ModelFolder
from jobs.settings import ScoreEventsSettings
from tests.builders import HalfModel
from tests.lakes import TopicRecord, eventful_history, forgotten_users, write_lake
from tests.onnx_models import constant
from tests.unit.jobs.projects import folder, settings_of
from tests.unit.replaying.replays import Made, from_lake, record_by_record
from tests.unit.udfs.test_one_answer import take

NOW_MS = 1_900_000_000_000
PROJECT = folder("""
project: {name: shop, ages: [10m, 1h, 1d, 7d]}
features:
  views: {count: VIEW}
  weekly: {count: VIEW, half_life: 1d}
  spent: {sum: value, of: PURCHASE}
scores:
  activity: {expr: 'weekly / (1.0 + weekly)'}
segments:
  lively: {when: 'weekly >= 0.9'}
  buyers: {when: 'spent > 0.0'}
""")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder without models."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history.lake.reading, "STRETCH_OFFSETS", 16)


def job(models: Path, declarations: Path | None = None, **changed: object) -> ScoreEventsSettings:
    return settings_of(declarations, **({"models_dir": models, "shards": 4, "model_poll_s": 60.0} | changed))


def same(made: Made, live: Made) -> None:
    assert made.exported == live.exported
    assert made.members == live.members
    assert made.reports == live.reports


HISTORIES = st.builds(
    eventful_history,
    users=st.integers(1, 12),
    events=st.integers(20, 200),
    seed=st.integers(0, 1 << 30),
    partitions=st.integers(1, 3),
    days=st.sampled_from([0.1, 2.0, 40.0]),
)
MANY = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@given(records=HISTORIES, processes=st.integers(1, 3), block_events=st.sampled_from([1, 7]))
@pytest.mark.parametrize("declarations", [None, PROJECT], ids=["shipped", "declared"])
def test_a_lake_gives_what_the_job_gave_record_by_record(  # noqa: PLR0917  (what hypothesis draws)
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
    declarations: Path | None,
    records: list[TopicRecord],
    processes: int,
    block_events: int,
) -> None:
    lake = write_lake(tmp_path_factory.mktemp("lake"), records)
    settings_ = job(models, declarations)
    live = record_by_record(settings_, records, {}, NOW_MS, block_events)
    made = from_lake(settings_, lake, processes)
    assert live.totals.events == len(records)
    assert live.exported
    made_members, live_members = made.members, live.members
    assert (made.exported, made.reports) == (live.exported, live.reports)
    if declarations is None:
        assert made_members == live_members


@MANY
@given(records=HISTORIES)
def test_files_have_the_sessions_and_rejects_of_the_job(
    models: Path, tmp_path_factory: pytest.TempPathFactory, records: list[TopicRecord]
) -> None:
    lake, out = write_lake(tmp_path_factory.mktemp("lake"), records), tmp_path_factory.mktemp("out")
    settings_ = job(models)
    live = record_by_record(settings_, records, {}, NOW_MS)
    made = from_lake(settings_, lake, 2, out)
    files = outputs.join(out, range(2))
    kept: dict[str, bytes] = {}
    take(kept, [ParseDict(row, ClosedSession()) for row in _rows(files["sessions"])])
    same(made, live)
    forgotten = forgotten_users(record.payload for record in records)
    assert _without(kept, forgotten) == _without(live.sessions, forgotten)
    assert len(_rows(files[outputs.LATE])) == live.totals.late
    dead = _rows(files[outputs.DEAD_LETTERS])
    assert len(dead) == live.totals.dead_letter
    by_place = {(record.partition, record.offset): record for record in records}
    for row in dead:
        assert by_place[row["partition"], row["offset"]].key in (row["key"] and row["key"].encode(), b"k" * 5_000, None)
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{name}.jsonl" for name in outputs.NAMES)


def test_a_model_scores_everybody_once(tmp_path: Path) -> None:
    records = eventful_history(users=10, events=150)
    lake, models = write_lake(tmp_path / "lake", records), tmp_path / "models"
    models.mkdir()
    version = store_model(models)
    settings_ = job(models, require_model=True)
    made = from_lake(settings_, lake, 2)
    rows = [json.loads(line) for line in made.exported.splitlines()]
    assert rows
    assert {row["modelVersion"] for row in rows} == {version}
    model = HalfModel()
    model.version = version
    same(made, record_by_record(settings_, records, {PURCHASE_PROPENSITY: lambda: model}, NOW_MS))


def test_a_model_that_is_required_and_missing_is_an_error(tmp_path: Path, models: Path) -> None:
    lake = write_lake(tmp_path / "lake", eventful_history(users=2, events=20))
    with pytest.raises(ModelError, match="no model to score with"):
        from_lake(job(models, require_model=True), lake, 1)


def test_only_some_users_are_scored_and_the_others_count_as_read(tmp_path: Path, models: Path) -> None:
    records = eventful_history(users=10, events=300, seed=3)
    lake = write_lake(tmp_path / "lake", records)
    all_of_them = from_lake(job(models), lake, 2)
    wanted = [json.loads(line)["userId"] for line in all_of_them.exported.splitlines()][:3]
    (tmp_path / "users").write_text("\n".join(wanted))
    some = from_lake(job(models, only_users=tmp_path / "users"), lake, 2)
    lines = all_of_them.exported.splitlines()
    assert some.exported.splitlines() == [line for line in lines if json.loads(line)["userId"] in wanted]
    assert some.totals.events < all_of_them.totals.events
    assert {key: report.offsets for key, report in some.reports.items()} == {
        key: report.offsets for key, report in all_of_them.reports.items()
    }


def test_only_some_dates_are_read(tmp_path: Path, models: Path) -> None:
    records = eventful_history(users=5, events=100, days=3.0)
    lake = write_lake(tmp_path / "lake", records)
    part = from_lake(job(models), lake, 1, since="2026-01-02", until="2026-01-02")
    day = [record for record in records if 86_400_000 <= record.record_time_ms - 1_767_225_600_000 < 2 * 86_400_000]
    assert part.totals.events == len(day)


def store_model(models: Path) -> str:
    ModelFolder(models).store(constant(0.5, 0.5), trained_at_ms=NOW_MS, stamp="20260105T101500", metrics={})
    return ModelFolder(models).current_version()


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _without(sessions: dict[str, bytes], user_ids: set[str]) -> dict[str, bytes]:
    return {key: value for key, value in sessions.items() if ClosedSession.FromString(value).user_id not in user_ids}
