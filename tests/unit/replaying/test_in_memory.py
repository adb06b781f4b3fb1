"""A replay into memory leaves what the job would have left, and says what its scores are called."""

from __future__ import annotations

import json
from pathlib import Path

from console.replaying.in_memory import replay_in_memory
from tests.lakes import eventful_history, write_lake
from tests.unit.jobs.projects import settings_of
from tests.unit.replaying.replays import of_store, record_by_record

NOW_MS = 1_900_000_000_000


def test_a_replay_into_memory_leaves_what_the_job_leaves(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    records = eventful_history(users=8, events=150, seed=3, partitions=2, days=2.0)
    write_lake(tmp_path / "lake", records)
    settings = settings_of(
        None, models_dir=tmp_path / "models", shards=4, model_poll_s=60.0, lake_url=str(tmp_path / "lake")
    )

    made = replay_in_memory(settings, out=tmp_path / "out")

    live = record_by_record(settings, records, {}, NOW_MS)
    assert of_store(made.store, {}).exported == live.exported
    assert made.totals == live.totals
    assert made.catalogue.sets[0].features.name == "v1"
    sessions = [json.loads(line) for line in (tmp_path / "out" / "sessions.jsonl").read_text().splitlines()]
    assert {one["sessionId"] for one in sessions} >= live.sessions.keys()
