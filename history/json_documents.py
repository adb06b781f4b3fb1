"""The JSON documents of a text, one by one, however they are laid out.

One a line, with LF or CRLF, blank lines being nothing; the elements of an array; objects that stretch over lines.
Memory is bounded by one document.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial

from history.documents import DOCUMENT_BYTES_MAX, PIECE_BYTES, Document, FileError, Text

_LINE_BYTES_MAX = DOCUMENT_BYTES_MAX + 1024


def documents_of(text: Text) -> Iterator[Document]:
    """The JSON documents of a text: one a line, the elements of an array, or objects that stretch over lines.

    Raises:
        FileError: an array has no end.
    """
    lines = _LineReader(text)
    while line := lines.next():
        number = lines.number
        begins = line.lstrip()[:1]
        if begins == b"[":
            elements = _Elements()
            yield from elements.read(lines.pieces(line))
            lines.unread(elements.rest)
            continue
        if begins == b"{" and not line.rstrip().endswith(b"}"):
            line = lines.object_from(line)
        document = line.rstrip(b"\r\n")
        if document and not document.isspace():
            yield Document("line", number, document)


class _LineReader:
    """The lines of a text, `number` being that of the newest; of one that is too long, enough to say so."""

    def __init__(self, text: Text) -> None:
        self.number = 0
        self._text = text
        self._ahead: deque[bytes] = deque()  # read already
        self._no_object_before = 0  # number of a line

    def next(self) -> bytes:
        """The next line, empty at the end."""
        self.number += 1
        return self._ahead.popleft() if self._ahead else self._read()

    def pieces(self, line: bytes) -> Iterator[bytes]:
        """The line, and what follows it."""
        yield line
        while self._ahead:
            yield self._ahead.popleft()
        yield from iter(partial(self._text.read1, PIECE_BYTES), b"")

    def unread(self, rest: bytes) -> None:
        """Give back what was read beyond the end of an array, so that it is read next."""
        *whole, last = rest.split(b"\n")
        lines = [line + b"\n" for line in whole]
        if last:
            lines.append(last + self._read())
        self._ahead.extendleft(reversed(lines))

    def object_from(self, line: bytes) -> bytes:
        """The object that begins in this line and ends in a later one; the line itself if none does.

        Within it no line begins with an opening brace: so the rest of a line that was cut off is nothing but itself,
        and the lines behind it are whole.
        """
        if self.number < self._no_object_before:
            return line
        parts, size, depth = [line], len(line), _depth(line)
        for ahead in self._looked_at():
            if ahead.startswith(b"{") or size > DOCUMENT_BYTES_MAX:
                break
            parts.append(ahead)
            size += len(ahead)
            depth += _depth(ahead)
            if depth <= 0:
                for _ in parts[1:]:
                    self.next()
                return b"".join(parts)
        self._no_object_before = self.number + len(parts)
        return line

    def _looked_at(self) -> Iterator[bytes]:
        yield from list(self._ahead)
        while line := self._read():
            self._ahead.append(line)
            yield line

    def _read(self) -> bytes:
        line = self._text.readline(_LINE_BYTES_MAX)
        if len(line) == _LINE_BYTES_MAX:
            for rest in iter(partial(self._text.readline, _LINE_BYTES_MAX), b""):  # pass over the rest of the line
                if rest.endswith(b"\n"):
                    break
        return line


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


def _depth(line: bytes) -> int:
    """How many objects and lists a line opens more than it closes."""
    bare = _STRING.sub(b"", line)
    return bare.count(b"{") + bare.count(b"[") - bare.count(b"}") - bare.count(b"]")


_PLAIN = re.compile(rb'["\[\]{},]')
_QUOTED = re.compile(rb'["\\]')


class _Elements:
    """Cuts a JSON array into its elements without reading it whole. `rest` is what was read beyond its end."""

    def __init__(self) -> None:
        self.rest = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._number = 0

    def read(self, pieces: Iterable[bytes]) -> Iterator[Document]:
        depth, quoted, start = 0, False, 0
        for piece in pieces:
            at, start = start, 0  # past what a backslash at the end of the piece before escapes
            while found := (_QUOTED if quoted else _PLAIN).search(piece, at):
                at, mark = found.end(), found[0]
                if mark == b'"':
                    quoted = not quoted
                elif quoted:
                    at += 1
                elif mark in (b"[", b"{"):
                    depth += 1
                    start = at if depth == 1 else start
                elif mark != b"," or depth == 1:
                    depth -= mark != b","
                    if depth == 0 or mark == b",":
                        yield from self._element(piece[start : at - 1])
                        start = at
                    if depth == 0:
                        self.rest = piece[at:]
                        return
            self._keep(piece[start:])
            start = max(0, at - len(piece))
        message = "ends in the middle of its JSON array: it was cut off"
        raise FileError(message)

    def _keep(self, part: bytes) -> None:
        if self._size <= DOCUMENT_BYTES_MAX:  # of what is too large, enough is kept to say so
            self._parts.append(part)
        self._size += len(part)

    def _element(self, end: bytes) -> Iterator[Document]:
        self._keep(end)
        element = b"".join(self._parts).strip()
        self._parts.clear()
        self._size = 0
        if element:
            self._number += 1
            yield Document("element", self._number, element)
