"""Erasure requests and impossible event times, as reports from the field describe them."""

from __future__ import annotations

import json

import pytest

from driftline.jsonlines import parse_event
from driftline.metrics import JobMetric
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from tests.builders import States, block, fold_block, processor, scores_of, timelines
from udfs.results import BlockResult

NOW = 1_795_500_000_000
E1, E2 = 1_795_024_800_000, 1_795_024_920_000


def lines(*events: tuple[str, str, int]) -> list[str]:
    return [
        json.dumps({"eventId": event_id, "userId": "u", "type": kind, "eventTimeMs": time_ms, "value": 59.0})
        for event_id, kind, time_ms in events
    ]


def published(documents: list[str], blocks_of: int) -> list[BlockResult]:
    """The results of the blocks when the lines are published, stamped with their event times, as history is."""
    fold, shard, users = processor(), ShardState(generation=1), timelines(States())
    messages = [parse_event(document.encode()) for document in documents]
    results = [
        fold_block(fold, block(*messages[start : start + blocks_of]), shard, users, NOW)
        for start in range(0, len(messages), blocks_of)
    ]
    assert shard.accepted + shard.duplicate + shard.late + shard.dead_letter == len(messages)
    return results


@pytest.mark.parametrize("blocks_of", [1, 3])
def test_a_request_processed_hours_later_erases_what_was_before_it_and_keeps_what_came_since(blocks_of: int) -> None:
    request = ("f1", "FORGET", 1_794_996_000_000)
    history = lines(("e1", "VIEW", 1_794_995_400_000), ("e2", "PURCHASE", E1), request)
    last = published(history, blocks_of)[-1]
    scores = UserScores.FromString(scores_of(last)["u"] or b"")
    assert (scores.session.events, scores.session.purchases, scores.accepted_events) == (1, 1, 3)
    assert scores.session.start_time_ms == E1
    assert last.counts[JobMetric.FORGETS_LATE] == 1
    assert last.late == []


@pytest.mark.parametrize("blocks_of", [1, 3])
@pytest.mark.parametrize(
    "history",
    [
        lines(("e1", "PURCHASE", E1), ("e2", "VIEW", E2), ("f1", "FORGET", E1 + 30_000)),  # a device two minutes fast
        lines(("e1", "PURCHASE", E1), ("f1", "FORGET", E1 + 300_000)),
        lines(("e1", "PURCHASE", E1), ("e1", "FORGET", E1 + 300_000)),  # one id for two events
        lines(("e1", "PURCHASE", E1), ("f1", "FORGET", E1 * 1000), ("f2", "FORGET", E1 + 1)),  # the first: microseconds
    ],
)
def test_a_request_leaves_a_tombstone(history: list[str], blocks_of: int) -> None:
    last = published(history, blocks_of)[-1]
    assert scores_of(last)["u"] is None
    assert last.scored[-1].scores is None, "the tombstone is written"


def test_a_time_that_no_clock_can_have_shown_is_a_dead_letter_and_stops_nobody() -> None:
    documents = lines(
        ("s1", "VIEW", 9_223_372_036_854_775_807), ("s2", "VIEW", 1_755_933_141_855_875_000), ("s3", "VIEW", E1)
    )
    (result,) = published(documents, 3)
    assert [dead.headers["driftline.errors.reason"] for dead in result.dead_letters] == [b"INVALID_VALUE"] * 2
    assert b"nanoseconds" in result.dead_letters[1].headers["driftline.errors.message"]
    assert UserScores.FromString(scores_of(result)["u"] or b"").as_of_event_time_ms == E1
