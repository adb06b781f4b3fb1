"""Refuses a compiled core whose sources have changed since: the old code would run without a warning."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_RECORD = "udfs/compiled_from.sha256"  # in the format of sha256sum
_LIBRARY = f"core__mypyc{EXTENSION_SUFFIXES[0]}"  # holds all compiled modules


class StaleCoreError(ImportError):
    """A source has changed since it was compiled."""


def record(root: Path, sources: Iterable[str]) -> None:
    """Record the digests of the sources that are compiled now; called by setup.py.

    Args:
        root: the folder of the packages.
        sources: paths below it.
    """
    (root / _RECORD).write_text("".join(f"{_digest(root / source)}  {source}\n" for source in sources))


def require_current(root: Path) -> None:
    """Refuse a checkout whose sources differ from those that were compiled.

    Contents are compared, because copying files and switching branches change their times. An installation has no
    record, and nobody edits its sources.

    Raises:
        StaleCoreError: names the source and what to do.
    """
    if not (root / "udfs" / _LIBRARY).exists() or not (root / _RECORD).exists():
        return
    for line in (root / _RECORD).read_text().splitlines():
        digest, name = line.split("  ", 1)
        if digest != _digest(root / name):
            message = (
                f"{root / name} has changed since it was compiled; `make setup` compiles it again, "
                "`DRIFTLINE_COMPILE=0 make setup` runs the sources as they are"
            )
            raise StaleCoreError(message)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes() if file.exists() else b"").hexdigest()
