"""Runs the operator of score-events alone in a minicluster, from a savepoint if one is given; for tests.

Called in a process of its own with one argument in JSON: settings, generation, savepoint, parallelism, and blocks as
lists of [shard's key, [events as hex of a UserEvent]]. Prints the failure's traceback, if there is one.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pyflink.common import Configuration, Row
from pyflink.datastream import StreamExecutionEnvironment

from driftline.event.v1.event_pb2 import UserEvent
from jobs.bundle import bundle_of
from jobs.flink.blocks import _KEYED_TYPE, _keyed
from jobs.lineage import Submission
from jobs.operators.rows import results_type
from jobs.operators.score_blocks import ScoreBlocks
from jobs.pipeline import stage_topics
from jobs.settings import ScoreEventsSettings
from udfs.shards import KEY_GROUPS


def main(asked: dict[str, Any]) -> None:
    conf = Configuration()
    conf.set_string("python.execution-mode", "thread")
    conf.set_string("state.backend.type", "rocksdb")
    if asked["savepoint"]:
        conf.set_string("execution.state-recovery.path", asked["savepoint"])
        conf.set_string("execution.state-recovery.ignore-unclaimed-state", "true")  # Kafka's and the windows'
    env = StreamExecutionEnvironment.get_execution_environment(conf)
    env.set_parallelism(asked["parallelism"])
    env.set_max_parallelism(KEY_GROUPS)
    blocks = env.from_collection([row(*one) for one in asked["blocks"]], _KEYED_TYPE)
    settings = ScoreEventsSettings.load(**asked["settings"])
    submission = Submission(asked["generation"], restored=bool(asked["savepoint"]))
    kind = results_type([topic.role for topic in stage_topics()])
    results = _keyed(blocks).process(ScoreBlocks(settings, submission, bundle_of(settings)), kind).uid("score-blocks")
    results.print()
    env.execute("score-blocks")


def row(key: int, events: list[str]) -> Row:
    values = [bytes.fromhex(event) for event in events]
    messages = [UserEvent.FromString(value) for value in values]
    numbers = list(range(len(values)))
    keys = [message.user_id.encode() for message in messages]
    return Row(key, (keys, values, [0] * len(values), numbers, [message.event_time_ms for message in messages]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
