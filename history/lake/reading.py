"""Reads a lake: which stretches of offsets it has, and the records of one, each once, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from driftline.errors import InputError
from history.lake.files import DataFile, Footer, current_files, one_line, unreadable
from history.lake.layout import DATE, HOUR, RAW, ROW_GROUP_ROWS
from history.lake.location import Location

STRETCH_OFFSETS: Final = ROW_GROUP_ROWS
_READS_MAX: Final = 3  # of files that a compaction replaces meanwhile
_FILES_A_SCAN: Final = 64  # rows of so many may come again then
_PLACE: Final = ("partition", "offset", "record_time_ms")
_PARTITIONING: Final = ds.HivePartitioning(pa.schema([(DATE, pa.string()), (HOUR, pa.string())]))


class Stretch(NamedTuple):
    """The records of a partition between two offsets.

    Attributes:
        partition, begin, end: its offsets, `end` excluded.
        rows: how many there are at least once; more where a file was copied.
        oldest_ms, newest_ms: of their record timestamps.
    """

    partition: int
    begin: int
    end: int
    rows: int
    oldest_ms: int
    newest_ms: int


class Lake:
    """The files of a topic's lake, as they were when it was opened.

    Args:
        location: the folder of the topic.
        since, until: the first and the last event date to read, like 2026-01-05; empty: all.

    Raises:
        InputError: there are no files, or what is there is no lake.
    """

    def __init__(self, location: Location, since: str = "", until: str = "") -> None:
        self.location = location
        self._since, self._until = since, until
        self._open()

    def files(self) -> list[str]:
        """Return the paths of the files that are read."""
        return [file.path for file, _ in self._contents]

    def contents(self) -> list[tuple[DataFile, Footer]]:
        """Return the files that are read, and what their ends say."""
        return list(self._contents)

    def stretches(self) -> list[Stretch]:
        """Return what the lake has, by partition and offset, in stretches on a grid of STRETCH_OFFSETS.

        Reads three columns of all files.
        """
        found: dict[tuple[int, int], Stretch] = {}
        for batch in self.scan(_PLACE):
            for stretch in _stretches_of(*(batch.column(name).to_numpy() for name in _PLACE)):
                at = stretch.partition, stretch.begin // STRETCH_OFFSETS
                found[at] = _joined(found[at], stretch) if at in found else stretch
        return [found[at] for at in sorted(found)]

    def read(self, partition: int, begin: int, end: int, columns: Sequence[str] = RAW.names) -> pa.Table:
        """Return the rows of a partition from offset `begin` up to but not including `end`, each once, by offset."""
        return each_once(self.read_all(partition, begin, end, columns)).select(columns)

    def read_all(self, partition: int, begin: int, end: int, columns: Sequence[str] = RAW.names) -> pa.Table:
        """Return such rows as often as they are there, in no order, and their offsets."""
        at = ds.field("partition"), ds.field("offset")
        within = (at[0] == partition) & (at[1] >= begin) & (at[1] < end)
        names = list(dict.fromkeys(["offset", *columns]))
        for _ in range(_READS_MAX - 1):
            try:
                return self._around(partition, begin, end).to_table(columns=names, filter=within)
            except OSError:  # a compaction has replaced files since
                self._open()
        with self._readable():
            return self._around(partition, begin, end).to_table(columns=names, filter=within)

    def pieces(self, partition: int, begin: int, end: int, bytes_max: int) -> list[tuple[int, int]]:
        """Return the offsets from `begin` to `end` in pieces that take about `bytes_max` at most, from files' ends."""
        footers = [footer for _, footer in self._contents if footer.may_hold(partition, begin, end)]
        row_bytes = max((footer.unpacked_bytes / max(footer.rows, 1) for footer in footers), default=0.0)
        step = max(1, int(bytes_max / row_bytes)) if row_bytes else max(1, end - begin)
        return [(at, min(at + step, end)) for at in range(begin, end, step)]

    def scan(self, columns: Sequence[str], where: ds.Expression | None = None) -> Iterator[pa.RecordBatch]:
        """Yield rows in no order, perhaps twice; columns that some files lack are null there."""
        read: set[tuple[str, str, str]] = set()
        for _ in range(_READS_MAX - 1):
            try:
                yield from self._unread(read, columns, where)
            except OSError:  # a compaction has replaced files since; rows of those that were read come again
                self._open()
            else:
                return
        with self._readable():
            yield from self._unread(read, columns, where)

    def reopened(self) -> Lake:
        """Return the lake as it is now."""
        return Lake(self.location, self._since, self._until)

    def schema(self) -> pa.Schema:
        """Return the columns of all files together, and those of the folders."""
        return self._dataset.schema

    def dataset(self) -> ds.Dataset:
        """Return the files as a data set of pyarrow's; what is there twice is twice in it."""
        return self._dataset

    def _unread(
        self, read: set[tuple[str, str, str]], columns: Sequence[str], where: ds.Expression | None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of files that are not among those `read`, and add them there."""
        unread = [file for file, _ in self._contents if file.identity not in read]
        for begin in range(0, len(unread), _FILES_A_SCAN):
            some = unread[begin : begin + _FILES_A_SCAN]
            batches = self._of([file.path for file in some]).to_batches(columns=list(columns), filter=where)
            yield from (batch for batch in batches if batch.num_rows)
            read.update(file.identity for file in some)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Have the error of a damaged file say what to do."""
        try:
            yield
        except (OSError, pa.ArrowInvalid) as error:
            raise unreadable(self.location, error) from None

    def _open(self) -> None:
        self._contents = current_files(self.location, self._since, self._until)
        if not self._contents:
            raise InputError(self._nothing())
        schemas = [*dict.fromkeys(footer.schema for _, footer in self._contents), _PARTITIONING.schema]
        try:
            self._schema = pa.unify_schemas(schemas, promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            message = f"the lake in {self.location.path} has files whose columns do not go together: {one_line(error)}"
            raise InputError(message) from None
        missing = [name for name in RAW.names if name not in self._schema.names]
        if missing:
            message = f"{self.location.path} is no lake: its files have no column {', '.join(missing)}"
            raise InputError(message)
        self._dataset = self._of(self.files())
        self._fragments = {one.path: one for one in self._dataset.get_fragments()}

    def _nothing(self) -> str:
        """What to say where there are no files."""
        if self._since or self._until:
            return f"no records of event dates {self._since}..{self._until} are in the lake in {self.location.path}"
        path = self.location.path
        return f"no lake in {path}: `driftline submit archive-events` or `driftline lake import` fills one"

    def _around(self, partition: int, begin: int, end: int) -> ds.FileSystemDataset:
        """The files that may have such rows; their ends are read once."""
        paths = [file.path for file, footer in self._contents if footer.may_hold(partition, begin, end)]
        some = [self._fragments[path] for path in paths]
        return ds.FileSystemDataset(some, self._schema, ds.ParquetFileFormat(), self.location.files)

    def _of(self, paths: list[str]) -> ds.FileSystemDataset:
        files, path = self.location
        options = {"filesystem": files, "format": ds.ParquetFileFormat(), "partitioning": _PARTITIONING}
        return ds.dataset(sorted(paths), schema=self._schema, partition_base_dir=path, **options)


def each_once(table: pa.Table) -> pa.Table:
    """Return the rows of one partition by offset, each once."""
    table = table.take(pc.sort_indices(table, sort_keys=[("offset", "ascending")]))
    offsets = table.column("offset").to_numpy()
    if len(offsets) < 2 or bool((offsets[1:] != offsets[:-1]).all()):  # noqa: PLR2004  (usual: nothing is twice)
        return table
    return table.filter(pa.array(np.concatenate([[True], offsets[1:] != offsets[:-1]])))


def _stretches_of(
    partitions: NDArray[np.int32], offsets: NDArray[np.int64], times_ms: NDArray[np.int64]
) -> list[Stretch]:
    """Return the stretches of some rows."""
    cells = offsets // STRETCH_OFFSETS
    order = np.lexsort((cells, partitions))
    partitions, offsets, times_ms, cells = partitions[order], offsets[order], times_ms[order], cells[order]
    borders = np.flatnonzero((partitions[1:] != partitions[:-1]) | (cells[1:] != cells[:-1])) + 1
    starts = np.concatenate([[0], borders])
    columns = (
        partitions[starts],
        np.minimum.reduceat(offsets, starts),
        np.maximum.reduceat(offsets, starts) + 1,
        np.diff(np.append(starts, len(offsets))),
        np.minimum.reduceat(times_ms, starts),
        np.maximum.reduceat(times_ms, starts),
    )
    return [Stretch(*map(int, row)) for row in zip(*columns, strict=True)]


def _joined(one: Stretch, other: Stretch) -> Stretch:
    return Stretch(
        one.partition,
        min(one.begin, other.begin),
        max(one.end, other.end),
        one.rows + other.rows,
        min(one.oldest_ms, other.oldest_ms),
        max(one.newest_ms, other.newest_ms),
    )
