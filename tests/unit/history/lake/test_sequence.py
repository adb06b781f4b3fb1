"""The order of a replay: every stretch once, each partition by offset, and a watermark that claims nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from history.lake.reading import STRETCH_OFFSETS, Stretch
from history.lake.sequence import NOTHING_READ_MS, in_sequence

Times = list[tuple[int, int]]  # oldest and newest of a stretch


def stretches_of(partitions: list[Times]) -> list[Stretch]:
    return [
        Stretch(partition, at * STRETCH_OFFSETS, (at + 1) * STRETCH_OFFSETS, 1, min(times), max(times))
        for partition, some in enumerate(partitions)
        for at, times in enumerate(some)
    ]


TIMES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=6)


@given(st.lists(TIMES, max_size=4), st.randoms(use_true_random=False))
def test_a_sequence(partitions: list[Times], random: object) -> None:
    stretches = stretches_of(partitions)
    shuffled = list(stretches)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    turns = list(in_sequence(shuffled))

    assert sorted(turn.stretch for turn in turns) == sorted(stretches)
    for partition in range(len(partitions)):
        begins = [turn.stretch.begin for turn in turns if turn.stretch.partition == partition]
        assert begins == sorted(begins)
    marks = [turn.watermark_ms for turn in turns]
    assert marks == sorted(marks)
    for at, turn in enumerate(turns):
        going_on = {later.stretch.partition for later in turns[at:]}
        newest = [
            max((one.stretch.newest_ms for one in turns[:at] if one.stretch.partition == partition), default=0)
            for partition in going_on
        ]
        assert turn.watermark_ms <= min(newest)


def test_the_partition_that_is_behind_comes_next() -> None:
    turns = list(in_sequence(stretches_of([[(0, 10), (11, 20)], [(0, 5), (6, 30)]])))
    assert [(turn.stretch.partition, turn.stretch.begin // STRETCH_OFFSETS) for turn in turns] == [
        (0, 0),
        (1, 0),
        (1, 1),
        (0, 1),
    ]
    assert [turn.watermark_ms for turn in turns] == [NOTHING_READ_MS, NOTHING_READ_MS, 5, 10]


def test_nothing_has_no_turns() -> None:
    assert list(in_sequence([])) == []
