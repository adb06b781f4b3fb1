"""Publishing into topics that would not keep what is published, on a real broker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from driftline.units import wall_clock_ms
from tests.e2e import records
from tests.e2e.stack import RealStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200)]

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def history(stack: RealStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of January, as `driftline simulate` makes them."""
    file = tmp_path_factory.mktemp("past") / "history.jsonl"
    options = ("--users", "20", "--events", "300", "--start", "2026-01-01T00:00:00Z", "--out", str(file))
    stack.driftline("simulate", *options)
    return file


def topic(stack: RealStack, name: str, config: Mapping[str, str]) -> dict[str, str]:
    """Make a topic, and return what tells the commands of it."""
    records.create(stack.settings, {name: config})
    return {"DRIFTLINE_EVENTS_TOPIC": name}


def test_history_is_refused_where_a_broker_would_delete_it(stack: RealStack, history: Path) -> None:
    week = topic(stack, "history.week", {"retention.ms": str(7 * DAY_MS)})
    refused = stack.fails("publish", str(history), env=week)
    assert "history.week has retention.ms=604800000" in refused
    assert "retention.ms=-1" in refused
    assert not records.read(stack.settings, "history.week")
    simulated = stack.fails("simulate", "--users", "5", "--events", "10", "--start", "2026-01-01", env=week)
    assert "retention.ms=604800000" in simulated
    stack.driftline("publish", str(history), "--force", env=week)
    assert records.read(stack.settings, "history.week")


@pytest.mark.parametrize(
    ("name", "config", "named"),
    [
        ("history.compacted", {"cleanup.policy": "compact"}, "cleanup.policy=compact"),
        (
            "history.strict",
            {"message.timestamp.before.max.ms": "3600000", "retention.ms": "-1"},
            "before.max.ms=3600000",
        ),
    ],
)
def test_history_is_refused_where_a_broker_would_refuse_or_compact_it(
    stack: RealStack, history: Path, name: str, config: dict[str, str], named: str
) -> None:
    assert named in stack.fails("publish", str(history), env=topic(stack, name, config))
    assert not records.read(stack.settings, name)


def test_history_is_taken_where_the_broker_stamps_it(stack: RealStack, history: Path) -> None:
    config = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(7 * DAY_MS)}
    stack.driftline("publish", str(history), env=topic(stack, "history.stamped", config))
    assert len(records.read(stack.settings, "history.stamped")) == 300


def test_an_event_of_tomorrow_reaches_the_job_that_judges_it(stack: RealStack, tmp_path: Path) -> None:
    now_ms = wall_clock_ms()
    event = {"eventId": "ahead", "userId": "u", "type": "VIEW", "eventTimeMs": str(now_ms + DAY_MS)}
    (tmp_path / "one.jsonl").write_text(json.dumps(event) + "\n")
    hour = topic(stack, "history.hour-ahead", {"message.timestamp.after.max.ms": "3600000", "retention.ms": "-1"})
    stack.driftline("publish", str(tmp_path / "one.jsonl"), env=hour)
    (record,) = records.read(stack.settings, "history.hour-ahead")
    assert now_ms <= record.timestamp < now_ms + DAY_MS / 2
