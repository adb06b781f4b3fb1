"""Merges the small files of a lake's folders into larger ones.

The steps of a merge: write a file that names those it replaces, then delete them. From the moment it is there readers
leave the replaced ones out (see `files`): nothing is seen twice, and a run that crashes is finished by the next. Its
name is made of theirs: a merge that is begun again writes the same file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from driftline.errors import InputError
from driftline.units import HOUR_MS, MIB
from history.lake.files import (
    IMPORTED,
    REPLACES,
    DataFile,
    Footer,
    data_files,
    footer_of,
    footers_of,
    not_replaced,
    unreadable,
)
from history.lake.importing import finish_imports
from history.lake.layout import RAW
from history.lake.location import Location
from history.lake.writing import write_file

_MERGED: Final = re.compile(r"^\.?merged-[0-9a-f]{32}\.parquet$")
_LOOKS_MAX: Final = 5
_FEW: Final = 2  # so many files are worth a merge


@dataclass(frozen=True, kw_only=True)
class CompactionBounds:
    """What is merged.

    Attributes:
        file_bytes_max: of the files that are merged into one, together; one of more than half of it is left alone.
        unpacked_bytes_max: the same in memory.
        older_than_ms: younger files are left alone. A job that is resumed from a checkpoint may write those anew that
            it has written since.
    """

    file_bytes_max: int = 128 * MIB
    unpacked_bytes_max: int = 512 * MIB
    older_than_ms: int = 2 * HOUR_MS


class Merge(NamedTuple):
    """Files of a folder that are to become one, in the order of their first rows."""

    files: tuple[DataFile, ...]
    footers: tuple[Footer, ...]

    @property
    def folder(self) -> str:
        """The path of their folder."""
        return self.files[0].folder

    @property
    def rows(self) -> int:
        """How many rows they have."""
        return sum(footer.rows for footer in self.footers)

    @property
    def size_bytes(self) -> int:
        """How large they are together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def name(self) -> str:
        """What the file will be called."""
        names = "\n".join(sorted(file.name for file in self.files))
        return f"merged-{hashlib.sha256(names.encode()).hexdigest()[:32]}.parquet"


def planned(files: Iterable[tuple[DataFile, Footer]], bounds: CompactionBounds, now_ms: int) -> list[Merge]:
    """Return what is to be merged, of files that no other one replaces."""
    small = [
        (file, footer)
        for file, footer in files
        if file.modified_ms <= now_ms - bounds.older_than_ms
        and file.size_bytes * 2 <= bounds.file_bytes_max
        and footer.unpacked_bytes * 2 <= bounds.unpacked_bytes_max
    ]
    merges: list[Merge] = []
    for _, some in groupby(sorted(small, key=lambda one: (one[0].folder, one[1].first, one[0].name)), _folder):
        merges.extend(_packed(list(some), bounds))
    return merges


def _folder(one: tuple[DataFile, Footer]) -> str:
    return one[0].folder


def _packed(files: Sequence[tuple[DataFile, Footer]], bounds: CompactionBounds) -> list[Merge]:
    """Return the merges of a folder: as many files, in their order, as fit."""
    groups: list[list[tuple[DataFile, Footer]]] = [[]]
    size_bytes = unpacked_bytes = 0
    for file, footer in files:
        size_bytes += file.size_bytes
        unpacked_bytes += footer.unpacked_bytes
        if size_bytes > bounds.file_bytes_max or unpacked_bytes > bounds.unpacked_bytes_max:
            groups.append([])
            size_bytes, unpacked_bytes = file.size_bytes, footer.unpacked_bytes
        groups[-1].append((file, footer))
    return [
        Merge(tuple(file for file, _ in group), tuple(footer for _, footer in group))
        for group in groups
        if len(group) >= _FEW
    ]


def finish(location: Location, bounds: CompactionBounds, now_ms: int) -> list[tuple[DataFile, Footer]]:
    """Finish what crashed imports and compactions have begun, and return the files of the lake.

    Raises:
        InputError: a file cannot be read, or another run deletes files at the same time.
    """
    finish_imports(location, now_ms)
    try:
        files = _all_files(location)
    except (pa.ArrowInvalid, OSError) as error:
        raise unreadable(location, error) from None
    current = not_replaced(files)
    stay = {file.path for file, _ in current}
    for file, _ in files:
        if file.path not in stay:
            _delete(location, file.path)
    _delete_unfinished(location, now_ms - bounds.older_than_ms)
    return current


def _all_files(location: Location) -> list[tuple[DataFile, Footer]]:
    for _ in range(_LOOKS_MAX - 1):
        with suppress(FileNotFoundError):  # the lake of an import that another process finishes
            return list(footers_of(location, data_files(location)))
    return list(footers_of(location, data_files(location)))


def carry_out(location: Location, merge: Merge) -> str:
    """Merge files, delete them, and return the path of the new one.

    Raises:
        InputError: one of them cannot be read, or the new one lacks rows; nothing is deleted then.
    """
    metadata = {REPLACES: json.dumps([file.name for file in merge.files])}
    sources = [footer.imported for footer in merge.footers]
    if all(source is not None for source in sources):
        metadata[IMPORTED] = json.dumps({key: name for source in sources for key, name in (source or {}).items()})
    try:
        rows = _without_copies(_read(location, merge))
        path = write_file(rows, Location(location.files, merge.folder), metadata, merge.name)
        written = footer_of(location, path).rows
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise unreadable(location, error) from None
    if written != rows.num_rows:
        message = f"{path} has {written:,} rows instead of {rows.num_rows:,}; delete it, and nothing is lost"
        raise InputError(message)
    for file in merge.files:
        _delete(location, file.path)
    return path


def _read(location: Location, merge: Merge) -> pa.Table:
    tables = []
    for file in merge.files:
        with location.files.open_input_file(file.path) as source:
            tables.append(pq.ParquetFile(source).read().replace_schema_metadata(None))
    return pa.concat_tables(tables, promote_options="permissive")


def _without_copies(table: pa.Table) -> pa.Table:
    """Return the rows by partition and offset, without those that repeat another one entirely.

    Such that differ stay, for `driftline lake verify` to find.
    """
    table = table.sort_by([("partition", "ascending"), ("offset", "ascending")])
    places = [table.column(name).to_numpy() for name in ("partition", "offset")]
    repeats = np.logical_and.reduce([column[1:] == column[:-1] for column in places])
    if not repeats.any():
        return table
    rows = np.flatnonzero(np.append(repeats, False) | np.append(False, repeats))
    stay, seen = np.ones(table.num_rows, np.bool_), list[dict[str, Any]]()
    for at, row in zip(rows.tolist(), table.select(RAW.names).take(pa.array(rows)).to_pylist(), strict=True):
        if seen and (seen[0]["partition"], seen[0]["offset"]) != (row["partition"], row["offset"]):
            seen.clear()
        if row in seen:
            stay[at] = False
        else:
            seen.append(row)
    return table.filter(pa.array(stay))


def _delete(location: Location, path: str) -> None:
    with suppress(FileNotFoundError):
        location.files.delete_file(path)


def _delete_unfinished(location: Location, before_ms: int) -> None:
    """Delete merges that were never finished; those of a local folder, for an object is there when it is complete."""
    if isinstance(location.files, pafs.S3FileSystem):
        return
    selector = pafs.FileSelector(location.path, recursive=True, allow_not_found=True)
    for info in location.files.get_file_info(selector):
        hidden = info.base_name.startswith(".") and _MERGED.match(info.base_name)
        if hidden and (info.mtime_ns or 0) // 1_000_000 < before_ms:
            _delete(location, info.path)
