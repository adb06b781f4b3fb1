"""Writes files of a lake, whole or not at all, for imports and compactions; archive-events has Flink's own sink."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from history.lake.layout import ROW_GROUP_ROWS
from history.lake.location import Location


def write_file(table: pa.Table, folder: Location, metadata: Mapping[str, str] | None = None, name: str = "") -> str:
    """Write rows as one file, in the order of partition and offset, and return its path.

    Args:
        table: the rows; its schema has the columns of `layout.schema_of`.
        folder: where: `location.below(topic, *folder_of(time_ms).split("/"))`.
        metadata: kept in the file, beside what Arrow keeps.
        name: of the file; empty: a new one.
    """
    files, path = folder
    name = name or f"{uuid.uuid4().hex}.parquet"
    ordered = table.sort_by([("partition", "ascending"), ("offset", "ascending")])
    if metadata:
        ordered = ordered.replace_schema_metadata({**(ordered.schema.metadata or {}), **metadata})
    if isinstance(files, pafs.S3FileSystem):  # an object is there when it is complete
        _write(ordered, files, f"{path}/{name}")
    else:
        files.create_dir(path, recursive=True)
        hidden = f"{path}/.{name}"
        _write(ordered, files, hidden)
        files.move(hidden, f"{path}/{name}")
    return f"{path}/{name}"


def write_bytes(content: bytes, place: Location) -> None:
    """Write a small file, whole or not at all."""
    files, path = place
    folder, _, name = path.rpartition("/")
    if isinstance(files, pafs.S3FileSystem):
        with files.open_output_stream(path) as sink:
            sink.write(content)
        return
    files.create_dir(folder, recursive=True)
    hidden = f"{folder}/.{name}"
    with files.open_output_stream(hidden) as sink:
        sink.write(content)
    files.move(hidden, path)


def _write(table: pa.Table, files: pafs.FileSystem, path: str) -> None:
    pq.write_table(table, path, filesystem=files, compression="zstd", row_group_size=ROW_GROUP_ROWS)
