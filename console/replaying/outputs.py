"""What a local replay gives rise to besides scores, as files of JSON lines: sessions, segments, late, dead_letters."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.topics import SEGMENTS, SESSIONS
from udfs.rejects import HEADER_PREFIX, Reject
from udfs.results import BlockResult

CHANNELS: Final[Mapping[str, Callable[[bytes], Message]]] = MappingProxyType(
    {SESSIONS.role: ClosedSession.FromString, SEGMENTS.role: SegmentChange.FromString}
)
LATE, DEAD_LETTERS = "late", "dead_letters"
NAMES: Final = (*CHANNELS, LATE, DEAD_LETTERS)
_NUMBERS: Final = frozenset(("partition", "offset", "failed_at_ms"))


class OutputFiles:
    """The files of one process, parts of the whole that `join` makes.

    Args:
        folder: where they are; must exist.
        number: of the process.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._files: dict[str, IO[str]] = {}

    def take(self, result: BlockResult) -> None:
        """Write what a block has given rise to."""
        for channel, read in CHANNELS.items():
            for _, value in result.outputs.get(channel, ()):
                if value is not None:
                    self._write(channel, MessageToDict(read(value)))
        for name, rejects in ((LATE, result.late), (DEAD_LETTERS, result.dead_letters)):
            for rejected in rejects:
                self._write(name, reject_document(rejected))

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        if name not in self._files:
            self._files[name] = _part(self._folder, name, self._number).open("w", encoding="utf-8")
        self._files[name].write(json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n")


def reject_document(rejected: Reject) -> dict[str, Any]:
    """Return a rejected record as values of JSON: why, where it is, its key as text and its value in base64."""
    said = {name.removeprefix(HEADER_PREFIX): text.decode(errors="replace") for name, text in rejected.headers.items()}
    told: dict[str, Any] = {name: int(text) if name in _NUMBERS else text for name, text in said.items()}
    key = None if rejected.key is None else rejected.key.decode(errors="replace")
    value = None if rejected.value is None else base64.b64encode(rejected.value).decode()
    return told | {"key": key, "value": value}


def join(folder: Path, numbers: Iterable[int]) -> dict[str, Path]:
    """Make one file of the parts of all processes, also an empty one, and return the files by name."""
    found: dict[str, Path] = {}
    parts = list(numbers)
    for name in NAMES:
        found[name] = folder / f"{name}.jsonl"
        with found[name].open("wb") as whole:
            for number in parts:
                part = _part(folder, name, number)
                if part.exists():
                    with part.open("rb") as file:
                        while piece := file.read(1 << 20):
                            whole.write(piece)
                    part.unlink()
    return found


def remove_parts(folder: Path) -> None:
    """Remove what a replay that was cut short has left."""
    for name in NAMES:
        for part in folder.glob(f".{name}.*.part"):
            part.unlink()


def _part(folder: Path, name: str, number: int) -> Path:
    return folder / f".{name}.{number}.part"
