"""Files records in a lake, each by the time of its event."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.units import HOUR_MS
from history.lake.importing import by_hour
from history.lake.layout import folder_of
from history.lake.location import Location
from history.lake.typed import Record, Typer
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
    return [
        write_file(table, topic.below(*folder_of(hour * HOUR_MS).split("/")))
        for hour, table in by_hour(typer.table(records, now_ms))
    ]
