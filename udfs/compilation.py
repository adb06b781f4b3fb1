"""Guards against the one trap of a compiled core: a module that was changed after it was compiled."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

PACKAGES = ("udfs", "state_schemas", "sink_connectors")
_SUFFIX = EXTENSION_SUFFIXES[0]  # Python finds a compiled module before the source of the same name


class StaleCoreError(ImportError):
    """A source is newer than what was compiled from it."""


def require_current(root: Path) -> None:
    """Refuse a checkout whose compiled modules are older than their sources.

    Args:
        root: the folder of the packages. Without a setup.py it is an installation, which is not edited.

    Raises:
        StaleCoreError: names a module, and what to do.
    """
    if not (root / "setup.py").exists():
        return
    for compiled in (found for package in PACKAGES for found in (root / package).glob(f"*{_SUFFIX}")):
        source = compiled.with_name(compiled.name.removesuffix(_SUFFIX) + ".py")
        if source.exists() and source.stat().st_mtime_ns > compiled.stat().st_mtime_ns:
            message = (
                f"{source} has changed since it was compiled; `make setup` compiles it again, "
                "`DRIFTLINE_COMPILE=0 make setup` runs the sources as they are"
            )
            raise StaleCoreError(message)
