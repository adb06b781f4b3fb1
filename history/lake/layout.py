"""What the files of a lake are called, and what their columns are.

    <lake>/<topic>/event_date=2026-01-05/event_hour=10/<name>.parquet

The names in front of `=` and those of the columns are a contract with everybody who reads the files. Columns are only
ever added.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import pyarrow as pa

ROW_GROUP_ROWS: Final = 20_000  # whose statistics are the index of the lake
DATE, HOUR = "event_date", "event_hour"
FIELD_PREFIX: Final = "field_"  # of the columns of declared fields
FieldKind = Literal["number", "text"]

RAW: Final = pa.schema(
    [  # the record as it was
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("record_time_ms", pa.int64(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("payload", pa.binary()),
        pa.field("headers", pa.map_(pa.string(), pa.binary())),
    ]
)
TYPED: Final = pa.schema(
    [  # what it says, for people; null in a record that is no event
        pa.field("user_id", pa.string()),
        pa.field("event_id", pa.string()),
        pa.field("type", pa.string()),  # a word of UserEvent.Type as it was sent, or the name of a declared type
        pa.field("event_time_ms", pa.int64()),
        pa.field("item_id", pa.string()),
        pa.field("category", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("currency", pa.string()),
        pa.field("channel", pa.string()),
        pa.field("name", pa.string()),
        pa.field("properties", pa.map_(pa.string(), pa.string())),
        pa.field("reason", pa.string()),  # why it is no event: the reason of its dead letter, or HEAL_ORDER
    ]
)
_KINDS: Final = {"number": pa.float64(), "text": pa.string()}


def schema_of(declared: Mapping[str, FieldKind] | None = None) -> pa.Schema:
    """Return the schema of a file: the record, what it says, and a column `field_<name>` for each declared field."""
    fields = [pa.field(f"{FIELD_PREFIX}{name}", _KINDS[kind]) for name, kind in sorted((declared or {}).items())]
    return pa.schema([*RAW, *TYPED, *fields])


def folder_of(time_ms: int) -> str:
    """Return the folder, below that of the topic, of events of this time; milliseconds since the epoch, in UTC."""
    time = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{DATE}={time:%Y-%m-%d}/{HOUR}={time:%H}"
