"""Guards against the one trap of a compiled core: a module that was changed after it was compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_RECORD = "udfs/compiled_from.sha256"  # as sha256sum writes it
_LIBRARY = f"core__mypyc{EXTENSION_SUFFIXES[0]}"  # what all compiled modules are in


class StaleCoreError(ImportError):
    """A source is not the one that was compiled."""


def record(root: Path, sources: Iterable[str]) -> None:
    """Note in a checkout what is compiled now; for setup.py.

    Args:
        root: the folder of the packages.
        sources: paths below it.
    """
    (root / _RECORD).write_text("".join(f"{_digest(root / source)}  {source}\n" for source in sources))


def require_current(root: Path) -> None:
    """Refuse a checkout whose sources are not those that its compiled modules were made from.

    By content: copies and branches change the times of files. An installation has no record, and is not edited.

    Raises:
        StaleCoreError: names a source, and what to do.
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
