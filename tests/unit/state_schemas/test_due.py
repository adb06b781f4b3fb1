"""Users wait in pages until they are due: none is lost, none is early, and the work of a call is bounded."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from state_schemas.due import PAGE_USERS_MAX, DueQueue
from udfs.results import Due

GRID_MS, FINE_MS = 100, 36_000
DAY = 86_400_000


class Entries(dict[int, object]):
    """A map state in memory that counts its writes in bytes."""

    written = 0

    def put(self, key: int, value: object) -> None:
        self[key] = value
        self.written += len(value) if isinstance(value, bytes) else 8

    def remove(self, key: int) -> None:
        self.pop(key, None)


def queue(pages: Entries, counts: Entries, offset_ms: int = 0) -> DueQueue:
    return DueQueue(pages, counts, grid_ms=GRID_MS, offset_ms=offset_ms, fine_ms=FINE_MS)  # type: ignore[arg-type]


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
        timers |= set(due.add(users, 0))
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
        due.add([Due(f"user-{block:06}-{n:02}", 90_000) for n in range(100)], 60_000)
        written.append(pages.written + counts.written - before)
    assert len(set(written)) == 1
    assert len(taken_all(due, 90_000)) == 30_000


def test_nothing_is_due_before_its_time_nor_added_to_a_time_that_has_come() -> None:
    due = queue(Entries(), Entries())
    assert due.add([Due("early", 120)], 0) == [200]
    assert not due.has_due(199)
    assert due.take(199) == (200, [])
    assert due.add([Due("moved", 150)], 200) == [300]
    assert due.take(200) == (200, [Due("early", 120)])
    assert not due.has_due(299)


def test_how_long_the_next_users_have_been_due() -> None:
    due = queue(Entries(), Entries())
    assert due.behind_ms(1_000) == 0
    due.put(1_000, [Due("a", 1_000)])
    due.put(1_050, [Due("b", 1_050)])
    assert (due.behind_ms(999), due.behind_ms(1_060)) == (0, 60)


@given(
    st.lists(st.tuples(st.integers(0, 10 * 60_000), st.integers(0, 60 * DAY)), max_size=60),
    st.sampled_from([1_000, 10_000, 86_400_000 // 10]),
    st.integers(0, 999),
)
def test_no_user_is_early_however_far_ahead_and_late_by_a_180th_of_the_wait(
    added: list[tuple[int, int]], gap_ms: int, offset_ms: int
) -> None:
    now_ms = 1_767_225_600_000
    grid_ms = min(10_000, gap_ms // 10)
    entries = Entries(), Entries()
    due = DueQueue(*entries, grid_ms=grid_ms, offset_ms=offset_ms % grid_ms, fine_ms=gap_ms)  # type: ignore[arg-type]
    latest: dict[str, int] = {}
    timers: set[int] = set()
    for number, (pause_ms, wait_ms) in enumerate(added):
        now_ms += pause_ms
        at_ms = now_ms + wait_ms
        latest[f"u{number}"] = at_ms + max(grid_ms, wait_ms // 180 if wait_ms > gap_ms else 0)
        timers |= set(due.add([Due(f"u{number}", at_ms)], now_ms))
    found: list[str] = []
    for timer_ms in sorted(timers):
        for user in taken_all(due, timer_ms):
            assert user.at_ms <= timer_ms <= latest[user.user_id] + 1
            found.append(user.user_id)
    assert sorted(found) == sorted(latest)


def test_two_months_ahead_are_a_few_thousand_times_at_any_moment() -> None:
    due = DueQueue(Entries(), counts := Entries(), grid_ms=10_000, offset_ms=70, fine_ms=30 * 60_000)  # type: ignore[arg-type]
    now_ms, most = 1_767_225_600_000, 0
    waits = [int(60_000 * 1.002**n) for n in range(5_700)]  # dense up to 61 days
    for _ in range(30):
        due.add([Due("u", now_ms + wait_ms) for wait_ms in waits], now_ms)
        most = max(most, len(counts))
        now_ms += 7_919_000
        while due.has_due(now_ms):
            due.take(now_ms)
    assert 1_500 < most < 3_000


def test_a_session_gap_of_a_day_keeps_its_fine_grid() -> None:
    due = DueQueue(Entries(), Entries(), grid_ms=10_000, offset_ms=0, fine_ms=DAY)  # type: ignore[arg-type]
    assert due.add([Due("u", DAY - 1)], 0) == [DAY]
    assert due.add([Due("u", DAY + 1)], 0) == [DAY + 320_000]  # DAY is a step of this grid, too, of 320 s


def test_a_queue_of_an_earlier_release_goes_on_on_the_wider_grid() -> None:
    pages, counts = Entries(), Entries()
    old = queue(pages, counts)
    old.put(20 * DAY + 100, [Due("old", 20 * DAY + 1)])  # as the fine grid had it, whatever the distance
    due = queue(pages, counts)
    assert due.add([Due("new", 20 * DAY + 1)], 0) != [20 * DAY + 100]
    assert taken_all(due, 21 * DAY) == [Due("old", 20 * DAY + 1), Due("new", 20 * DAY + 1)]


def test_a_time_that_is_used_again_is_found_again() -> None:
    due = queue(Entries(), Entries())
    for _ in range(3):
        due.put(500, [Due("a", 500)])
        due.put(400, [Due("b", 400)])
        assert [due.take(600)[0], due.take(600)[0]] == [400, 500]
        assert not due.has_due(600)
