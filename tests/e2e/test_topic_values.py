"""Topics of other producers, in words of Segment, and in protobuf and Avro framed for a Schema Registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import parse_event
from tests.e2e import records
from tests.e2e.conftest import EVENTS, History, Reference
from tests.e2e.namespace import Counters, Namespace, assert_same_scores
from tests.e2e.stack import RealStack
from tests.schema_registry import answer, running
from tests.topic_values import AVRO_EVENT, SEGMENT_MAPPING, framed_avro, framed_protobuf, segment_call

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FRAMED = {"events_framing": "confluent"}
UNKNOWN_SCHEMA = 99
# A registry's client asks four times; so the job fails once, restarts, and waits for the registry again.
ASKED_IN_VAIN = 6


def send(namespace: Namespace, history: History, written: Callable[[UserEvent], bytes]) -> UserEvent:
    """Send the history in a form, keyed and dated as `driftline publish` does; returns its last event."""
    event = UserEvent()
    with records.producer(namespace.stack.settings) as producer:
        for line in history.lines:
            event = parse_event(line.encode())
            producer.send(
                namespace.topic("events"),
                key=event.user_id.encode(),
                value=written(event),
                timestamp_ms=event.event_time_ms,
            )
        producer.flush()
    return event


def test_segment_s_calls_are_read_by_a_mapping_that_travels_with_the_job(
    stack: RealStack, history: History, reference: Reference, tmp_path: Path
) -> None:
    mapping = tmp_path / "segment.toml"
    mapping.write_text(SEGMENT_MAPPING.read_text())
    segment = Namespace(stack, "segment-calls", {"events_format": "json", "events_mapping": mapping})
    send(segment, history, segment_call)
    segment.submit()
    mapping.unlink()  # no task looks for it
    assert segment.drain() == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)
    assert_same_scores(segment.export(), reference.export)


def test_framed_protobuf_gives_the_same_scores(stack: RealStack, history: History, reference: Reference) -> None:
    framed = Namespace(stack, "framed", FRAMED)
    send(framed, history, framed_protobuf)
    framed.submit()
    assert framed.drain() == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)
    assert_same_scores(framed.export(), reference.export)


def test_avro_gives_the_same_scores_also_if_the_registry_was_away(
    stack: RealStack, history: History, reference: Reference
) -> None:
    with running() as registry:
        registry.answers["/schemas/ids/7"] = answer(AVRO_EVENT)
        registry.trouble = [(503, b"")] * ASKED_IN_VAIN
        settings = FRAMED | {"events_format": "avro", "schema_registry_url": registry.url}
        avro = Namespace(stack, "avro", settings)
        last = send(avro, history, framed_avro)
        with records.producer(stack.settings) as producer:
            stray = framed_avro(last, UNKNOWN_SCHEMA)
            producer.send(avro.topic("events"), key=last.user_id.encode(), value=stray, timestamp_ms=last.event_time_ms)
        avro.submit()
        assert avro.drain() == Counters(EVENTS + 1, EVENTS + 1, EVENTS, 0, 0, 1)
        assert_same_scores(avro.export(), reference.export)
        (dead,) = records.read(stack.settings, avro.topic("events.dead-letter"))
    headers = {name: value.decode() for name, value in dead.headers}
    assert headers["driftline.errors.reason"] == "UNDECODABLE"
    assert headers["driftline.errors.message"].endswith("is of a schema that the registry does not have")
    assert dead.value == stray
    assert len(registry.asked) == ASKED_IN_VAIN + 2  # each schema was asked for once it could be
