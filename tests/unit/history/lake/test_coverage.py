"""Sets of offsets, held against Python's own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from history.lake.coverage import Coverage, OffsetSet, Span, coverages, joined, pieces

CELL = 1 << 16
OFFSETS = st.integers(CELL - 20, CELL + 20) | st.integers(0, 20) | st.integers(3 * CELL - 5, 3 * CELL + 5)
SETS = st.frozensets(OFFSETS, max_size=40)
SPANS = st.lists(st.tuples(st.integers(0, 3 * CELL), st.integers(1, 2 * CELL)), max_size=3).map(
    lambda found: [Span(begin, begin + count) for begin, count in found]
)


def of(offsets: frozenset[int] | set[int]) -> OffsetSet:
    found = OffsetSet()
    if offsets:
        found.add(np.array(sorted(offsets), np.int64))
    return found


def members(one: OffsetSet) -> set[int]:
    return {offset for span in one.spans() for offset in range(span.begin, span.end)}


@given(SETS, SETS)
def test_a_set_is_a_set(one: frozenset[int], other: frozenset[int]) -> None:
    left, right = of(one), of(other)
    assert members(left) == one
    assert left.count == len(one)
    assert all((offset in left) == (offset in one) for offset in one | other)
    assert members(left.without(right)) == one - other
    assert members(left.common(right)) == one & other
    assert (left.begin, left.end) == (min(one, default=0), max(one, default=-1) + 1)


@given(SETS, SETS)
def test_what_was_there_before_is_told(one: frozenset[int], other: frozenset[int]) -> None:
    found = of(one)
    known = found.add(np.array(sorted(other), np.int64))
    assert set(known.tolist()) == one & other
    assert members(found) == one | other


@given(SETS, OFFSETS, OFFSETS)
def test_what_is_missing(one: frozenset[int], begin: int, end: int) -> None:
    assert members(of(one).missing(begin, end)) == set(range(begin, end)) - one
    assert members(of(one).between(begin, end)) == {offset for offset in one if begin <= offset < end}


@given(SPANS)
def test_spans_do_not_touch(spans: list[Span]) -> None:
    found = OffsetSet(spans)
    expected = {offset for span in spans for offset in range(span.begin, span.end)}
    assert found.count == len(expected)
    listed = list(found.spans())
    assert all(one.end < other.begin for one, other in pairwise(listed))
    assert sum(span.width for span in listed) == len(expected)


def test_whole_cells_take_no_memory() -> None:
    found = OffsetSet([Span(0, 100 * CELL)])
    assert found.count == 100 * CELL
    assert all(not len(cell) for cell in found._cells.values())


@given(st.lists(st.lists(st.integers(0, 30), max_size=20), max_size=5))
def test_a_coverage_knows_what_came_twice(batches: list[list[int]]) -> None:
    coverage, every = Coverage(), [offset for batch in batches for offset in batch]
    for batch in batches:
        coverage.add(np.array(batch, np.int64))
    assert coverage.rows == len(every)
    assert members(coverage.seen) == set(every)
    assert members(coverage.twice) == {offset for offset in every if every.count(offset) > 1}


def test_rows_are_seen_by_partition() -> None:
    found: dict[int, Coverage] = {}
    coverages(np.array([0, 1, 0], np.int32), np.array([5, 5, 6], np.int64), found)
    assert {number: list(one.seen.spans()) for number, one in found.items()} == {0: [(5, 7)], 1: [(5, 6)]}


def test_spans_are_joined_and_cut() -> None:
    spans = [Span(0, 2), Span(4, 5), Span(20, 45)]
    assert list(joined(spans, 2)) == [(0, 5), (20, 45)]
    assert list(joined([], 2)) == []
    assert list(pieces(spans, 20)) == [(0, 2), (4, 5), (20, 40), (40, 45)]
