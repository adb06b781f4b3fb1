"""Brings files of events into a lake as they would be on the topic: keys, partitions, payloads, timestamps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from console.publishing import key_hash
from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.settings import Format
from history.lake.importing import Import, LakeEnd, finish_imports, lake_end
from history.lake.location import Location
from history.lake.typed import Typer

_USERS_MAX: Final = 1_000_000  # whose partition is remembered


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import has done.

    Attributes:
        rows: how many records it has brought.
        no_events: of them, those that a job would reject.
        files: how many files it has written.
        partitions: over how many partitions the records are spread.
    """

    rows: int
    no_events: int
    files: int
    partitions: int


def begin_import(location: Location, sources: Mapping[str, str], now_ms: int, *, again: bool, force: bool) -> LakeEnd:
    """Look at the lake before an import, and finish one that has crashed.

    Args:
        location: the folder of the topic.
        sources: the files to be imported, name by SHA-256.
        now_ms: the wall clock.
        again: import also what was imported before.
        force: import also into a lake that is archived from a topic.

    Raises:
        InputError: one of these would be needed.
    """
    finish_imports(location, now_ms)
    end = lake_end(location)
    if end.archived and not force:
        message = (
            f"the lake in {location.path} is archived from a topic, whose next records have the numbers that these "
            f"would get (see {end.archived}): import into another one with --topic, or --force"
        )
        raise InputError(message)
    repeated = sorted(name for digest, name in sources.items() if digest in end.imported)
    if repeated and not again:
        message = (
            f"imported before: {', '.join(repeated)}. Nothing was imported. --again does it: a job drops the events as "
            "duplicates, by their ids, but the lake holds them twice"
        )
        raise InputError(message)
    return end


def partitions_for(end: LakeEnd, wanted: int | None, default: int) -> int:
    """Return over how many partitions records are spread: as many as the lake has, unless that is said."""
    if wanted is not None:
        return wanted
    return max(end.next_offsets, default=default - 1) + 1


def import_events(
    importing: Import,
    events: Iterable[tuple[UserEvent, bytes]],
    *,
    encoding: Format,
    partitions: int,
    now_ms: int,
) -> None:
    """Take events with their JSON, in order, as `driftline publish` would bring them to a topic.

    Args:
        importing: takes them.
        events: of `history.reading.EventReader`.
        encoding: of the payloads; to JSON it goes as it was written.
        partitions: how many there are.
        now_ms: the wall clock; no record is of a later time.
    """
    as_json = encoding == "json"
    known: dict[str, tuple[bytes, int]] = {}
    for event, document in events:
        found = known.get(event.user_id)
        if found is None:
            if len(known) >= _USERS_MAX:
                known.clear()
            key = event.user_id.encode()
            found = known[event.user_id] = key, key_hash(key) % partitions
        key, partition = found
        value = document if as_json else event.SerializeToString()
        importing.add(partition, key, value, min(event.event_time_ms, now_ms))


def new_import(location: Location, typer: Typer, end: LakeEnd, sources: Mapping[str, str], now_ms: int) -> Import:
    """Begin an import behind a lake's end."""
    return Import(location, typer, end.next_offsets, sources, now_ms)


def sources_of(files: Sequence[Path]) -> dict[str, str]:
    """Return names of files by the SHA-256 of what is in them, without pipes, which can be read once only.

    Raises:
        InputError: one of them cannot be read.
    """
    found: dict[str, str] = {}
    for path in files:
        if not path.is_file():
            continue
        try:
            with path.open("rb") as source:
                found[hashlib.file_digest(source, "sha256").hexdigest()] = path.name
        except OSError as error:
            message = f"{path}: {error.strerror or error}"
            raise InputError(message) from None
    return found
