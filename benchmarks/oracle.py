"""What the scores must be: the events of a file folded in plain Python, user by user, without any framework."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from benchmarks.contenders.duty import BOUNDS, score_users
from console.cli.scores import export_lines
from console.settings import StackSettings
from driftline.jsonlines import parse_event
from driftline.models import ModelFolder
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_store import RedisScoreStore
from udfs.decode import validate
from udfs.timeline import Timeline


def expected_scores(history: Path, events: int, models: ModelFolder) -> list[str]:
    """The lines that `driftline export-scores` must print once the first `events` lines of the file are processed."""
    timelines: dict[str, Timeline] = {}
    with history.open("rb") as lines:
        for line in itertools.islice(lines, events):
            message = parse_event(line)
            if message.user_id not in timelines:
                timelines[message.user_id] = Timeline.begin(BOUNDS)
            timelines[message.user_id].offer(validate(message))
    store, model = InMemoryScoreStore(), models.load(models.current_version())
    for user in timelines.items():
        store.write(score_users([user], model), None)
    return _lines(export_lines(store))


def stored_scores(settings: StackSettings, namespace: str) -> list[str]:
    """The lines that `driftline export-scores` prints for a namespace."""
    with closing(RedisScoreStore.connect(settings.redis_address, namespace=namespace, retry_s=5.0)) as store:
        return _lines(export_lines(store))


def share_equal(expected: list[str], found: list[str]) -> float:
    """The share of users whose scores are what they must be; a user too many counts like one that is wrong."""
    return len(set(expected) & set(found)) / max(len(expected), len(found))


def _lines(pages: Iterable[str]) -> list[str]:
    return "".join(pages).splitlines()
