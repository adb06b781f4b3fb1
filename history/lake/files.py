"""Which files a lake consists of, seen at one moment, while others archive, import or compact.

Two kinds of change take more than one step. Each is one step for a reader, by a rule:

- A **compaction** writes a file that names, in its metadata, those that it replaces, and deletes them afterwards. What
  is replaced is not read.
- An **import** writes its files below `_import-<id>/`, then a file `_committed` there, and moves them into place
  afterwards. What lies below such a folder is read once it is committed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from driftline.errors import InputError
from history.lake.layout import DATE, HOUR
from history.lake.location import Location

REPLACES: Final = "driftline.replaces"  # in a file's metadata: names of files of its folder, as a JSON list
IMPORTED: Final = "driftline.imported"  # what it was imported from: a JSON object, SHA-256 to name
STAGED: Final = "_import-"  # begins the name of an import's folder
COMMITTED: Final = "_committed"  # the file in it that makes its files a part of the lake
_LOOKS_MAX: Final = 20
_READERS: Final = 16  # footers are small, and S3 takes some ten milliseconds for each


class DataFile(NamedTuple):
    """A file of a lake.

    Attributes:
        path: of its file system.
        date, hour: those of its folder; empty where it lies elsewhere.
        size_bytes: of the file.
        modified_ms: when it was written.
    """

    path: str
    date: str
    hour: str
    size_bytes: int
    modified_ms: int

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The path without it."""
        return self.path.rpartition("/")[0]

    @property
    def identity(self) -> tuple[str, str, str]:
        """What it is called in its folder, wherever that lies: an import moves files."""
        return self.date, self.hour, self.name


class Places(NamedTuple):
    """Where the rows of a row group are: in these partitions, and there at these offsets, ends included."""

    partition_min: int
    partition_max: int
    offset_min: int
    offset_max: int

    def may_hold(self, partition: int, begin: int, end: int) -> bool:
        """Whether there may be rows of a partition from offset `begin` up to but not including `end`."""
        return (
            self.partition_min <= partition <= self.partition_max and self.offset_min < end and begin <= self.offset_max
        )


_ANYWHERE: Final = Places(0, 2**31 - 1, 0, 2**63 - 1)


class Footer(NamedTuple):
    """What the end of a file says.

    Attributes:
        rows: how many it has.
        unpacked_bytes: how large they are in memory, about.
        replaces: names of files of its folder whose rows it has.
        imported: what it was imported from, by SHA-256; None: it was archived.
        schema: its columns.
        places: where its row groups are, as far as statistics tell.
    """

    rows: int
    unpacked_bytes: int
    replaces: tuple[str, ...]
    imported: Mapping[str, str] | None
    schema: pa.Schema
    places: tuple[Places, ...]

    def may_hold(self, partition: int, begin: int, end: int) -> bool:
        """Whether there may be rows of a partition from offset `begin` up to but not including `end`."""
        return any(one.may_hold(partition, begin, end) for one in self.places)

    @property
    def first(self) -> tuple[int, int]:
        """The smallest partition and offset, about."""
        return min((one.partition_min, one.offset_min) for one in self.places) if self.places else (0, 0)


class Staged(NamedTuple):
    """The folder of an import.

    Attributes:
        committed: whether its files are a part of the lake.
        modified_ms: when the newest of them was written.
    """

    committed: bool
    modified_ms: int


def data_files(location: Location, since: str = "", until: str = "") -> list[DataFile]:
    """Return the files of a topic's lake at one moment, by path; replaced ones are among them.

    A listing takes its time, and may miss both a file that was written behind it and one that was deleted before it.
    Two equal ones have missed nothing.

    Args:
        location: the folder of the topic.
        since: the first event date, like 2026-01-05; empty: all.
        until: the last one.

    Raises:
        InputError: files come and go faster than they can be listed.
    """
    before = _in_place(location, _listed(location))
    for _ in range(_LOOKS_MAX):
        now = _in_place(location, _listed(location))
        if now == before:
            return sorted(_of_dates(now, since, until))
        before = now
    message = f"the files of the lake in {location.path} change faster than they can be listed; try again"
    raise InputError(message)


def footer_of(location: Location, path: str) -> Footer:
    """Read the end of a file.

    Raises:
        FileNotFoundError: it is not there any more.
        pa.ArrowInvalid, OSError: it cannot be read.
    """
    with location.files.open_input_file(path) as source:
        reader = pq.ParquetFile(source)
        about, schema = reader.metadata, reader.schema_arrow
        said = schema.metadata or {}
        imported = said.get(IMPORTED.encode())
        return Footer(
            rows=about.num_rows,
            unpacked_bytes=sum(about.row_group(at).total_byte_size for at in range(about.num_row_groups)),
            replaces=tuple(json.loads(said.get(REPLACES.encode(), b"[]"))),
            imported=None if imported is None else json.loads(imported),
            schema=schema.remove_metadata(),
            places=tuple(_places_of(about.row_group(at)) for at in range(about.num_row_groups)),
        )


