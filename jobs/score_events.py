"""score-events: user events from Kafka become scores in Redis and on Kafka.

Submit it with `driftline submit score-events --set NAME=VALUE ...`, which also ships the code to the cluster that
DRIFTLINE_FLINK_REST points to, or with Flink's own client (README.md). `driftline submit score-events --settings` lists
the settings.
"""

from __future__ import annotations

from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.data_stream import KeyedStream
from pyflink.table import StreamTableEnvironment

from driftline.topics import DEAD_LETTER, LATE
from jobs.bundle import bundle_of
from jobs.flink.blocks import WATERMARK_INTERVAL_MS, read_blocks
from jobs.flink.chunks import read_chunks
from jobs.flink.outputs import TopicWriter
from jobs.flink.running import run
from jobs.flink.tables import table_environment
from jobs.flink.uids import pin_uids
from jobs.lineage import Submission
from jobs.operators.rows import DEAD_LETTERS, LATE_EVENTS, results_type
from jobs.operators.score_blocks import ScoreBlocks
from jobs.pipeline import stage_topics
from jobs.replay_settings import offsets_in
from jobs.settings import ScoreEventsSettings
from state_schemas import names


def build(env: StreamExecutionEnvironment, settings: ScoreEventsSettings, submission: Submission) -> None:
    """Lay out the job: blocks of records, folded and scored by shard, and a topic for each kind of result."""
    env.get_config().set_auto_watermark_interval(WATERMARK_INTERVAL_MS)
    tables = table_environment(env, settings.parallelism)
    topics = {topic.role: settings.topic(topic) for topic in stage_topics()}
    blocks = read_chunks(env, settings) if settings.chunks_topic else _blocks(tables, settings)
    results = blocks.process(ScoreBlocks(settings, submission, bundle_of(settings)), results_type(list(topics)))
    results.uid(names.SCORE_BLOCKS).name("score blocks")

    statements = tables.create_statement_set()
    writer = TopicWriter(tables, statements, settings.kafka_bootstrap)
    writer.write_results(results, topics)
    writer.write_rejects(results.get_side_output(LATE_EVENTS), settings.late_topic, "late_events")
    writer.write_rejects(results.get_side_output(DEAD_LETTERS), settings.dead_letter_topic, "dead_letters")
    statements.attach_as_datastream()
    pin_uids(
        env, names.SCORE_BLOCKS, {settings.topic(topic): topic.role for topic in (DEAD_LETTER, LATE, *stage_topics())}
    )


def _blocks(tables: StreamTableEnvironment, settings: ScoreEventsSettings) -> KeyedStream:
    return read_blocks(
        tables,
        settings.events_topic,
        settings.kafka_bootstrap,
        settings.group_id,
        shards=settings.shards,
        block_ms=settings.block_ms,
        isolation_level=settings.isolation_level,
        skip_deleted=settings.deleted_offsets == "skip",
        event_bytes_max=settings.event_bytes_max,
        partition_drift_ms_max=settings.partition_drift_ms_max,
        partition_idle_ms=settings.partition_idle_ms,
        start_offsets=offsets_in(settings.start_offsets),
        until_offsets=offsets_in(settings.until_offsets),
    )


if __name__ == "__main__":
    run("score-events")
