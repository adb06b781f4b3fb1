"""When users are due: never early, spread, once for each age, and not as long as more may be on its way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import DAY, HOUR, MINUTE, T0, bounds
from udfs.checks import Checks
from udfs.timeline import Timeline

GAP_MS = 30 * MINUTE
TTL_MS = 90 * DAY
AGES_S = [3_600, 21_600, 86_400, 604_800, 5_184_000]
NOW = T0 + 10 * HOUR

AGES = st.lists(st.integers(1, 90 * DAY // 1_000), max_size=6, unique=True).map(sorted)
SILENCES = st.one_of(st.integers(0, 2 * HOUR), st.integers(0, 100 * DAY))


def checks(ages_s: list[int] | None = None, *, sessions: bool = True, ttl_ms: int = TTL_MS) -> Checks:
    return Checks(GAP_MS, ttl_ms, AGES_S if ages_s is None else ages_s, sessions=sessions)


BOUNDS = bounds()


def timeline(newest_ms: int = NOW, arrived_ms: int = NOW, age_s: int = 0) -> Timeline:
    made = Timeline.begin(BOUNDS)
    made.newest_ms, made.last_arrival_ms, made.age_s = newest_ms, arrived_ms, age_s
    return made


def late_ms(due_ms: int, age_s: int, newest_ms: int = NOW) -> int:
    return due_ms - newest_ms - age_s * 1_000


def test_the_session_or_the_next_age_whichever_is_earlier() -> None:
    every = checks([600, 86_400])
    assert 0 <= late_ms(every.next_ms("u", timeline(), NOW), 600) <= 600_000 // 32
    assert every.next_ms("u", timeline(age_s=600), NOW) == NOW + GAP_MS
    assert 0 <= late_ms(every.next_ms("u", timeline(age_s=600), NOW + GAP_MS), 86_400) <= DAY // 32
    assert every.next_ms("u", timeline(age_s=86_400), NOW + 2 * DAY) == 0


def test_what_is_wanted() -> None:
    assert [checks(ages, sessions=sessions).wanted for ages in ([], [60]) for sessions in (False, True)] == [
        False,
        True,
        True,
        True,
    ]
    assert checks([], sessions=False).next_ms("u", timeline(), NOW) == 0


def test_ages_beyond_the_time_to_live_are_not_used() -> None:
    some = checks([60, 120, 121], sessions=False, ttl_ms=120_000)
    assert some.reached_s(timeline(), NOW + DAY) == 120
    assert some.next_ms("u", timeline(age_s=120), NOW + DAY) == 0
    assert not checks([121], sessions=False, ttl_ms=120_000).wanted


def test_a_user_in_a_backlog_is_not_due_before_nothing_has_come_for_a_while() -> None:
    behind = timeline(newest_ms=NOW - 40 * DAY)
    only_ages = checks(sessions=False)
    assert only_ages.next_ms("u", behind, NOW) == NOW + GAP_MS
    assert only_ages.is_active(behind, NOW + GAP_MS - 1)
    assert not only_ages.is_active(behind, NOW + GAP_MS)
    assert only_ages.reached_s(behind, NOW + GAP_MS) == 604_800  # those before are skipped
    assert checks([60], sessions=False).next_ms("u", behind, NOW) == NOW + MINUTE  # the first age, if shorter


def test_entries_that_count() -> None:
    one = timeline()
    every = checks()
    assert not every.is_current(one, NOW)  # in no queue
    one.check_at_ms = NOW
    assert [every.is_current(one, due_ms) for due_ms in (NOW - 1, NOW, NOW + 1)] == [False, True, True]


def test_quiet_after_the_session_gap_where_sessions_are_published() -> None:
    assert [checks().is_quiet(timeline(), NOW + GAP_MS - late) for late in (0, 1)] == [True, False]
    assert not checks(sessions=False).is_quiet(timeline(), NOW + DAY)


def test_users_of_one_burst_are_spread_over_a_32nd_of_an_age() -> None:
    every, one = checks([86_400], sessions=False), timeline()
    late = [late_ms(every.next_ms(f"u{n}", one, NOW), 86_400) for n in range(3_200)]
    part = DAY // 32 // 10
    in_each = [sum(part * n <= each < part * (n + 1) for each in late) for n in range(10)]
    assert sum(in_each) == 3_200
    assert min(in_each) > 200
    assert max(in_each) < 500


def test_a_wait_is_at_most_eight_times_the_silence_before_it() -> None:
    every = checks([3_600, 5_184_000])
    aged = timeline(age_s=3_600)
    assert every.next_after_ms("u", aged, NOW + HOUR) == NOW + 9 * HOUR
    assert every.next_after_ms("u", aged, NOW + 9 * HOUR) == NOW + 81 * HOUR
    assert every.next_after_ms("u", timeline(age_s=5_184_000), NOW + 60 * DAY) == 0


@given(AGES, SILENCES, SILENCES, st.booleans(), st.text(max_size=5))
def test_a_check_that_is_due_finds_something_or_waits_again(
    ages_s: list[int], read_late_ms: int, waited_ms: int, sessions: bool, user_id: str
) -> None:
    every = checks(ages_s, sessions=sessions)
    one = timeline(newest_ms=NOW - read_late_ms)
    now_ms = NOW + waited_ms
    one.age_s = 0 if every.is_active(one, now_ms) else every.reached_s(one, now_ms)
    due_ms = every.next_ms(user_id, one, now_ms)
    later = [age_s for age_s in ages_s if age_s > one.age_s]
    if not due_ms:
        assert not later
        assert not sessions or now_ms >= NOW + GAP_MS
        return
    assert due_ms > now_ms
    assert due_ms >= NOW + every.rest_ms
    assert every.is_quiet(one, due_ms) or every.reached_s(one, due_ms) > one.age_s
    assert not every.is_active(one, due_ms)
    again_ms = every.next_after_ms(user_id, one, now_ms)
    assert now_ms < again_ms <= due_ms


@given(AGES, st.text(max_size=5))
def test_looking_whenever_due_writes_every_age_once(ages_s: list[int], user_id: str) -> None:
    every, one = checks(ages_s), timeline()
    now_ms = every.next_ms(user_id, one, NOW)
    written, looks, quiet = [], 0, 0
    while now_ms:
        quiet += every.is_quiet(one, now_ms) and not quiet
        if (age_s := every.reached_s(one, now_ms)) > one.age_s:
            assert 0 <= late_ms(now_ms, age_s) <= max(age_s * 1_000 // 32, GAP_MS)
            one.age_s = age_s
            written.append(age_s)
        looks += 1
        now_ms = every.next_after_ms(user_id, one, now_ms)
    reachable = set(written)
    assert written == sorted(reachable)
    assert written[-1:] == ages_s[-1:]
    assert reachable <= set(ages_s)
    assert looks <= 1 + len(ages_s) + 6  # at most so many in vain, over 90 days
    assert quiet


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(-2 * HOUR, 2 * HOUR)), max_size=10))
def test_a_clock_that_jumps_writes_no_age_twice(steps: list[tuple[int, int]]) -> None:
    every, one = checks(), timeline()
    now_ms, written = NOW, []
    for hours, jump_ms in steps:
        now_ms += hours * HOUR + jump_ms
        if not every.is_active(one, now_ms) and (age_s := every.reached_s(one, now_ms)) > one.age_s:
            one.age_s = age_s
            written.append(age_s)
        assert every.next_ms("u", one, now_ms) > now_ms
    assert written == sorted(set(written))
