"""A command that ends, however it ends, leaves no connection behind."""

from __future__ import annotations

from typing import Any

import pytest

from console import progress
from console.cli import scores
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import RedisScoreStore


class Connection:
    """Counts itself as open until it is closed; answers nothing."""

    opened = 0

    def __init__(self) -> None:
        Connection.opened += 1

    def close(self) -> None:
        Connection.opened -= 1

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set()

    def live_namespace(self) -> str:
        return "main"

    def get(self) -> None:
        """The note of a replay: there is none."""

    def user_ids(self) -> Any:
        message = "Redis went away"
        raise ServiceUnavailable(message)


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    Connection.opened = 0
    monkeypatch.setattr(RedisScoreStore, "connect", lambda *_args, **_named: Connection())
    monkeypatch.setattr(ReplayNotes, "connect", lambda *_args, **_named: Connection())
    monkeypatch.setattr(progress, "connect_consumer", lambda _settings: Connection())


def no_kafka(_settings: StackSettings) -> Connection:
    message = "Kafka cannot be used"
    raise ServiceUnavailable(message)


def test_a_look_at_a_missing_topic_closes_consumer_and_stores() -> None:
    with pytest.raises(InputError, match="does not exist"):
        progress.TopicProgress(StackSettings.load())
    assert Connection.opened == 0


def test_a_look_without_kafka_closes_the_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "connect_consumer", no_kafka)
    with pytest.raises(ServiceUnavailable, match="Kafka"):
        progress.TopicProgress(StackSettings.load())
    assert Connection.opened == 0


def test_an_export_that_fails_half_way_closes_both_stores() -> None:
    with pytest.raises(ServiceUnavailable, match="went away"):
        scores.export_scores(None)
    assert Connection.opened == 0
