"""Files records in a lake, each by the time of its event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from driftline.units import HOUR_MS
from history.lake.layout import folder_of
from history.lake.location import Location
from history.lake.typed import Record, Typer, filed_ms
from history.lake.writing import write_file


def file_records(records: Sequence[Record], typer: Typer, topic: Location, now_ms: int) -> list[str]:
    """Write records into the folders of their hours, one file in each, and return the paths.

    Args:
        records: of one topic.
        typer: makes their typed columns.
        topic: the topic's folder in the lake.
        now_ms: wall-clock time; only bounds how far ahead an event may be.
    """
    if not records:
        return []
    table = typer.table(records, now_ms)
    times_ms = zip(table.column("event_time_ms").to_pylist(), (one.record_time_ms for one in records), strict=True)
    hours = np.array([filed_ms(*pair) // HOUR_MS for pair in times_ms], np.int64)
    return [
        write_file(table.filter(pa.array(hours == hour)), topic.below(*folder_of(int(hour) * HOUR_MS).split("/")))
        for hour in np.unique(hours)
    ]
