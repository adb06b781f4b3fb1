"""Events from files: the one reader of publish, train and notebooks, so that a file is the same to all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event, parse_event
from driftline.mapping.spec import Mapping
from driftline.words import NameCounts, plain, unknown_types_text
from history.documents import DOCUMENT_BYTES_MAX, TOO_LONG, Document, FileError, text_of
from history.json_documents import documents_of
from history.refused_counts import RefusedCounts
from history.rows import rows_of
from history.time_unit_counts import TimeUnitCounts
from udfs.refused import RefusedIds

STDIN = Path("-")
_NO_MAPPING = "; for CSV, a mapping says which column is what: --mapping FILE (docs/events.md#other-formats)"


def keyed(event: UserEvent) -> None:
    """Raise ValueError for an event that can be no record: its user is the key, its time the timestamp."""
    if not event.user_id:
        message = "has no userId, which is the record's key"
        raise ValueError(message)
    if event.event_time_ms <= 0:
        message = "has no eventTimeMs above 0, which is the record's timestamp"
        raise ValueError(message)


class EventReader:
    """Reads events from files, in order. Iterate over it: each event with its JSON as it was written.

    Args:
        files: paths; `-` is the standard input.
        mapping: how CSV, or JSON in other words, becomes events; None: the files hold JSON in the contract's words.
        skip_bad: leave out what is no event, and count it, instead of stopping there.
        check: raises ValueError for an event that is of no use to the caller.
        refused: ids that the job refuses; they are read, and warned of.
        declared: names of event types of one's own; they are not unknown.

    Attributes:
        good, bad, left_out: events read, documents that are none, rows that the mapping leaves out.
        unknown_types: words given as a type that are not known.

    Raises:
        InputError: naming the file and the place; a file cannot be read, or holds what is no event. Also at the end,
            if nothing in the files was an event.
    """

    def __init__(
        self,
        files: Sequence[Path],
        *,
        mapping: Mapping | None = None,
        skip_bad: bool = False,
        check: Callable[[UserEvent], object] = lambda event: None,
        refused: RefusedIds = RefusedIds(),  # noqa: B008  (immutable)
        declared: Iterable[str] = (),
    ) -> None:
        self.good = self.bad = self.left_out = 0
        self.unknown_types = NameCounts()
        self._refused = RefusedCounts(refused)
        self._time_units = TimeUnitCounts(None if mapping is None else mapping.time_units())
        self._declared = frozenset(plain(name) for name in declared)
        self._newest = Document("line", 0, b"")
        self._first_bad = ""  # where it stood, and what was wrong with it
        self._columns: set[str] = set()  # that there were
        self._file = ""
        self._files = files
        self._mapping = mapping
        self._skip_bad = skip_bad
        self._check = check
        for file in files:
            if file != STDIN:
                with _naming(str(file)):
                    file.stat()  # before anything is begun: a pipe can be opened once only

    def __iter__(self) -> Iterator[tuple[UserEvent, bytes]]:
        for file in self._files:
            name = "the standard input" if file == STDIN else str(file)
            self._file = name
            with _reading(file, name) as source:
                try:
                    yield from self._events(source, name)
                except FileError as error:
                    message = f"{name}: {error}"
                    raise InputError(message) from None
        if not self.good and (self.bad or self.left_out):
            message = f"nothing in {self._names()} was an event: {self._why()}"
            raise InputError(message)
        if not self.good:
            message = f"{self._names()} held no events"
            raise InputError(message)

    def summary(self) -> list[str]:
        """Lines that say what was left out and what was not understood; none where there is nothing to say."""
        lines = []
        if self.bad:
            lines.append(f"lines left out because they are no events: {self.bad:,} (first: {self._first_bad})")
        if self.left_out:
            lines.append(f"rows left out as the mapping says: {self.left_out:,}")
        if missing := [name for name in self._mapping.names() if name not in self._columns] if self._mapping else []:
            lines.append(f"warning: no event had what the mapping names: {', '.join(missing)}")
        if unknown := unknown_types_text(self.unknown_types.counts):
            lines.append(f"warning: {unknown}")
        return lines + [f"warning: {text}" for text in (*self._time_units.warnings(), *self._refused.warnings())]

    @property
    def place(self) -> str:
        """Where the newest event stands, like line 3; of several files, with its name."""
        place = f"{self._newest.unit} {self._newest.number:,}"
        return place if len(self._files) == 1 else f"{self._file}, {place}"

    def _names(self) -> str:
        return ", ".join("the standard input" if file == STDIN else str(file) for file in self._files)

    def _why(self) -> str:
        parts = [f"{self.bad:,} are no events (first: {self._first_bad})"] if self.bad else []
        return ", ".join([*parts, f"{self.left_out:,} left out as the mapping says"] if self.left_out else parts)

    def _events(self, source: BinaryIO, name: str) -> Iterator[tuple[UserEvent, bytes]]:
        check = self._check
        for document in self._documents(source, name):
            data = document.data
            try:
                if len(data) > DOCUMENT_BYTES_MAX:
                    raise ValueError(TOO_LONG)
                event = parse_event(data)
                check(event)
            except ValueError as error:
                self._refuse(document, error, name)
                continue
            self._count(event)
            self._newest = document
            yield event, data if self._mapping is None else format_event(event).encode()

    def _count(self, event: UserEvent) -> None:
        self.good += 1
        if event.type == UserEvent.CUSTOM and event.type_word and plain(event.type_word) not in self._declared:
            self.unknown_types(event.type_word)
        if event.type != UserEvent.FORGET:
            self._refused.look(event.user_id, event.event_id)
            self._time_units.look(event.event_time_ms)

    def _documents(self, source: BinaryIO, name: str) -> Iterator[Document]:
        text = text_of(source)
        if self._mapping is None:
            yield from documents_of(text)
            return
        for row in rows_of(text, self._mapping, self._columns):
            if row is None:
                self.left_out += 1
            elif isinstance(row, Document):
                yield row
            else:
                self._refuse(*row, name)

    def _refuse(self, document: Document, error: ValueError, name: str) -> None:
        self.bad += 1
        place = f"{document.unit} {document.number:,}"
        why = f"{error}{_NO_MAPPING if self._mapping is None and '.csv' in name.lower() else ''}"
        self._first_bad = self._first_bad or f"{place}: {why}"
        if not self._skip_bad:
            message = f"{name}, {place}: {why}"
            raise InputError(message) from None


@contextmanager
def _reading(file: Path, name: str) -> Iterator[BinaryIO]:
    with _naming(name):
        if file == STDIN:
            yield sys.stdin.buffer
        else:
            with file.open("rb") as source:
                yield source


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Have the error of a file that cannot be read name it."""
    try:
        yield
    except OSError as error:
        message = f"{name}: {error.strerror or error}"
        raise InputError(message) from None
