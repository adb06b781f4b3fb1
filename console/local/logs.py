"""Log files of the local stack: a bounded number of bounded files per service."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from driftline.units import MIB

OLD_FILES_MAX = 3
CONSOLE_BYTES_MAX = 64 * MIB
_TAIL_BYTES = 16 * 1024


def rotate(path: Path) -> None:
    """Give way to a new `path`: x.log becomes x.log.1, x.log.1 becomes x.log.2, and the oldest goes.

    For a service that is about to start; log4j2.properties rolls by the same names while it runs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size == 0:
        return
    for number in range(OLD_FILES_MAX - 1, 0, -1):
        older = _numbered(path, number)
        if older.exists():
            older.replace(_numbered(path, number + 1))
    path.replace(_numbered(path, 1))


def bound(path: Path, bytes_max: int = CONSOLE_BYTES_MAX) -> bool:
    """Empty a console file that has grown beyond `bytes_max`, keeping its end as x.out.1; whether it was.

    Standard output cannot be rolled by the process that writes it (thread-mode Python prints there). The writer
    appends, so it goes on at the new end.
    """
    try:
        if path.stat().st_size <= bytes_max:
            return False
        _numbered(path, 1).write_bytes(_end(path, bytes_max // 8))
        os.truncate(path, 0)
    except OSError:
        return False
    return True


def tail(paths: Iterable[Path], lines_max: int = 20, since_s: float = 0.0) -> str:
    """The last lines of those of `paths` written to after `since_s`, one after the other; empty when there are none."""
    lines: list[str] = []
    for path in paths:
        try:
            if path.stat().st_mtime >= since_s:
                lines += _end(path, _TAIL_BYTES).decode(errors="replace").splitlines()[-lines_max:]
        except OSError:
            continue
    return "\n".join(lines)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _end(path: Path, bytes_max: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - bytes_max))
        return file.read(bytes_max)
