"""Events as other producers send them: Segment's calls in JSON, and protobuf and Avro framed for a registry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from driftline.event.v1.event_pb2 import UserEvent
from tests.schema_registry import frame, written

SEGMENT_MAPPING = Path(__file__).parents[1] / "docs" / "mappings" / "segment.toml"
FIRST_MESSAGE = b"\0"  # the indexes of a schema's first message, as Confluent's serializers shorten them
_LIBRARIES = {UserEvent.WEB: "analytics.js", UserEvent.MOBILE: "analytics-ios"}
AVRO_EVENT: dict[str, Any] = {
    "type": "record",
    "name": "UserEvent",
    "namespace": "shop",
    "fields": [
        *({"name": name, "type": "string"} for name in ("event_id", "user_id", "type")),
        {"name": "event_time_ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        *(
            {"name": name, "type": ["null", "string"], "default": None}
            for name in ("item_id", "category", "currency", "channel", "name")
        ),
        {"name": "value", "type": ["null", "double"], "default": None},
        {"name": "properties", "type": {"type": "map", "values": "string"}},
    ],
}


def segment_call(event: UserEvent) -> bytes:
    """A call of track that means the event, as docs/mappings/segment.toml reads it."""
    amount = "revenue" if event.type in {UserEvent.PURCHASE, UserEvent.REFUND} else "value"
    given = {
        "product_id": event.item_id,
        "category": event.category,
        "currency": event.currency,
        amount: event.value if event.HasField("value") else None,
    }
    call = {
        "type": "track",
        "messageId": event.event_id,
        "userId": event.user_id,
        "event": event.name or UserEvent.Type.Name(event.type).replace("_", " ").title(),
        "timestamp": datetime.fromtimestamp(event.event_time_ms / 1_000, UTC).isoformat(timespec="milliseconds"),
        "context": {"library": {"name": _LIBRARIES.get(event.channel, "driver")}},
        "properties": {key: value for key, value in given.items() if value not in {"", None}},
    }
    return json.dumps(call).encode()


def framed_protobuf(event: UserEvent, schema_id: int = 7) -> bytes:
    """The event as Confluent's serializer of protobuf writes it."""
    return frame(FIRST_MESSAGE + event.SerializeToString(), schema_id)


def framed_avro(event: UserEvent, schema_id: int = 7) -> bytes:
    """The event as Confluent's serializer of Avro writes it, by AVRO_EVENT."""
    record = {
        "event_id": event.event_id,
        "user_id": event.user_id,
        "type": UserEvent.Type.Name(event.type),
        "event_time_ms": event.event_time_ms,
        "item_id": event.item_id or None,
        "category": event.category or None,
        "currency": event.currency or None,
        "channel": UserEvent.Channel.Name(event.channel) if event.channel else None,
        "name": event.name or None,
        "value": event.value if event.HasField("value") else None,
        "properties": dict(event.properties),
    }
    return frame(written(AVRO_EVENT, record), schema_id)
