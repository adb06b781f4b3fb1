"""Reads records from the lake in blocks, in the order that a topic of chunks gives (docs/decisions/0036-history.md).

A chunk names a stretch of offsets of a partition. The position in that topic is Flink's, so a crash repeats nothing. A
record's timestamp is the oldest time that is still to come: the watermark that the events topic itself would give.
"""

from __future__ import annotations

from pyflink.common import SimpleStringSchema, WatermarkStrategy
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaSource
from pyflink.datastream.data_stream import KeyedStream

from jobs.flink.blocks import keyed
from jobs.operators.read_lake import PACKED_TYPE, SHARDED_TYPE, ReadLake
from jobs.settings import ScoreEventsSettings
from state_schemas import names


def read_chunks(env: StreamExecutionEnvironment, settings: ScoreEventsSettings) -> KeyedStream:
    """Return the records that the chunks name as packed blocks, keyed by shard.

    One subtask reads the lake, whatever the parallelism: reading costs little, and what is late follows from the order.
    """
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(settings.kafka_bootstrap)
        .set_topics(settings.chunks_topic)
        .set_group_id(f"{settings.group_id}-chunks")
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_value_only_deserializer(SimpleStringSchema())
        .set_property("commit.offsets.on.checkpoint", "false")
        .build()
    )
    watermarks = WatermarkStrategy.for_monotonous_timestamps()
    chunks = env.from_source(source, watermarks, "chunks").uid(names.CHUNKS).set_parallelism(1)
    blocks = chunks.process(ReadLake(settings), SHARDED_TYPE).uid(names.READ_LAKE).name("read lake").set_parallelism(1)
    return keyed(blocks, PACKED_TYPE)
