"""The box's limit: a SQL job that reads the topic in the JVM and throws every record away; see benchmarks.job."""

from __future__ import annotations

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment


def main(topic: str, bootstrap: str) -> None:
    """Read the topic from its beginning to its present end."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("pipeline.name", "jvm-only")
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE records (record_key BYTES, record_value BYTES) WITH (
            'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{bootstrap}',
            'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
            'key.format' = 'raw', 'key.fields' = 'record_key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
        )""")
    tables.execute_sql(
        "CREATE TEMPORARY TABLE nowhere (record_key BYTES, record_value BYTES) WITH ('connector' = 'blackhole')"
    )
    result = tables.execute_sql("INSERT INTO nowhere SELECT * FROM records")
    print(f"submitted jvm-only as job {result.get_job_client().get_job_id()}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
