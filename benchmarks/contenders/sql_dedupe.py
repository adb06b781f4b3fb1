"""A limit: Flink SQL without Python drops repeated event ids, as its documentation teaches, and throws the rest away.

The id is read from the first field of the protobuf message: tag, length, text.
"""

from __future__ import annotations

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment

from benchmarks.contenders.duty import Task


def main(task: Task) -> None:
    """Read the topic from its beginning to its present end."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("pipeline.name", "sql-dedupe")
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE records (
            record_key BYTES, record_value BYTES, read_at AS PROCTIME()
        ) WITH (
            'connector' = 'kafka', 'topic' = '{task.topic}', 'properties.bootstrap.servers' = '{task.kafka}',
            'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
            'key.format' = 'raw', 'key.fields' = 'record_key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
        )""")
    tables.execute_sql("""
        CREATE TEMPORARY TABLE nowhere (record_key BYTES, record_value BYTES) WITH ('connector' = 'blackhole')""")
    result = tables.execute_sql("""
        INSERT INTO nowhere
        SELECT record_key, record_value FROM (
            SELECT *, ROW_NUMBER() OVER (PARTITION BY record_key, event_id ORDER BY read_at ASC) AS nth
            FROM (
                SELECT *, SUBSTRING(text FROM 3 FOR ASCII(SUBSTRING(text FROM 2 FOR 1))) AS event_id
                FROM (SELECT *, DECODE(record_value, 'ISO-8859-1') AS text FROM records)
            )
        ) WHERE nth = 1""")
    print(f"submitted sql-dedupe as job {result.get_job_client().get_job_id()}")


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
