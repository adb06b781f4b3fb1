"""Which offsets a replay reads, from the lake and from the topic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.accounting import Extent, Part
from console.replaying.planning import (
    Asked,
    Held,
    Source,
    Stored,
    clipped,
    needs_lake,
    of_both,
    of_lake,
    of_topic,
    spans_text,
)
from driftline.errors import InputError
from history.lake.reading import Stretch

EXTENTS = {0: Extent(0, 100), 1: Extent(40, 70)}


def stretch(partition: int, begin: int, end: int) -> Stretch:
    """A stretch in which offset and time are the same."""
    return Stretch(partition, begin, end, end - begin, begin, end - 1)


def stored(*stretches: Stretch) -> Stored:
    def offset_at(partition: int, time_ms: int) -> int:
        ends = [one.end for one in stretches if one.partition == partition]
        return min([time_ms, *ends]) if ends else 0

    return Stored(stretches, offset_at)


class TestTopic:
    def test_everything_that_is_there_now(self) -> None:
        planned = of_topic(Asked(), Held(EXTENTS))
        assert planned.parts == {0: Part(0, 100), 1: Part(40, 70)}
        assert not planned.gaps

    def test_one_that_goes_live_has_no_end(self) -> None:
        assert of_topic(Asked(then_live=True), Held(EXTENTS)).parts == {0: Part(0), 1: Part(40)}

    def test_offsets_of_some_partitions_and_a_time_that_ends_it(self) -> None:
        held = Held(EXTENTS, until={0: 90, 1: 45})
        planned = of_topic(Asked(from_offsets={1: 50}, until_ms=9), held)
        assert planned.parts == {0: Part(0, 90), 1: Part(50, 50)}  # nothing of partition 1

    def test_a_time(self) -> None:
        assert of_topic(Asked(since_ms=9), Held(EXTENTS, since={0: 30, 1: 40})).parts[0] == Part(30, 100)

    @pytest.mark.parametrize(
        ("offsets", "said"),
        [
            ({2: 1}, "there is no partition 2; there are 0, 1"),
            ({0: 101}, "partition 0 ends at 100, before offset 101"),
            ({1: 39}, "Kafka has deleted offsets 39 to 39 of partition 1; --from auto"),
        ],
    )
    def test_what_is_not_there(self, offsets: dict[int, int], said: str) -> None:
        with pytest.raises(InputError, match=said):
            of_topic(Asked(from_offsets=offsets), Held(EXTENTS))


class TestBoth:
    def test_the_lake_is_needed_where_the_topic_lacks_what_was_asked_for(self) -> None:
        assert needs_lake(Asked(), Held(EXTENTS))
        assert not needs_lake(Asked(), Held({0: Extent(0, 9)}))
        assert not needs_lake(Asked(from_offsets={1: 40}), Held(EXTENTS))
        assert not needs_lake(Asked(since_ms=9), Held(EXTENTS, since={0: 0, 1: 41}))
        assert needs_lake(Asked(since_ms=9), Held(EXTENTS, since={0: 50, 1: 40}))  # there may have been older ones

    def test_the_lake_to_its_end_then_the_topic(self) -> None:
        planned = of_both(Asked(), Held(EXTENTS), stored(stretch(0, 0, 60), stretch(1, 0, 50)))
        assert planned.parts == {0: Part(0, 100, 60), 1: Part(0, 70, 50)}
        assert not planned.gaps

    def test_offsets_that_nobody_has_are_a_gap(self) -> None:
        planned = of_both(Asked(), Held(EXTENTS), stored(stretch(1, 0, 30)))
        assert planned.gaps == {1: (30, 40)}
        assert spans_text(planned.gaps) == "offsets 30 to 39 of partition 1"
        assert of_both(Asked(), Held(EXTENTS), stored(stretch(0, 0, 9))).gaps == {1: (0, 40)}

    def test_an_end_in_the_lake_needs_no_topic(self) -> None:
        held = Held({1: Extent(40, 70)}, until={1: 40})
        planned = of_both(Asked(until_ms=20), held, stored(stretch(1, 0, 30)))
        assert planned.parts == {1: Part(0, 20, 20)}
        assert not planned.gaps

    def test_a_time_in_the_lake(self) -> None:
        held = Held(EXTENTS, since={0: 80, 1: 40})
        planned = of_both(Asked(since_ms=25), held, stored(stretch(1, 0, 50)))
        assert planned.parts == {0: Part(80, 100, 80), 1: Part(25, 70, 50)}

    def test_the_lake_of_another_topic(self) -> None:
        with pytest.raises(InputError, match="partition 0 up to offset 101, the topic up to 100"):
            of_both(Asked(), Held(EXTENTS), stored(stretch(0, 0, 101)))

    @given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
    def test_every_offset_is_read_once_or_named(self, begin: int, length: int, lake_end: int, start: int) -> None:
        end = begin + length
        lake_end, start = min(lake_end, end), min(start, end)
        there = stored(stretch(0, 0, lake_end)) if lake_end else stored()
        planned = of_both(Asked(from_offsets={0: start}), Held({0: Extent(begin, end)}), there)
        part = planned.parts[0]
        of_lake_part = [
            offset for one in clipped(there.stretches, planned.parts) for offset in range(one.begin, one.end)
        ]
        assert part.until is not None
        of_the_topic = list(range(max(part.start, part.lake_until, begin), part.until))
        gap = list(range(*planned.gaps.get(0, (0, 0))))
        assert sorted(of_lake_part + of_the_topic + gap) == list(range(start, end))


class TestLake:
    def test_what_it_has_and_no_topic_is_needed(self) -> None:
        planned = of_lake(Asked(source=Source.LAKE), None, stored(stretch(0, 5, 20), stretch(0, 20, 33)))
        assert planned.parts == {0: Part(5, 33, 33)}
        assert planned.parts[0].in_lake

    def test_one_that_goes_live_goes_on_in_the_topic(self) -> None:
        asked = Asked(source=Source.LAKE, then_live=True)
        planned = of_lake(asked, Held(EXTENTS), stored(stretch(1, 10, 30)))
        assert planned.parts == {0: Part(0), 1: Part(10, None, 30)}
        assert planned.gaps == {1: (30, 40)}
