"""What is said of offsets that a lake lacks, with and without Kafka, held against a model in plain sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from history.lake.coverage import Coverage, OffsetSet, Span
from history.lake.verifying import SHOWN_MAX, Held, Kind, differing_offsets, report_of
from tests.lake_files import rows_of

N = 24  # offsets of a topic
SUBSETS = st.sets(st.integers(0, N - 1))


def coverage_of(offsets: set[int]) -> Coverage:
    found = Coverage()
    found.add(np.array(sorted(offsets), np.int64))
    return found


def set_of(offsets: set[int]) -> OffsetSet:
    return OffsetSet(Span(offset, offset + 1) for offset in offsets)


def listed(kind: Kind) -> set[int]:
    assert not kind.more
    return {offset for span in kind.spans for offset in range(span.begin, span.end)}


@given(SUBSETS, st.integers(0, N), SUBSETS, SUBSETS)
def test_a_topic_with_markers_and_retention(records: set[int], begin: int, lost: set[int], told: set[int]) -> None:
    """Offsets that are no records are markers; some of the records are lost; Kafka has what is from `begin` on."""
    archived = records - lost
    on_topic = {offset for offset in records if offset >= begin}
    markers = set(range(N)) - records
    known = markers & told  # found in an earlier run
    coverage = coverage_of(archived)
    bare = Held(begin=begin, end=N)
    found = {offset for offset in on_topic - archived if archived and offset < max(max(archived) + 1, begin)}
    report = report_of(0, coverage, OffsetSet(), set_of(known), replace(bare, found=set_of(found)))

    if not archived:
        assert report.good
        assert (report.begin, report.end, report.pending) == (begin, begin, N - begin)
        return
    first, last = min(archived), max(max(archived) + 1, begin)
    expected = set(range(min(first, begin), last))
    assert listed(report.lost) == (on_topic & expected) - archived
    assert listed(report.no_records) == expected & ({m for m in markers if m >= begin} | known)
    assert listed(report.unknown) == {offset for offset in expected - archived - known if offset < begin}
    assert report.good == (not report.lost.count and not report.unknown.count)
    assert report.deleted == min(first, begin)
    assert report.pending == N - last


@given(SUBSETS)
def test_without_kafka_every_gap_is_unknown(archived: set[int]) -> None:
    report = report_of(0, coverage_of(archived), OffsetSet(), OffsetSet())
    expected = set(range(min(archived), max(archived))) - archived if archived else set()
    assert listed(report.unknown) == expected
    assert report.good == (not expected)


def test_a_repeat_is_good_unless_it_differs() -> None:
    coverage = coverage_of({0, 1, 2})
    coverage.add(np.array([1, 2], np.int64))
    assert report_of(0, coverage, OffsetSet(), OffsetSet()).good
    report = report_of(0, coverage, set_of({2}), OffsetSet())
    assert (listed(report.same), listed(report.differing), report.good, report.rows) == ({1}, {2}, False, 5)


def test_many_spans_are_counted_and_not_shown() -> None:
    kind = Kind.of(Span(2 * at, 2 * at + 1) for at in range(100))
    assert (kind.count, len(kind.spans), kind.more) == (100, SHOWN_MAX, 100 - SHOWN_MAX)


def test_rows_of_one_offset_are_compared_by_what_the_topic_had() -> None:
    import pyarrow as pa  # noqa: PLC0415  (of this test alone)

    rows = pa.concat_tables(
        [
            rows_of([(0, 1), (0, 2), (0, 3)]),
            rows_of([(0, 1)], type="VIEW"),  # a typed column says no more than the record
            rows_of([(0, 2)], payload=b"other"),
        ]
    )
    assert differing_offsets(rows) == [2]
