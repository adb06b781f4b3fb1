"""Offsets that are no events, and events that Kafka has deleted: what drain says of both, and what the job does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis
from kafka import KafkaProducer

from driftline.units import wall_clock_ms
from sink_connectors.score_value import offsets_key
from tests.builders import message
from tests.e2e import records
from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import RealStack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

USER = "tx-1"


def send_in_transactions(space: Namespace, outcomes: list[bool], each: int = 10) -> None:
    """A transaction an outcome: committed or aborted."""
    producer = KafkaProducer(
        bootstrap_servers=space.stack.settings.kafka_address, transactional_id=f"upstream-{space.name}"
    )
    try:
        producer.init_transactions()
        now_ms = wall_clock_ms()
        for number, commit in enumerate(outcomes):
            producer.begin_transaction()
            for n in range(each):
                event = message(USER, event_id=f"tx{number}-{n}", event_time_ms=now_ms + number * 1_000 + n)
                producer.send(space.topic("events"), key=USER.encode(), value=event.SerializeToString())
            producer.flush()
            _ = producer.commit_transaction() if commit else producer.abort_transaction()
    finally:
        producer.close()


def test_aborted_events_are_not_read_and_markers_not_waited_for(stack: RealStack) -> None:
    space = Namespace(stack, "transactions")
    send_in_transactions(space, [True, False, True])
    space.submit()
    assert space.drain(timeout_s=60) == Counters(20, 20, 20, 0, 0, 0)
    assert int(space.scores()[USER]["acceptedEvents"]) == 20
    send_in_transactions(space, [False])
    assert space.drain(timeout_s=60) == Counters(20, 20, 20, 0, 0, 0)

    space.stop()
    send_in_transactions(space, [True])
    assert space.drain(exit_code=1, timeout_s=5).processed == 20  # never early


def lines(user: str, count: int, name: str) -> str:
    now_ms = wall_clock_ms()
    return "".join(
        json.dumps(
            {"eventId": f"{name}-{n}", "userId": f"{user}-{n % 7}", "type": "VIEW", "eventTimeMs": str(now_ms + n)}
        )
        + "\n"
        for n in range(count)
    )


def publish(space: Namespace, folder: Path, count: int, name: str) -> None:
    (folder / f"{name}.jsonl").write_text(lines("u", count, name))
    space.publish(folder / f"{name}.jsonl")


def test_what_is_deleted_after_it_was_processed_is_no_loss(stack: RealStack, tmp_path: Path) -> None:
    space = Namespace(stack, "trimmed")
    publish(space, tmp_path, 100, "first")
    space.submit()
    assert space.drain() == Counters(100, 100, 100, 0, 0, 0)
    records.delete_all(stack.settings, space.topic("events"))
    assert space.drain() == Counters(100, 100, 100, 0, 0, 0)
    savepoint = space.stop()
    publish(space, tmp_path, 40, "second")
    assert space.drain(exit_code=1, timeout_s=4).processed == 100  # totals are above what the topic holds
    space.submit(savepoint=savepoint)
    assert space.drain() == Counters(140, 140, 140, 0, 0, 0)


def test_events_deleted_before_they_were_read_are_named_and_nothing_passes_over_them(
    stack: RealStack, tmp_path: Path
) -> None:
    space = Namespace(stack, "deleted")
    publish(space, tmp_path, 100, "first")
    space.submit()
    assert space.drain() == Counters(100, 100, 100, 0, 0, 0)
    savepoint = space.stop()
    publish(space, tmp_path, 40, "missed")
    records.delete_all(stack.settings, space.topic("events"))
    publish(space, tmp_path, 10, "after")

    drain = ["drain", "--timeout", "30", "--namespace", space.name]
    assert "deleted 40 events" in stack.fails(*drain, env=space.env)
    resume = ["submit", "score-events", "--from-savepoint", savepoint, *space.arguments]
    refused = stack.fails(*resume)
    assert "deleted 40 events" in refused
    assert "--set deleted_offsets=skip" in refused

    with redis.Redis.from_url(stack.settings.redis_address) as client:  # an older savepoint than Redis knows of
        kept = client.hgetall(offsets_key(space.name))
        client.delete(offsets_key(space.name))
        assert "out of range" in stack.fails(*resume)  # the job itself stops
        for job in stack.flink.jobs():  # a restored one goes on trying
            if job.name == f"score-events {space.name}" and stack.runs(job.job_id):
                stack.flink.cancel(job.job_id)
        eventually(lambda: stack.flink.running(f"score-events {space.name}"), lambda job: job is None, "it has ended")
        client.hset(offsets_key(space.name), mapping=kept)

    space.submit(savepoint=savepoint, deleted_offsets="skip")
    assert space.drain() == Counters(110, 110, 110, 0, 0, 0)
    said = stack.errors(*drain, env=space.env)
    assert "40 events were deleted" in said
