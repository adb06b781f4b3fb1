"""archive-events: the records of the events topic become Parquet files of a lake, each exactly once.

Submit it with `driftline submit archive-events`; `driftline submit archive-events --settings` lists the settings. Files
appear at checkpoints (docs/decisions/0036-history.md).
"""

from __future__ import annotations

import json

from pyflink.datastream import StreamExecutionEnvironment

from driftline.topics import EVENTS
from history.lake.layout import schema_of
from history.lake.typed import declared_kinds
from jobs.archive_settings import ArchiveEventsSettings
from jobs.archive_start import behind_lake, require_endpoint
from jobs.bundle import input_bundle_of
from jobs.flink.lake_files import columns_type, file_url, name_files, write_lake
from jobs.flink.record_blocks import read_records
from jobs.flink.running import effective_configuration, run
from jobs.flink.tables import table_environment
from jobs.flink.uids import pin_uids
from jobs.lineage import Submission
from jobs.operators.archive_blocks import ArchiveBlocks
from state_schemas import names


def build(env: StreamExecutionEnvironment, settings: ArchiveEventsSettings, submission: Submission) -> None:
    """Lay out the job: blocks of records, their typed columns, and the files."""
    require_endpoint(effective_configuration(env), settings)
    begins = {} if submission.restored else behind_lake(settings)
    env.enable_checkpointing(settings.checkpoint_s * 1_000)  # a file an hour and checkpoint: fewer are larger files
    tables = table_environment(env, settings.parallelism)
    bundle = input_bundle_of(settings)
    schema = schema_of(declared_kinds(json.loads(bundle.plan)["events"]))
    blocks = read_records(
        tables,
        settings.events_topic,
        settings.kafka_bootstrap,
        settings.group_id,
        parallelism=settings.parallelism,
        block_ms=settings.block_ms,
        isolation_level=settings.isolation_level,
        skip_deleted=settings.deleted_offsets == "skip",
        start_offsets=begins,
    )
    columns = blocks.process(ArchiveBlocks(settings, bundle), columns_type(schema))
    columns.uid(names.ARCHIVE_BLOCKS).name("archive blocks")

    statements = tables.create_statement_set()
    write_lake(
        tables,
        statements,
        columns,
        schema,
        f"{file_url(settings.lake_url).rstrip('/')}/{settings.topic(EVENTS)}",
        file_bytes_max=settings.file_bytes_max,
        row_group_bytes=settings.row_group_bytes,
    )
    statements.attach_as_datastream()
    name_files(env)
    pin_uids(env, names.ARCHIVE_BLOCKS, {}, files_role="lake")


if __name__ == "__main__":
    run("archive-events")
