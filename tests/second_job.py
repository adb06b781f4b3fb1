"""copy-events: the whole of a job that tests add to the register. Events are copied to another topic as they are.

The smallest job: SQL alone, without an operator of its own, so its operators have no pinned uids; jobs/score_events.py
pins them. A job that is not for tests stands in jobs/, with module="jobs.<name>": tests is not shipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from driftline.topics import EVENTS, Topic
from jobs.base_settings import JobSettings
from jobs.register import JobSpec

if TYPE_CHECKING:
    from pyflink.datastream import StreamExecutionEnvironment

    from jobs.lineage import Submission

COPIES = Topic(role="copies", name="events.copies", value="as it came", written_by="copy-events")


class CopyEventsSettings(JobSettings):
    """The settings of the job copy-events."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_COPY_EVENTS_")

    events_topic: str = Field(EVENTS.name, min_length=1, description="input topic")
    copies_topic: str = Field(COPIES.name, min_length=1, description="topic of the copies")
    group_id: str = Field(min_length=1, description="Kafka consumer group")


def build(env: StreamExecutionEnvironment, settings: CopyEventsSettings, _: Submission) -> None:
    """Lay out the job: from one topic to the other."""
    from pyflink.table import StreamTableEnvironment  # noqa: PLC0415  (settings are read where there is no Flink)

    from jobs.flink.outputs import literal  # noqa: PLC0415

    env.set_parallelism(settings.parallelism)
    tables = StreamTableEnvironment.create(env)
    for name, topic in (("events", settings.events_topic), ("copies", settings.copies_topic)):
        tables.execute_sql(f"""
            CREATE TEMPORARY TABLE {name} (k BYTES, v BYTES) WITH (
                'connector' = 'kafka', 'topic' = {literal(topic)},
                'properties.bootstrap.servers' = {literal(settings.kafka_bootstrap)},
                'properties.group.id' = {literal(settings.group_id)}, 'scan.startup.mode' = 'earliest-offset',
                'key.format' = 'raw', 'key.fields' = 'k', 'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
            )""")
    statements = tables.create_statement_set()
    statements.add_insert_sql("INSERT INTO copies SELECT k, v FROM events")
    statements.attach_as_datastream()


ENTRY = JobSpec(
    name="copy-events",
    summary="events are copied to another topic",
    module="tests.second_job",
    settings=CopyEventsSettings,
    reads=(EVENTS,),
    writes=lambda: (COPIES,),
)

if __name__ == "__main__":
    from jobs.flink.running import run

    run("copy-events")
