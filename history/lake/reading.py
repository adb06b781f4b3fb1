"""Reads a lake: which stretches of offsets it has, and the records of one, each once, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from numpy.typing import NDArray

from driftline.errors import InputError
from history.lake.layout import DATE, HOUR, RAW, ROW_GROUP_ROWS
from history.lake.location import Location

STRETCH_OFFSETS: Final = ROW_GROUP_ROWS
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
        self._dataset = self._opened()

    def files(self) -> list[str]:
        """Return the paths of the files that are read."""
        return [fragment.path for fragment in self._fragments()]

    def stretches(self) -> list[Stretch]:
        """Return what the lake has, by partition and offset, in stretches on a grid of STRETCH_OFFSETS.

        Reads three columns of all files.
        """
        found: dict[tuple[int, int], Stretch] = {}
        for batch in self._batches(_PLACE):
            for stretch in _stretches_of(*(batch.column(name).to_numpy() for name in _PLACE)):
                at = stretch.partition, stretch.begin // STRETCH_OFFSETS
                found[at] = _joined(found[at], stretch) if at in found else stretch
        return [found[at] for at in sorted(found)]

    def read(self, partition: int, begin: int, end: int, columns: Sequence[str] = RAW.names) -> pa.Table:
        """Return the rows of a partition from offset `begin` up to but not including `end`, each once, by offset."""
        at = ds.field("partition"), ds.field("offset")
        within = (at[0] == partition) & (at[1] >= begin) & (at[1] < end)
        names = list(dict.fromkeys(["offset", *columns]))
        try:
            table = self._dataset.to_table(columns=names, filter=self._dated(within))
        except FileNotFoundError:  # a compaction has replaced files since
            self._dataset = self._opened()
            table = self._dataset.to_table(columns=names, filter=self._dated(within))
        return each_once(table).select(columns)

    def scan(self, columns: Sequence[str], where: ds.Expression | None = None) -> Iterator[pa.RecordBatch]:
        """Yield rows in no order, perhaps twice; columns that some files lack are null there."""
        return self._batches(columns, where)

    def schema(self) -> pa.Schema:
        """Return the columns of all files together, and those of the folders."""
        return self._dataset.schema

    def _batches(self, columns: Sequence[str], where: ds.Expression | None = None) -> Iterator[pa.RecordBatch]:
        batches: Iterable[pa.RecordBatch] = self._dataset.to_batches(columns=list(columns), filter=self._dated(where))
        return (batch for batch in batches if batch.num_rows)

    def _dated(self, where: ds.Expression | None) -> ds.Expression | None:
        if self._since:
            later = ds.field(DATE) >= self._since
            where = later if where is None else where & later
        if self._until:
            earlier = ds.field(DATE) <= self._until
            where = earlier if where is None else where & earlier
        return where

    def _fragments(self) -> list[ds.ParquetFileFragment]:
        return list(self._dataset.get_fragments(filter=self._dated(None)))

    def _opened(self) -> ds.FileSystemDataset:
        files, path = self.location
        selector = pafs.FileSelector(path, recursive=True, allow_not_found=True)
        paths = [info.path for info in files.get_file_info(selector) if _is_data(info, path)]
        if not paths:
            message = f"no lake in {path}: `driftline submit archive-events` or `driftline lake import` fills one"
            raise InputError(message)
        format_ = ds.ParquetFileFormat()
        options = {"filesystem": files, "format": format_, "partitioning": _PARTITIONING, "partition_base_dir": path}
        try:
            schemas = [format_.inspect(one, files) for one in paths]
            schema = pa.unify_schemas([*schemas, *[_PARTITIONING.schema]], promote_options="permissive")
            return ds.dataset(sorted(paths), schema=schema, **options)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
            message = f"the lake in {path} cannot be read: {error}"
            raise InputError(message) from None


def each_once(table: pa.Table) -> pa.Table:
    """Return the rows of one partition by offset, each once."""
    table = table.take(pc.sort_indices(table, sort_keys=[("offset", "ascending")]))
    offsets = table.column("offset").to_numpy()
    if len(offsets) < 2 or bool((offsets[1:] != offsets[:-1]).all()):  # noqa: PLR2004  (usual: nothing is twice)
        return table
    return table.filter(pa.array(np.concatenate([[True], offsets[1:] != offsets[:-1]])))


def _is_data(info: pafs.FileInfo, path: str) -> bool:
    """Whether a file is one of the lake: those that are being written begin with a dot or an underscore."""
    if info.type != pafs.FileType.File or not info.size:
        return False
    return not any(part.startswith((".", "_")) for part in info.path.removeprefix(path).split("/"))


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
