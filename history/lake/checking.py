"""Reads a lake through: what of each partition is there, what is there more than once, and which files are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from driftline.errors import InputError
from history.lake.coverage import Coverage, OffsetSet, Span, coverages, pieces
from history.lake.files import DataFile, Footer, data_files, footer_of, not_replaced, one_line
from history.lake.layout import RAW, ROW_GROUP_ROWS
from history.lake.location import Location
from history.lake.verifying import differing_offsets
from history.lake.writing import write_bytes

NO_RECORDS: Final = "_no_records.json"  # beside the files: offsets that were found to be no records, by partition
_SPANS_KEPT_MAX: Final = 100_000
_TRIES_MAX: Final = 5
_READERS: Final = 8
_PLACE: Final = ("partition", "offset")


@dataclass
class Check:
    """What a lake has.

    Attributes:
        files, rows: how many can be read.
        coverages: by partition.
        differing: of the offsets that are there more than once, those with several contents, by partition.
        damaged: why a file cannot be read, by its path.
        archived: whether there is a file that was not imported.
        newest_ms: when the newest file was written.
    """

    files: int = 0
    rows: int = 0
    coverages: dict[int, Coverage] = field(default_factory=dict)
    differing: dict[int, OffsetSet] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    archived: bool = False
    newest_ms: int = 0

    @property
    def has_gaps(self) -> bool:
        """Whether offsets are missing between others."""
        return any(one.seen.count < one.seen.end - one.seen.begin for one in self.coverages.values())

    def as_far_as(self, before: Check) -> Check:
        """Return what there is up to where an earlier check has seen each partition end."""
        ends = {partition: one.seen.end for partition, one in before.coverages.items()}
        seen = {
            partition: one.before(ends[partition]) for partition, one in self.coverages.items() if partition in ends
        }
        return replace(self, coverages=seen)


def check(
    location: Location, *, deep: bool = False, report: Callable[[int, int], object] = lambda at, of: None
) -> Check:
    """Read a lake through.

    Args:
        location: the folder of the topic.
        deep: read every column, not only the places of rows.
        report: is told how many files of how many have been read.

    Raises:
        InputError: there is no lake, or its files change faster than they can be read.
    """
    for _ in range(_TRIES_MAX):
        try:
            return _checked(location, deep=deep, report=report)
        except FileNotFoundError:  # a compaction has replaced it since
            continue
    message = f"the files of the lake in {location.path} change faster than they can be read; try again"
    raise InputError(message)


def _checked(location: Location, *, deep: bool, report: Callable[[int, int], object]) -> Check:
    found = Check()
    files = _readable(location, data_files(location), found.damaged)
    if not files and not found.damaged:
        message = f"no lake in {location.path}: `driftline submit archive-events` or `driftline lake import` fills one"
        raise InputError(message)
    whole: list[str] = []
    for at, (file, footer) in enumerate(files, start=1):
        try:
            for partitions, offsets in _places(location, file.path, deep=deep):
                coverages(partitions, offsets, found.coverages)
        except FileNotFoundError:
            raise
        except (pa.ArrowInvalid, OSError) as error:
            found.damaged[file.path] = one_line(error)
        else:
            found.files, found.rows = found.files + 1, found.rows + footer.rows
            found.archived = found.archived or footer.imported is None
            found.newest_ms = max(found.newest_ms, file.modified_ms)
            whole.append(file.path)
        report(at, len(files))
    _compare_repeated(location, whole, found)
    return found


def _readable(location: Location, files: Sequence[DataFile], damaged: dict[str, str]) -> list[tuple[DataFile, Footer]]:
    """Return the files whose ends can be read, without replaced ones."""

    def read(file: DataFile) -> Footer | str:
        try:
            footer = footer_of(location, file.path)
        except FileNotFoundError:
            raise
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            return one_line(error)
        missing = [name for name in RAW.names if name not in footer.schema.names]
        return f"has no column {', '.join(missing)}" if missing else footer

    good = []
    with ThreadPoolExecutor(_READERS) as pool:
        for file, footer in zip(files, pool.map(read, files), strict=True):
            if isinstance(footer, Footer):
                good.append((file, footer))
            else:
                damaged[file.path] = footer
    return not_replaced(good)


def _places(
    location: Location, path: str, *, deep: bool
) -> Iterator[tuple[np.ndarray[tuple[int], np.dtype[np.int32]], np.ndarray[tuple[int], np.dtype[np.int64]]]]:
    """Yield partitions and offsets of a file's rows."""
    with location.files.open_input_file(path) as source:
        for batch in pq.ParquetFile(source).iter_batches(ROW_GROUP_ROWS, columns=None if deep else list(_PLACE)):
            yield batch.column("partition").to_numpy(), batch.column("offset").to_numpy()


def _compare_repeated(location: Location, paths: Sequence[str], found: Check) -> None:
    """Find out which of the repeated offsets have several contents."""
    repeated = {partition: one.twice for partition, one in found.coverages.items() if one.twice.count}
    if not repeated:
        return
    dataset = ds.dataset(sorted(paths), schema=RAW, format="parquet", filesystem=location.files)
    at = ds.field("partition"), ds.field("offset")
    for partition, offsets in repeated.items():
        differing = found.differing.setdefault(partition, OffsetSet())
        for span in pieces(offsets.spans(), ROW_GROUP_ROWS):
            within = (at[0] == partition) & (at[1] >= span.begin) & (at[1] < span.end)
            try:
                rows = dataset.to_table(filter=within)
            except FileNotFoundError:
                raise
            except OSError as error:
                message = f"the lake in {location.path} cannot be read: {one_line(error)}"
                raise InputError(message) from None
            differing.add(np.array(differing_offsets(rows), np.int64))


def read_no_records(location: Location) -> dict[int, OffsetSet]:
    """Return the offsets that were found to be no records when Kafka was asked, by partition."""
    try:
        with location.files.open_input_file(location.below(NO_RECORDS).path) as source:
            spans = json.loads(source.read())
        return {int(partition): OffsetSet([Span(*one) for one in some]) for partition, some in spans.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        message = f"{location.below(NO_RECORDS).path} is damaged ({error}); delete it: it is found again from Kafka"
        raise InputError(message) from None


def keep_no_records(location: Location, found: dict[int, OffsetSet]) -> bool:
    """Keep them, because Kafka may delete what tells. Returns whether there was room for all."""
    spans = {str(partition): list(one.spans()) for partition, one in sorted(found.items()) if one.count}
    if sum(map(len, spans.values())) > _SPANS_KEPT_MAX:
        return False
    if spans:
        write_bytes(json.dumps(spans).encode(), location.below(NO_RECORDS))
    return True
