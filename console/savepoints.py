"""What a job can be continued from, among the savepoints and the retained checkpoints of the local stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_COMPLETE = "_metadata"  # written last
_ID_SHOWN = 6  # of a job's id, in the name of its savepoints


@dataclass(frozen=True)
class Savepoint:
    """A savepoint or a retained checkpoint; `path` is as `--from-savepoint` takes it."""

    path: str
    job_id: str
    completed_s: float  # since the epoch


def newest_savepoint(home: Path, job_ids: Sequence[str]) -> Savepoint | None:
    """Return the newest complete one of these jobs, below the stack's home; None where there is none."""
    return max(_complete(home / "flink", job_ids), key=lambda found: found.completed_s, default=None)


def _complete(flink: Path, job_ids: Sequence[str]) -> Iterator[Savepoint]:
    for job_id in job_ids:
        folders = [*(flink / "checkpoints" / job_id).glob("chk-*")]
        folders += (flink / "savepoints").glob(f"savepoint-{job_id[:_ID_SHOWN]}-*")
        for folder in folders:
            metadata = folder / _COMPLETE
            if metadata.is_file():
                yield Savepoint(folder.as_uri(), job_id, metadata.stat().st_mtime)
