"""Which offsets of a partition are there: a bit an offset while a cell of 65,536 is incomplete, nothing after. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_CELL: Final = 1 << 16  # offsets
_WHOLE: Final = np.zeros(0, np.uint8)  # stands for a cell whose offsets are all there


class Span(NamedTuple):
    """Offsets from `begin` up to but not including `end`."""

    begin: int
    end: int

    @property
    def width(self) -> int:
        """How many offsets that are."""
        return self.end - self.begin


class OffsetSet:
    """A set of offsets.

    Attributes:
        count: how many there are.
    """

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self.count = 0
        self._cells: dict[int, NDArray[np.uint8]] = {}  # packed bits
        for span in spans:
            self._add_span(span)

    def __contains__(self, offset: int) -> bool:
        """Whether an offset is there."""
        packed = self._cells.get(offset // _CELL)
        if packed is None:
            return False
        at = offset % _CELL
        return packed is _WHOLE or bool(packed[at >> 3] >> (7 - (at & 7)) & 1)

    @property
    def begin(self) -> int:
        """The smallest offset; 0 if there is none."""
        return next((span.begin for span in self.spans()), 0)

    @property
    def end(self) -> int:
        """Behind the largest offset; 0 if there is none."""
        if not self._cells:
            return 0
        cell = max(self._cells)
        return cell * _CELL + int(np.flatnonzero(self._bits(cell))[-1]) + 1

    def add(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add offsets, which are sorted and each once; return those that were there before."""
        known = [np.zeros(0, np.int64)]
        cells = offsets // _CELL
        for some in np.split(offsets, np.flatnonzero(cells[1:] != cells[:-1]) + 1):
            if len(some):
                known.append(self._add(int(some[0]) // _CELL, some))
        return np.concatenate(known)

    def spans(self) -> Iterator[Span]:
        """Yield what is there, ascending; spans do not touch."""
        open_span: Span | None = None
        for cell in sorted(self._cells):
            for span in self._spans_of(cell):
                if open_span is not None and open_span.end == span.begin:
                    open_span = Span(open_span.begin, span.end)
                    continue
                if open_span is not None:
                    yield open_span
                open_span = span
        if open_span is not None:
            yield open_span

    def missing(self, begin: int, end: int) -> OffsetSet:
        """Return what is not there from `begin` up to but not including `end`."""
        return OffsetSet([Span(begin, end)]).without(self)

    def without(self, other: OffsetSet) -> OffsetSet:
        """Return what is here and not there."""
        rest = OffsetSet()
        for cell, packed in self._cells.items():
            if cell not in other._cells:
                rest._put(cell, packed)
            elif other._cells[cell] is not _WHOLE:
                rest._put(cell, np.packbits(self._bits(cell) & ~other._bits(cell)))
        return rest

    def common(self, other: OffsetSet) -> OffsetSet:
        """Return what is both here and there."""
        return self.without(self.without(other))

    def between(self, begin: int, end: int) -> OffsetSet:
        """Return what is here from `begin` up to but not including `end`."""
        return OffsetSet([Span(begin, end)]).common(self)

    def _add_span(self, span: Span) -> None:
        begin = span.begin
        while begin < span.end:
            end = min(span.end, (begin // _CELL + 1) * _CELL)
            if end - begin == _CELL and begin // _CELL not in self._cells:
                self._cells[begin // _CELL] = _WHOLE
                self.count += _CELL
            else:
                self.add(np.arange(begin, end, dtype=np.int64))
            begin = end

    def _put(self, cell: int, packed: NDArray[np.uint8]) -> None:
        count = _CELL if packed is _WHOLE else int(np.unpackbits(packed).sum())
        if count:
            self._cells[cell] = packed
            self.count += count

    def _add(self, cell: int, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        if self._cells.get(cell) is _WHOLE:
            return offsets
        bits = self._bits(cell)
        places = offsets % _CELL
        known: NDArray[np.int64] = offsets[bits[places]]
        bits[places] = True
        self.count += len(offsets) - len(known)
        self._cells[cell] = _WHOLE if bits.all() else np.packbits(bits)
        return known

    def _bits(self, cell: int) -> NDArray[np.bool_]:
        packed = self._cells.get(cell)
        if packed is None:
            return np.zeros(_CELL, np.bool_)
        return np.ones(_CELL, np.bool_) if packed is _WHOLE else np.unpackbits(packed).view(np.bool_)

    def _spans_of(self, cell: int) -> Iterator[Span]:
        base = cell * _CELL
        if self._cells[cell] is _WHOLE:
            yield Span(base, base + _CELL)
            return
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self._bits(cell), [False]]).astype(np.int8)))
        for begin, end in edges.reshape(-1, 2).tolist():
            yield Span(base + begin, base + end)


class Coverage:
    """What of a partition was seen.

    Attributes:
        seen: the offsets.
        twice: those that were seen more than once.
        rows: how many rows were seen.
    """

    def __init__(self) -> None:
        self.seen = OffsetSet()
        self.twice = OffsetSet()
        self.rows = 0

    def add(self, offsets: NDArray[np.int64]) -> None:
        """See offsets, in any order."""
        self.rows += len(offsets)
        unique, counts = np.unique(offsets, return_counts=True)
        repeated = np.union1d(unique[counts > 1], self.seen.add(unique))
        if len(repeated):
            self.twice.add(repeated)

    def before(self, end: int) -> Coverage:
        """Return what was seen of the offsets before `end`; its rows are those of all."""
        part = Coverage()
        part.seen, part.twice, part.rows = self.seen.between(0, end), self.twice.between(0, end), self.rows
        return part


def coverages(partitions: NDArray[np.int32], offsets: NDArray[np.int64], into: dict[int, Coverage]) -> None:
    """See rows of several partitions."""
    for partition in np.unique(partitions).tolist():
        into.setdefault(partition, Coverage()).add(offsets[partitions == partition])


def joined(spans: Iterable[Span], apart_max: int) -> Iterator[Span]:
    """Yield ascending spans, those that are at most `apart_max` offsets apart as one."""
    wide: Span | None = None
    for span in spans:
        if wide is not None and span.begin - wide.end <= apart_max:
            wide = Span(wide.begin, span.end)
            continue
        if wide is not None:
            yield wide
        wide = span
    if wide is not None:
        yield wide


def pieces(spans: Iterable[Span], offsets_max: int) -> Iterator[Span]:
    """Yield spans of at most so many offsets."""
    for span in spans:
        for begin in range(span.begin, span.end, offsets_max):
            yield Span(begin, min(begin + offsets_max, span.end))
