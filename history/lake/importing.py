"""Writes records into a lake without Kafka: in files that become a part of it at one moment (see `files`)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from numpy.typing import NDArray

from driftline.units import DAY_MS, HOUR_MS, MIB
from history.lake.files import COMMITTED, IMPORTED, STAGED, current_files, staged_folders
from history.lake.layout import folder_of
from history.lake.location import Location
from history.lake.typed import Record, Typer
from history.lake.writing import write_bytes, write_file

_RECORDS_A_TABLE: Final = 20_000
_BUFFERED_BYTES_MAX: Final = 256 * MIB  # of rows in memory; then a file an hour is written
_ABANDONED_MS: Final = DAY_MS  # an import that has written nothing for so long has crashed


class LakeEnd(NamedTuple):
    """What an import has to know of a lake.

    Attributes:
        next_offsets: what follows the last offset of each partition.
        imported: what was imported, name by SHA-256.
        archived: a file that was not imported; empty if there is none.
    """

    next_offsets: dict[int, int]
    imported: dict[str, str]
    archived: str


def lake_end(location: Location) -> LakeEnd:
    """Look where a lake ends, which may have no files yet. Raises InputError if it cannot be read."""
    ends: dict[int, int] = {}
    imported: dict[str, str] = {}
    archived = ""
    for file, footer in current_files(location):
        if footer.imported is None:
            archived = archived or file.path
        imported.update(footer.imported or {})
        with location.files.open_input_file(file.path) as source:
            for partition, end in _ends(pq.ParquetFile(source)).items():
                ends[partition] = max(ends.get(partition, 0), end)
    return LakeEnd(ends, imported, archived)


class Import:
    """Records that are on their way into a lake. Call `commit` at the end, or `discard`.

    Args:
        location: the folder of the topic.
        typer: makes the typed columns.
        next_offsets: the first offset of each partition; others begin at 0.
        sources: what is imported, name by SHA-256; kept in the first file.
        now_ms: the wall clock; only bounds how far ahead an event may be.

    Attributes:
        rows: records taken.
        no_events: of them, those that the job would reject.
        files: written.
    """

    def __init__(
        self,
        location: Location,
        typer: Typer,
        next_offsets: Mapping[int, int],
        sources: Mapping[str, str],
        now_ms: int,
    ) -> None:
        self.rows = self.no_events = self.files = 0
        self._location = location
        self._typer = typer
        self._next = dict(next_offsets)
        self._sources = dict(sorted(sources.items()))
        self._now_ms = now_ms
        self._name = f"{STAGED}{uuid.uuid4().hex}"
        self._records: list[Record] = []
        self._tables: dict[int, list[pa.Table]] = {}  # by hour since the epoch
        self._buffered_bytes = 0

    def add(self, partition: int, key: bytes, payload: bytes, record_time_ms: int) -> None:
        """Take a record; its offset is the next one of the partition."""
        offset = self._next.get(partition, 0)
        self._next[partition] = offset + 1
        self._records.append(Record(partition, offset, record_time_ms, key, payload, {}))
        self.rows += 1
        if len(self._records) >= _RECORDS_A_TABLE:
            self._buffer()
            if self._buffered_bytes >= _BUFFERED_BYTES_MAX:
                self._write()

    def commit(self) -> None:
        """Make it all a part of the lake."""
        self._buffer()
        self._write()
        if self.files:
            write_bytes(b'{"committed": true}\n', self._location.below(self._name, COMMITTED))
            _move_into_place(self._location, self._name)

    def discard(self) -> None:
        """Delete what was written."""
        if self.files:
            _delete_folder(self._location.below(self._name))

    def _buffer(self) -> None:
        """Make rows of the records, by the hour of their folder."""
        if not self._records:
            return
        table = self._typer.table(self._records, self._now_ms)
        self._records = []
        self.no_events += table.num_rows - table.column("reason").null_count
        for hour, rows in by_hour(table):
            self._tables.setdefault(hour, []).append(rows)
        self._buffered_bytes += table.nbytes

    def _write(self) -> None:
        for hour, tables in sorted(self._tables.items()):
            folder = self._location.below(self._name, *folder_of(hour * HOUR_MS).split("/"))
            # One file names all sources: a hundred names in thousands of small files would be most of their bytes.
            write_file(pa.concat_tables(tables), folder, {IMPORTED: json.dumps({} if self.files else self._sources)})
            self.files += 1
        self._tables = {}
        self._buffered_bytes = 0


def finish_imports(location: Location, now_ms: int) -> None:
    """Move what crashed imports had committed into place, and delete what they had not, a day after they crashed."""
    for name, folder in staged_folders(location).items():
        if folder.committed:
            _move_into_place(location, name)
        elif folder.modified_ms < now_ms - _ABANDONED_MS:
            _delete_folder(location.below(name))


def _move_into_place(location: Location, name: str) -> None:
    files, path = location.below(name)
    for info in files.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True)):
        rest = info.path.removeprefix(f"{path}/")
        if info.type != pafs.FileType.File or rest == COMMITTED:
            continue
        target = location.below(*rest.split("/"))
        if not isinstance(files, pafs.S3FileSystem):
            files.create_dir(target.path.rpartition("/")[0], recursive=True)
        try:
            files.move(info.path, target.path)
        except FileNotFoundError:
            if files.get_file_info(info.path).type != pafs.FileType.NotFound:
                raise
            # Another process, which finishes it, too, has moved it.
    _delete_folder(location.below(name))


def _delete_folder(folder: Location) -> None:
    """Delete the files of a folder, that which commits it last, and the folder as far as the storage has folders."""
    files, path = folder
    found = files.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    paths = [info.path for info in found if info.type == pafs.FileType.File]
    for one in sorted(paths, key=lambda one: one.endswith(f"/{COMMITTED}")):
        with suppress(FileNotFoundError):
            files.delete_file(one)
    # In S3 what is left are marks of folders, without files, which some servers refuse to delete in any order.
    with suppress(OSError if isinstance(files, pafs.S3FileSystem) else FileNotFoundError):
        files.delete_dir(path)


def by_hour(table: pa.Table) -> list[tuple[int, pa.Table]]:
    """Return the rows by hour since the epoch, as `typed.filed_ms` files them."""
    times_ms = pc.coalesce(table.column("event_time_ms"), table.column("record_time_ms")).to_numpy()
    hours: NDArray[np.int64] = np.maximum(times_ms, 0) // HOUR_MS
    order = np.argsort(hours, kind="stable")
    table, hours = table.take(pa.array(order)), hours[order]
    begins = [0, *(np.flatnonzero(hours[1:] != hours[:-1]) + 1).tolist(), len(hours)]
    return [(int(hours[begin]), table.slice(begin, end - begin)) for begin, end in pairwise(begins)]


def _ends(file: Any) -> dict[int, int]:
    """What follows the largest offset of each partition in a file."""
    found: dict[int, int] = {}
    for batch in file.iter_batches(columns=["partition", "offset"]):
        largest = pa.Table.from_batches([batch]).group_by("partition").aggregate([("offset", "max")])
        columns = (largest.column(name).to_pylist() for name in ("partition", "offset_max"))
        for partition, offset in zip(*columns, strict=True):
            found[partition] = max(found.get(partition, 0), offset + 1)
    return found
