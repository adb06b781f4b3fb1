"""Users wait in pages until they are due: none is lost, none is early, and the work of a call is bounded."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from state_schemas.due import PAGE_USERS_MAX, DueQueue
from udfs.results import Due

GRID_MS = 100


class Entries(dict[int, object]):
    """A map state in memory that counts its writes in bytes."""

    written = 0

    def put(self, key: int, value: object) -> None:
        self[key] = value
        self.written += len(value) if isinstance(value, bytes) else 8

    def remove(self, key: int) -> None:
        self.pop(key, None)


def queue(pages: Entries, counts: Entries, offset_ms: int = 0) -> DueQueue:
    return DueQueue(pages, counts, grid_ms=GRID_MS, offset_ms=offset_ms)  # type: ignore[arg-type]


def taken_all(due: DueQueue, now_ms: int) -> list[Due]:
    taken: list[Due] = []
    while due.has_due(now_ms):
        _, users = due.take(now_ms)
        assert 0 < len(users) < 2 * PAGE_USERS_MAX
        taken += users
    return taken


@given(
    st.lists(st.lists(st.integers(1, 1_500), max_size=5), max_size=30),
    st.integers(0, GRID_MS - 1),
    st.integers(0, 30),
)
def test_every_user_is_taken_once_and_within_a_grid_step_of_the_due_time(
    blocks: list[list[int]], offset_ms: int, restart_at: int
) -> None:
    pages, counts = Entries(), Entries()
    due = queue(pages, counts, offset_ms)
    expected: Counter[Due] = Counter()
    timers: set[int] = set()
    for number, waits in enumerate(blocks):
        if number == restart_at:
            due = queue(pages, counts, offset_ms)
        users = [Due(f"u{number}-{at}", wait) for at, wait in enumerate(waits)]
        expected.update(users)
        timers |= set(due.add(users))
    found: Counter[Due] = Counter()
    for timer_ms in sorted(timers):
        for user in taken_all(due, timer_ms):
            assert user.at_ms <= timer_ms < user.at_ms + GRID_MS
            found[user] += 1
    assert found == expected
    assert not pages
    assert not counts


@given(st.integers(1, 400), st.integers(20, 300))
def test_a_user_who_is_queued_again_is_taken_again(number: int, taken_each: int) -> None:
    due = queue(Entries(), Entries())
    everyone = [Due(f"u{n}", 7) for n in range(number)]
    due.put(50, everyone)
    seen: list[Due] = []
    while due.has_due(50):
        at_ms, users = due.take(50)
        enough = max(1, taken_each)
        seen += users[:enough]
        due.put(at_ms, users[enough:])
    assert sorted(seen) == sorted(everyone)


def test_what_a_block_writes_does_not_grow_with_the_users_who_wait() -> None:
    pages, counts = Entries(), Entries()
    due = queue(pages, counts)
    written = []
    for block in range(300):
        before = pages.written + counts.written
        due.add([Due(f"user-{block:06}-{n:02}", 90_000) for n in range(100)])
        written.append(pages.written + counts.written - before)
    assert len(set(written)) == 1
    assert len(taken_all(due, 90_000)) == 30_000


def test_nothing_is_due_before_its_time_nor_added_to_a_time_that_has_come() -> None:
    due = queue(Entries(), Entries())
    assert due.add([Due("early", 120)]) == [200]
    assert not due.has_due(199)
    assert due.take(199) == (200, [])
    assert due.add([Due("moved", 150)], after_ms=200) == [300]
    assert due.take(200) == (200, [Due("early", 120)])
    assert not due.has_due(299)


def test_how_long_the_next_users_have_been_due() -> None:
    due = queue(Entries(), Entries())
    assert due.behind_ms(1_000) == 0
    due.put(1_000, [Due("a", 1_000)])
    due.put(1_050, [Due("b", 1_050)])
    assert (due.behind_ms(999), due.behind_ms(1_060)) == (0, 60)
