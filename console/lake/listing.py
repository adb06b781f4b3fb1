"""What a lake has, by date and hour. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from history.lake.files import DataFile, Footer


@dataclass(kw_only=True)
class Part:
    """The files of a date, or of an hour of it.

    Attributes:
        date, hour: which; the hour is empty where hours are added up.
        files, rows, size_bytes: how many and how large.
    """

    date: str
    hour: str = ""
    files: int = 0
    rows: int = 0
    size_bytes: int = 0


def parts_of(contents: Iterable[tuple[DataFile, Footer]], *, by_hour: bool) -> list[Part]:
    """Add files up by date, or by date and hour, ascending."""
    found: dict[tuple[str, str], Part] = {}
    for file, footer in contents:
        hour = file.hour if by_hour else ""
        part = found.setdefault((file.date, hour), Part(date=file.date, hour=hour))
        part.files += 1
        part.rows += footer.rows
        part.size_bytes += file.size_bytes
    return [found[at] for at in sorted(found)]


def total_of(parts: Iterable[Part]) -> Part:
    """Add parts up."""
    total = Part(date="")
    for part in parts:
        total.files += part.files
        total.rows += part.rows
        total.size_bytes += part.size_bytes
    return total
