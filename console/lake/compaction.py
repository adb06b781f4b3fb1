"""A run of the compaction: one at a time in a folder, and what it has done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from console.lake.locks import alone
from driftline.errors import InputError
from history.lake.compacting import CompactionBounds, Merge, carry_out, finish, planned
from history.lake.files import current_files
from history.lake.location import Location

_Files = TypeVar("_Files")


@dataclass(kw_only=True)
class Compacted:
    """What a compaction has done, or would do.

    Attributes:
        folders: in how many there was something to merge.
        files_before, files_after: how many were merged, and into how many.
        rows: how many they have.
        bytes_before, bytes_after: how large they were and are; what would be is not known.
    """

    folders: int = 0
    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


def would_compact(location: Location, bounds: CompactionBounds, now_ms: int) -> Compacted:
    """Return what a compaction would do. Raises InputError if the lake cannot be read."""
    return _summed(planned(_some(location, current_files(location)), bounds, now_ms))


def compacted(location: Location, bounds: CompactionBounds, now_ms: int, report: Callable[[str], object]) -> Compacted:
    """Merge what is to be merged.

    Raises:
        InputError: files cannot be read, or another run has been at it for ten minutes.
    """
    with alone(location):
        merges = planned(_some(location, finish(location, bounds, now_ms)), bounds, now_ms)
        done = _summed(merges)
        for at, merge in enumerate(merges, start=1):
            report(f"merge {at:,} of {len(merges):,}: {len(merge.files):,} files of {merge.folder}")
            path = carry_out(location, merge)
            done.bytes_after += location.files.get_file_info(path).size or 0
    return done


def _some(location: Location, files: list[_Files]) -> list[_Files]:
    if not files:
        message = f"no lake in {location.path}: `driftline submit archive-events` or `driftline lake import` fills one"
        raise InputError(message)
    return files


def _summed(merges: list[Merge]) -> Compacted:
    return Compacted(
        folders=len({merge.folder for merge in merges}),
        files_before=sum(len(merge.files) for merge in merges),
        files_after=len(merges),
        rows=sum(merge.rows for merge in merges),
        bytes_before=sum(merge.size_bytes for merge in merges),
    )
