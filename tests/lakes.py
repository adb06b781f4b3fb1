"""Histories of records with everything that may happen on a topic, and lakes of them."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError

from console.simulator import SimulationSpec, simulate, user_event
from driftline.event.v1.event_pb2 import UserEvent
from history.lake.layout import RAW, folder_of
from history.lake.location import locate
from history.lake.writing import write_file
from tests.builders import DAY, MINUTE, T0

TOPIC = "events"


class TopicRecord(NamedTuple):
    """A record of a topic."""

    partition: int
    offset: int
    record_time_ms: int
    key: bytes | None
    payload: bytes | None


def partition_of(key: bytes | None, partitions: int) -> int:
    return zlib.crc32(key or b"") % partitions


def eventful_history(  # noqa: PLR0917  (each by name)
    users: int = 12, events: int = 300, seed: int = 0, partitions: int = 2, disorder_ms: int = MINUTE, days: float = 2.0
) -> list[TopicRecord]:
    """A simulated history in the order of arrival, with repeats, events that are late, forgotten users and poison."""
    spec = SimulationSpec(
        users=users, events=events, seed=seed, disorder_ms=disorder_ms // 2, duplicates=0.1, start_ms=T0, days=days
    )
    rng = np.random.default_rng([seed, 77])
    found: list[tuple[int, bytes | None, bytes | None]] = []
    for simulated in simulate(spec):
        message = user_event(simulated)
        found.append((message.event_time_ms, message.user_id.encode(), message.SerializeToString()))
    for at in sorted(rng.integers(1, len(found), max(1, len(found) // 15)), reverse=True):
        found.insert(int(at), _odd(rng, found[: int(at)]))
    return numbered([(time_ms, key, value) for time_ms, key, value in found], partitions)


def numbered(records: Iterable[tuple[int, bytes | None, bytes | None]], partitions: int) -> list[TopicRecord]:
    """Records with places, of their timestamps, keys and values."""
    ends: dict[int, int] = defaultdict(int)
    made = []
    for time_ms, key, value in records:
        partition = partition_of(key, partitions)
        made.append(TopicRecord(partition, ends[partition], time_ms, key, value))
        ends[partition] += 1
    return made


def _odd(
    rng: np.random.Generator, before: Sequence[tuple[int, bytes | None, bytes | None]]
) -> tuple[int, bytes | None, bytes | None]:
    """A late event, a FORGET, a tombstone, a record without a key, of another's key, or that nobody can read."""
    now_ms, key, value = before[-1]
    message = UserEvent.FromString(value) if value and key else UserEvent(user_id="nobody", event_id="x")
    number = int(rng.integers(0, 1 << 30))
    kind = int(rng.integers(0, 7))
    if kind == 0:
        message.event_time_ms, message.event_id = now_ms - int(rng.integers(1, 3)) * DAY, f"late-{number}"
        return now_ms, key, message.SerializeToString()
    if kind == 1:
        forget = UserEvent(
            event_id=f"forget-{number}", user_id=message.user_id, type=UserEvent.FORGET, event_time_ms=now_ms
        )
        return now_ms, message.user_id.encode(), forget.SerializeToString()
    odd: list[tuple[bytes | None, bytes | None]] = [
        (key, None),
        (None, value),
        (b"another", value),
        (key, json.dumps({"not": "protobuf"}).encode()),
        (b"k" * 5_000, value),
    ]
    return now_ms, *odd[kind - 2]


def write_lake(folder: Path, records: Iterable[TopicRecord], topic: str = TOPIC, files: int = 2) -> Path:
    """Write records as a lake, in several files an hour; returns its folder."""
    by_folder: dict[str, list[TopicRecord]] = defaultdict(list)
    for record in records:
        by_folder[folder_of(record.record_time_ms)].append(record)
    root = locate(str(folder)).below(topic)
    for name, rows in by_folder.items():
        for number in range(files):
            if part := rows[number::files]:
                write_file(raw_table(part), root.below(*name.split("/")))
    return folder


def raw_table(records: Sequence[TopicRecord]) -> pa.Table:
    """The columns of the records as they were."""
    rows = [record._asdict() | {"headers": []} for record in records]
    return pa.Table.from_pylist(rows, schema=RAW)


def forgotten_users(payloads: Iterable[bytes | None]) -> set[str]:
    """The users of whom there is a FORGET: what live had published of them before, a large block never knew."""
    found = set()
    for payload in payloads:
        try:
            event = UserEvent.FromString(payload or b"")
        except DecodeError:
            continue
        if event.type == UserEvent.FORGET:
            found.add(event.user_id)
    return found