def footers_of(location: Location, files: Iterable[DataFile]) -> Iterator[tuple[DataFile, Footer]]:
    """Yield the files with what their ends say, in their order; several are read at a time. Raises as `footer_of`."""
    chosen = list(files)
    schemas: dict[pa.Schema, pa.Schema] = {}  # nearly all files have the same: it is kept once
    with ThreadPoolExecutor(_READERS) as pool:
        for file, footer in zip(chosen, pool.map(lambda one: footer_of(location, one.path), chosen), strict=True):
            yield file, footer._replace(schema=schemas.setdefault(footer.schema, footer.schema))


def current_files(location: Location, since: str = "", until: str = "") -> list[tuple[DataFile, Footer]]:
    """Return the files that hold the lake at one moment, without those that are replaced.

    Raises:
        InputError: one of them cannot be read, or they change too fast.
    """
    for _ in range(_LOOKS_MAX):
        files = data_files(location, since, until)
        try:
            return not_replaced(list(footers_of(location, files)))
        except FileNotFoundError:  # a compaction has replaced it since
            continue
        except (pa.ArrowInvalid, pa.ArrowTypeError, OSError, ValueError) as error:
            raise unreadable(location, error) from None
    message = f"the files of the lake in {location.path} change faster than they can be read; try again"
    raise InputError(message)


def one_line(error: Exception) -> str:
    """What an error of pyarrow's says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def unreadable(location: Location, error: Exception) -> InputError:
    """Return what is said of a lake with a file that cannot be read."""
    return InputError(
        f"the lake in {location.path} cannot be read: {one_line(error)}; `driftline lake verify` names every such file"
    )


def not_replaced(files: Iterable[tuple[DataFile, Footer]]) -> list[tuple[DataFile, Footer]]:
    """Return the files that no other one replaces."""
    every = list(files)
    gone = {(file.date, file.hour, name) for file, footer in every for name in footer.replaces}
    return [(file, footer) for file, footer in every if file.identity not in gone]


def staged_folders(location: Location) -> dict[str, Staged]:
    """Return the folders of imports that have not been moved into place, by name."""
    found: dict[str, Staged] = {}
    for path, (_, modified_ms) in _listed(location).items():
        first, _, rest = path.removeprefix(f"{location.path}/").partition("/")
        if first.startswith(STAGED):
            before = found.get(first, Staged(committed=False, modified_ms=0))
            found[first] = Staged(before.committed or rest == COMMITTED, max(before.modified_ms, modified_ms))
    return found


def _listed(location: Location) -> dict[str, tuple[int, int]]:
    """Size in bytes and time in milliseconds of every file below a folder, by path."""
    selector = pafs.FileSelector(location.path, recursive=True, allow_not_found=True)
    return {
        info.path: (info.size, (info.mtime_ns or 0) // 1_000_000)
        for info in location.files.get_file_info(selector)
        if info.type == pafs.FileType.File
    }


def _in_place(location: Location, listing: Mapping[str, tuple[int, int]]) -> list[DataFile]:
    """Return the files of the lake in a listing; of one that is being moved, the copy that is in place."""
    found: dict[tuple[str, str, str], DataFile] = {}
    for path in sorted(listing):  # an import's folder comes first, so that what is in place stays
        size_bytes, modified_ms = listing[path]
        parts = path.removeprefix(f"{location.path}/").split("/")
        if parts[0].startswith(STAGED) and f"{location.path}/{parts[0]}/{COMMITTED}" in listing:
            parts = parts[1:]
        if size_bytes and not any(part.startswith((".", "_")) for part in parts):
            values = dict(part.split("=", 1) for part in parts[:-1] if "=" in part)
            file = DataFile(path, values.get(DATE, ""), values.get(HOUR, ""), size_bytes, modified_ms)
            found[file.identity] = file
    return list(found.values())


def _of_dates(files: Iterable[DataFile], since: str, until: str) -> Iterator[DataFile]:
    for file in files:
        if (not since or file.date >= since) and (not until or file.date <= until):
            yield file


def _places_of(group: Any) -> Places:
    """Where the rows of a row group are, by its statistics; anywhere without them."""
    columns = {column.path_in_schema: column for column in (group.column(at) for at in range(group.num_columns))}
    about = [columns[name].statistics for name in ("partition", "offset") if name in columns]
    if len(about) < 2 or any(one is None or not one.has_min_max for one in about):  # noqa: PLR2004  (both columns)
        return _ANYWHERE
    return Places(int(about[0].min), int(about[0].max), int(about[1].min), int(about[1].max))
