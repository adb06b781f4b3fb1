"""Files of lakes for tests: rows as plain places, and what a lake holds as plain lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from history.lake.layout import folder_of, schema_of
from history.lake.location import Location, locate
from history.lake.reading import Lake
from history.lake.writing import write_file
from tests.builders import HOUR, T0

Place = tuple[int, int]  # partition and offset


def rows_of(places: Iterable[Place], *, payload: bytes = b"", at_ms: int = T0, **columns: Any) -> pa.Table:
    """Rows at places, a second apart by offset; the payload names the place unless it is given."""
    found = list(places)
    values: dict[str, list[Any]] = {
        "partition": [partition for partition, _ in found],
        "offset": [offset for _, offset in found],
        "record_time_ms": [at_ms + offset * 1_000 for _, offset in found],
        "key": [b"u%d" % partition for partition, _ in found],
        "payload": [payload or b"%d:%d" % place for place in found],
        "headers": [[] for _ in found],
    }
    values |= {name: [value] * len(found) for name, value in columns.items()}
    schema = schema_of()
    return pa.table({name: values.get(name, [None] * len(found)) for name in schema.names}, schema=schema)


def lake_in(folder: Path, topic: str = "events") -> Location:
    """The folder of a topic's lake."""
    return locate(str(folder)).below(topic)


def put(
    location: Location,
    rows: pa.Table,
    *,
    hour: int = 0,
    metadata: Mapping[str, str] | None = None,
    name: str = "",
) -> str:
    """Write rows as a file of an hour after T0."""
    return write_file(rows, location.below(*folder_of(T0 + hour * HOUR).split("/")), metadata, name)


def places_of(location: Location) -> list[Place]:
    """The places of all rows that a reader sees, as often as it sees them, sorted."""
    return sorted(
        place
        for batch in Lake(location).scan(["partition", "offset"])
        for place in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
    )
