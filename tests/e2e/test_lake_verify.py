"""`driftline lake verify --kafka` on a topic with transactions, from which retention deletes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from driftline.units import wall_clock_ms
from history.lake.layout import schema_of
from history.lake.location import locate
from history.lake.typed import Record, Typer
from history.lake.writing import write_file
from jobs.pipeline import decoder_of
from tests.builders import job_settings, message
from tests.e2e import records
from tests.e2e.stack import RealStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200)]

TOPIC = "verified.events"


def send(stack: RealStack, outcomes: Iterable[bool]) -> None:
    """Ten records in a transaction an outcome, committed or aborted: eleven offsets each."""
    producer = KafkaProducer(bootstrap_servers=stack.settings.kafka_address, transactional_id="verified")
    try:
        producer.init_transactions()
        for number, commit in enumerate(outcomes):
            producer.begin_transaction()
            for n in range(10):
                event = message("u1", event_id=f"{number}-{n}", event_time_ms=wall_clock_ms())
                producer.send(TOPIC, key=b"u1", value=event.SerializeToString())
            producer.flush()
            _ = producer.commit_transaction() if commit else producer.abort_transaction()
    finally:
        producer.close()


def archive(found: Iterable[Any], lake: Path) -> Path:
    """Write records of the topic into a lake, in one file."""
    rows = [Record(one.partition, one.offset, one.timestamp, one.key, one.value, dict(one.headers)) for one in found]
    table = Typer(decoder_of(job_settings())).table(rows, wall_clock_ms())
    assert table.schema.equals(schema_of())
    return Path(write_file(table, locate(str(lake)).below(TOPIC, "event_date=2026-01-01", "event_hour=00")))


def test_what_is_missing_is_told_from_what_is_no_record(stack: RealStack, tmp_path: Path) -> None:
    records.create(stack.settings, {TOPIC: {}}, partitions=1)
    send(stack, [True, False, True, True])
    lake = tmp_path / "lake"
    options = ("--topic", TOPIC, "--lake", str(lake))

    def verify(*more: str, exit_code: int = 0) -> Any:
        return json.loads(stack.driftline("lake", "verify", "--json", *more, *options, exit_code=exit_code))

    on_topic = [one for one in records.read(stack.settings, TOPIC) if one.offset < 11 or one.offset > 21]
    assert len(on_topic) == 30
    whole = archive(on_topic, lake)
    (alone,) = verify(exit_code=1)["partitions"]
    assert (alone["unknown"]["spans"], alone["lost"]["count"]) == ([[10, 22], [32, 33]], 0)
    (asked,) = verify("--kafka")["partitions"]
    assert (asked["unknown"]["count"], asked["no_records"]["spans"]) == (0, [[10, 22], [32, 33]])
    assert (asked["begin"], asked["end"], asked["pending"]) == (0, 43, 1)  # the last marker
    (remembered,) = verify()["partitions"]
    assert remembered["no_records"]["spans"] == [[10, 22], [32, 33]]

    archive([one for one in on_topic if one.offset not in {3, 25}], lake)
    whole.unlink()
    (lossy,) = verify("--kafka", exit_code=1)["partitions"]
    assert lossy["lost"]["spans"] == [[3, 4], [25, 26]]
    assert "2 not in the lake, but on the topic (3, 25)" in stack.driftline(
        "lake", "verify", "--kafka", *options, exit_code=1
    )

    records.delete_all(stack.settings, TOPIC)
    (late,) = verify("--kafka", exit_code=1)["partitions"]
    assert late["unknown"]["spans"] == [[3, 4], [25, 26], [43, 44]]  # nobody knows any more
    assert late["no_records"]["spans"] == [[10, 22], [32, 33]]
