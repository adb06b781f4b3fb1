"""Answers SQL over a lake: DuckDB over pyarrow's files, so that what pyarrow reads, S3 included, DuckDB reads, too."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs

from driftline.errors import InputError
from history.lake.coverage import Coverage, coverages
from history.lake.reading import Lake

VIEW: Final = "events"
_TRIES_MAX: Final = 3
_ROWS_A_BATCH: Final = 10_000
_PLACE: Final = ("partition", "offset")
_SETTINGS: Final = (
    "SET TimeZone = 'UTC'",
    "SET autoinstall_known_extensions = false",  # nothing is fetched from a network
    "SET autoload_known_extensions = false",
)
_TIMES: Final = """
    to_timestamp(event_time_ms / 1000.0) AS event_time,
    to_timestamp(record_time_ms / 1000.0) AS record_time"""
_ONCE: Final = ' QUALIFY row_number() OVER (PARTITION BY "partition", "offset") = 1'


class Answer(NamedTuple):
    """The rows of a query: their columns, and batches that can be read once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


class LakeSql:
    """A lake as the view `events`: a row a record, each once, and its times as timestamps with time zone.

    A context manager.

    Args:
        lake: is opened anew if a compaction replaces its files meanwhile.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._connection = duckdb.connect()
        self._spilled = tempfile.TemporaryDirectory(prefix="driftline-sql-")  # what does not fit into memory
        for setting in (*_SETTINGS, f"SET temp_directory = '{self._spilled.name}'"):
            self._connection.execute(setting)

    def __enter__(self) -> LakeSql:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Let go of DuckDB's memory and files."""
        self._connection.close()
        self._spilled.cleanup()

    def answer(self, query: str) -> Answer:
        """Return the rows of a query; the first of them are there, the others come when they are asked for.

        Raises:
            InputError: in one line; the query is wrong, or has no rows to hand out.
        """
        for _ in range(_TRIES_MAX - 1):
            try:
                return self._asked(query)
            except (duckdb.Error, OSError) as error:
                if not self._is_outdated():
                    raise _refused(error) from None
                self._lake = self._lake.reopened()
        try:
            return self._asked(query)
        except (duckdb.Error, OSError) as error:
            raise _refused(error) from None

    def _asked(self, query: str) -> Answer:
        once = _ONCE if _repeats(self._lake) else ""  # which opens the lake anew if it has to
        self._connection.register("lake_files", self._lake.dataset())
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {VIEW} AS SELECT *,{_TIMES} FROM lake_files{once}"  # noqa: S608  (constants)
        )
        relation = self._connection.sql(query)
        if relation is None:
            message = "SQL: it has no rows to print; ask with SELECT"
            raise InputError(message)
        reader = relation.to_arrow_reader(_ROWS_A_BATCH)
        first = next(reader, None)
        return Answer(reader.schema, _rest(first, reader))

    def _is_outdated(self) -> bool:
        """Whether a compaction has deleted files since the lake was opened."""
        files, _ = self._lake.location
        return any(info.type == pafs.FileType.NotFound for info in files.get_file_info(self._lake.files()))


def _rest(first: pa.RecordBatch | None, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    try:
        yield from reader
    except (duckdb.Error, pa.ArrowInvalid, OSError) as error:
        raise _refused(error) from None


def _repeats(lake: Lake) -> bool:
    """Whether rows are there more than once: after an import of the same file, or a copy."""
    found: dict[int, Coverage] = {}
    for batch in lake.scan(_PLACE):
        partitions, offsets = (batch.column(name).to_numpy() for name in _PLACE)
        coverages(partitions, offsets, found)
    return any(one.twice.count for one in found.values())


def _refused(error: Exception) -> InputError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" ^") and not line.startswith("LINE ")]
    return InputError(f"SQL: {' '.join(lines)}")
