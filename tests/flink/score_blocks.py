"""Runs the operator of score-events alone in a minicluster, from a savepoint if one is given; for tests.

Called in a process of its own with one argument in JSON: settings, generation, savepoint, parallelism, and blocks as
lists of [shard's key, [events as `row` takes them]]. Prints the failure's traceback, if there is one.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pyflink.common import Configuration, Row, Types
from pyflink.datastream import StreamExecutionEnvironment

from driftline.event.v1.event_pb2 import UserEvent
from jobs.bundle import bundle_of
from jobs.flink.blocks import BLOCK_TYPE, keyed
from jobs.lineage import Submission
from jobs.operators.rows import DEAD_LETTERS, LATE_EVENTS, results_type
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
    blocks = env.from_collection([row(*one) for one in asked["blocks"]], Types.ROW([Types.INT(), BLOCK_TYPE]))
    settings = ScoreEventsSettings.load(**asked["settings"])
    submission = Submission(asked["generation"], restored=bool(asked["savepoint"]))
    kind = results_type([topic.role for topic in stage_topics()])
    operator = ScoreBlocks(settings, submission, bundle_of(settings))
    results = keyed(blocks, BLOCK_TYPE).process(operator, kind).uid("score-blocks")
    results.print()
    for tag in (DEAD_LETTERS, LATE_EVENTS):  # without a reader they would be printed as results, which they are not
        results.get_side_output(tag).print()
    env.execute("score-blocks")


def row(key: int, events: list[str | dict[str, Any]]) -> Row:
    """A block of a shard: of UserEvents in hexadecimal digits, or of records with key, value and timestamp_ms."""
    records = [_record(event) if isinstance(event, str) else event for event in events]
    keys, values = ([bytes.fromhex(record[name]) for record in records] for name in ("key", "value"))
    numbers = list(range(len(records)))
    return Row(key, (keys, values, [0] * len(records), numbers, [record["timestamp_ms"] for record in records]))


def _record(event: str) -> dict[str, Any]:
    message = UserEvent.FromString(bytes.fromhex(event))
    return {"key": message.user_id.encode().hex(), "value": event, "timestamp_ms": message.event_time_ms}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
