"""A JSON topic fed by SDKs and exports gives the scores of the same events in the contract's words."""

from __future__ import annotations

import json
from typing import Any

from driftline.metrics import JobMetric
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import processor_of
from tests.builders import HOUR, T0, fold_block, job_settings, scores_of, timelines
from tests.exports import AS_EXPORTED, IN_CONTRACT, of_user
from udfs.block import Block
from udfs.results import BlockResult


def folded(user_id: object, events: list[dict[str, Any]]) -> BlockResult:
    values = [json.dumps(event).encode() for event in of_user(user_id, events)]
    count = len(values)
    block = Block([str(user_id).encode()] * count, values, [0] * count, list(range(count)), [T0 + HOUR] * count)
    processor = processor_of(job_settings(events_format="json"), {})
    return fold_block(processor, block, ShardState(generation=1), timelines(), T0 + HOUR)


def scores(result: BlockResult, user_id: str) -> UserScores:
    value = scores_of(result)[user_id]
    assert value is not None
    return UserScores.FromString(value)


def test_words_shapes_and_money_give_the_scores_of_the_contract_s_own() -> None:
    exported, contract = folded(41, AS_EXPORTED), folded("41", IN_CONTRACT)
    assert exported.counts == contract.counts
    assert exported.counts[JobMetric.EVENTS_ACCEPTED] == 5
    assert scores(exported, "41") == scores(contract, "41")
    assert scores(exported, "41").session.purchases == 2


def test_a_dead_letter_s_headers_hold_nothing_of_the_payload() -> None:
    events: list[dict[str, Any]] = [
        {"userId": ["jane.doe@example.org"]},
        {"properties": ["jane.doe@example.org"]},
        {"type": {"jane.doe@example.org": 1}},
        {"eventTimeMs": "jane.doe@example.org"},
        {"value": "jane.doe@example.org"},
        {"userId": "jane.doe@example.org"},  # another than the key
        {"eventId": "jane.doe@example.org" * 9},
        {"value": 1e300},
        {"eventTimeMs": 31337},
    ]
    valid = {"userId": 41, "type": "VIEW", "eventTimeMs": T0}
    rejected = folded(41, [valid | event for event in events]).dead_letters
    assert len(rejected) == len(events)
    for reject in rejected:
        for text in reject.headers.values():
            assert b"jane" not in text and b"31337" not in text and b"e+300" not in text
