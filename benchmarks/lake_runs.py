"""A lake for a benchmark: filled from a topic, and the topic of chunks that a replay of it reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice

from kafka import KafkaAdminClient, KafkaProducer

from benchmarks.workbench import Workbench
from console.extents import connect_consumer, extents_of, partitions_of
from driftline.units import wall_clock_ms
from history.lake.chunks import records_of
from history.lake.filing import file_records
from history.lake.location import locate
from history.lake.reading import Lake
from history.lake.sequence import in_sequence
from history.lake.typed import Record, Typer
from jobs.pipeline import decoder_of
from jobs.settings import ScoreEventsSettings

_ROWS = 400_000  # of the topic that are filed at a time


def fill_lake(bench: Workbench, url: str) -> int:
    """File every record of the bench's topic, and return how many there are."""
    place = locate(url).below(bench.settings.events_topic)
    typer = Typer(decoder_of(ScoreEventsSettings.load()))
    records, filed = _records(bench), 0
    while rows := list(islice(records, _ROWS)):
        file_records(rows, typer, place, wall_clock_ms())
        filed += len(rows)
    return filed


def _records(bench: Workbench) -> Iterator[Record]:
    with closing(connect_consumer(bench.settings, max_poll_records=10_000)) as consumer:
        partitions = partitions_of(consumer, bench.settings.events_topic)
        extents = extents_of(consumer, partitions)
        left = sum(extent.end - extent.begin for extent in extents.values())
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        while left:
            for batch in consumer.poll(timeout_ms=1_000).values():
                left -= len(batch)
                for one in batch:
                    yield Record(one.partition, one.offset, one.timestamp, one.key, one.value, {})


def publish_chunks(bench: Workbench, url: str, topic: str) -> int:
    """Plan a replay of the whole lake as records of a topic that is made for it; return how many there are."""
    lake = Lake(locate(url).below(bench.settings.events_topic))
    admin = KafkaAdminClient(bootstrap_servers=bench.settings.kafka_address)
    with closing(admin):
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    chunks = list(records_of(in_sequence(lake.stretches())))
    with closing(KafkaProducer(bootstrap_servers=bench.settings.kafka_address)) as producer:
        for value, timestamp_ms in chunks:
            producer.send(topic, value=value.encode(), partition=0, timestamp_ms=timestamp_ms)
        producer.flush()
    return len(chunks)
