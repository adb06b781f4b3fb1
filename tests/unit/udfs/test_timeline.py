"""Order, lateness, sessions and bounds of one user's timeline."""

from __future__ import annotations

import pytest

from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, bounds, event
from tests.timelines import committed_of
from udfs.event import ADD_TO_CART, FORGET, PURCHASE, VIEW, Event
from udfs.profile import EVENTS, FIRST_MS
from udfs.timeline import Outcome, Timeline

ACCEPTED, DUPLICATE, LATE, ID_REUSED = Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.LATE, Outcome.ID_REUSED
GAP = 30 * MINUTE
BOUND = 60 * SECOND


def timeline_of(*events_at_ms: int, **changed: int) -> Timeline:
    timeline = Timeline.begin(bounds(**changed))
    for at_ms in events_at_ms:
        assert timeline.offer(event(at_ms)) is ACCEPTED
    return timeline


def test_event_exactly_at_the_disorder_bound_is_accepted() -> None:
    assert timeline_of(BOUND).offer(event(0)) is ACCEPTED


def test_event_past_the_disorder_bound_is_late() -> None:
    timeline = timeline_of(BOUND + 1)
    assert timeline.offer(event(0)) is LATE
    assert timeline.accepted == 1


def test_late_event_leaves_no_trace_so_its_repeat_is_late_too() -> None:
    timeline = timeline_of(BOUND + 1)
    assert [timeline.offer(event(0)), timeline.offer(event(0))] == [LATE, LATE]


def test_repeat_of_a_committed_event_is_a_duplicate_not_late() -> None:
    assert timeline_of(0, HOUR).offer(event(0)) is DUPLICATE


def test_same_id_within_the_horizon_is_not_accepted_at_any_time_of_the_event() -> None:
    timeline = Timeline.begin(bounds())
    timeline.offer(event(0, event_id="x"))
    assert timeline.offer(event(0, event_id="x")) is DUPLICATE
    assert timeline.offer(event(DAY, event_id="x")) is ID_REUSED
    assert timeline.offer(event(DAY + 1, event_id="x")) is ACCEPTED


def test_ids_are_forgotten_by_event_time_and_then_their_repeats_are_late() -> None:
    timeline = timeline_of(0, DAY)
    assert timeline.offer(event(0)) is DUPLICATE
    assert timeline.offer(event(DAY + 1)) is ACCEPTED
    assert timeline.offer(event(0)) is LATE
    assert len(timeline.seen) == 2


def test_profile_contains_an_overtaken_event_at_once_and_in_its_place() -> None:
    timeline = Timeline.begin(bounds())
    timeline.offer(event(20, category="hats"))
    timeline.offer(event(10, category="shoes"))
    profile = timeline.profile()
    assert profile.last_category == "hats"
    assert profile.session.events == 2
    assert committed_of(timeline).empty


def test_pause_of_exactly_the_gap_extends_the_session() -> None:
    assert timeline_of(0, GAP).profile().session.start_ms == T0


def test_pause_of_more_than_the_gap_begins_a_session() -> None:
    assert timeline_of(0, GAP + 1).profile().session.start_ms == T0 + GAP + 1


def test_late_bridge_inside_the_bound_merges_two_sessions() -> None:
    timeline = timeline_of(0, GAP + 10 * SECOND)
    assert timeline.profile().session.start_ms == T0 + GAP + 10 * SECOND
    assert timeline.offer(event(GAP)) is ACCEPTED
    session = timeline.profile().session
    assert (session.start_ms, session.events) == (T0, 3)
    timeline.close_quiet()
    assert [(c.session.events, c.revision) for c in timeline.closed] == [(1, 1), (3, 2)]


def test_session_is_published_when_an_event_of_a_later_one_arrives() -> None:
    timeline = timeline_of(0, GAP)
    assert timeline.closed == []
    timeline.offer(event(2 * GAP + 1))
    timeline.offer(event(3 * HOUR))
    assert [(c.session.start_ms - T0, c.by_quiet, c.revision) for c in timeline.closed] == [
        (0, False, 1),
        (2 * GAP + 1, False, 1),
    ]


def test_sessions_are_not_published_again_after_a_quiet_close() -> None:
    timeline = timeline_of(0, 1)
    timeline.close_quiet()
    timeline.close_quiet()
    timeline.offer(event(3 * HOUR))
    assert [(c.session.events, c.by_quiet) for c in timeline.closed] == [(2, True)]


def test_short_visit_closed_by_quiet_does_not_bring_back_the_session_before() -> None:
    timeline = timeline_of(0, HOUR, 2 * HOUR - 1, 2 * HOUR)  # the last two wait in the tail
    timeline.close_quiet()
    timeline.offer(event(4 * HOUR))
    timeline.offer(event(6 * HOUR))
    published = [(c.session.start_ms - T0, c.session.events, c.by_quiet, c.revision) for c in timeline.closed]
    assert published == [
        (0, 1, False, 1),
        (HOUR, 1, False, 1),
        (2 * HOUR - 1, 2, True, 1),
        (4 * HOUR, 1, False, 1),
    ]


def test_quiet_close_also_publishes_the_session_that_an_event_out_of_order_ended() -> None:
    timeline = timeline_of(GAP + BOUND, GAP + BOUND + 1)
    timeline.offer(event(GAP + BOUND - SECOND, event_id="before"))
    assert timeline.closed == []
    timeline.close_quiet()
    assert [(c.session.start_ms - T0, c.by_quiet) for c in timeline.closed] == [(GAP + BOUND - SECOND, True)]


def test_session_extended_after_a_quiet_close_is_published_with_a_higher_revision() -> None:
    timeline = timeline_of(0)
    timeline.close_quiet()
    timeline.offer(event(1))
    timeline.offer(event(3 * HOUR))
    assert [(c.session.events, c.by_quiet, c.revision) for c in timeline.closed] == [(1, True, 1), (2, False, 2)]


def test_session_that_began_earlier_than_was_published_names_what_it_supersedes() -> None:
    timeline = timeline_of(30 * SECOND)
    timeline.close_quiet()
    timeline.offer(event(0))
    timeline.profile()  # as after a block
    timeline.offer(event(3 * HOUR))
    again = timeline.closed[1]
    assert (again.session.start_ms, again.revision, again.supersedes_start_ms) == (T0, 2, (T0 + 30 * SECOND,))


def test_next_session_after_a_published_one_supersedes_nothing() -> None:
    timeline = timeline_of(0)
    timeline.close_quiet()
    timeline.offer(event(HOUR))
    timeline.offer(event(3 * HOUR))
    assert [(c.revision, c.supersedes_start_ms) for c in timeline.closed] == [(1, ()), (1, ())]


def test_quiet_close_changes_nothing_that_the_next_fold_computes() -> None:
    quiet, busy = timeline_of(0, 1), timeline_of(0, 1)
    quiet.close_quiet()
    for timeline in (quiet, busy):
        timeline.offer(event(2))
    assert quiet.profile().values == busy.profile().values


def test_idle_longer_than_the_user_ttl_begins_a_new_profile() -> None:
    timeline = timeline_of(0, 90 * DAY + 1)
    assert timeline.profile().values[0] == 1
    assert timeline_of(0, 90 * DAY).profile().values[0] == 2


def test_id_overflow_drops_the_oldest_and_is_counted() -> None:
    timeline = timeline_of(*range(5), dedupe_ids_max=3, tail_events_max=3)
    assert (len(timeline.seen), timeline.overflows.ids) == (3, 2)
    assert timeline.offer(event(4)) is DUPLICATE


def test_tail_overflow_commits_the_oldest_and_is_counted() -> None:
    timeline = timeline_of(*range(5), tail_events_max=3)
    assert (len(timeline.waiting()), timeline.overflows.tail) == (3, 2)
    assert timeline.offer(event(0, event_id="other")) is LATE
    assert timeline.profile().session.events == 5


def test_category_overflow_drops_the_least_and_is_counted() -> None:
    timeline = Timeline.begin(bounds(categories_max=10))
    for number in range(12):
        timeline.offer(event(number, PURCHASE if number == 0 else ADD_TO_CART, category=f"c{number:02}"))
    timeline.offer(event(HOUR))
    assert timeline.overflows.categories == 2
    assert set(timeline.profile().categories) == {"c00", *(f"c{n:02}" for n in range(3, 12))}


def test_forget_erases_what_came_before_also_what_arrives_after_it() -> None:
    timeline = timeline_of(0, 10)
    timeline.offer(event(20, FORGET))
    assert timeline.profile().empty
    timeline.offer(event(15))
    assert timeline.profile().empty
    timeline.offer(event(25))
    assert timeline.profile().session.events == 1
    assert timeline.accepted == 5


def ahead(at_ms: int, known_at_ms: int) -> Event:
    """An event dated ahead of its record."""
    return Event(T0 + at_ms, f"ahead-{at_ms}", VIEW, 0.0, "", T0 + known_at_ms)


def kept(timeline: Timeline) -> int:
    return int(timeline.profile().values[EVENTS])


def test_a_forget_behind_the_frontier_erases_what_was_committed_and_keeps_what_came_since() -> None:
    timeline = timeline_of(0, 8 * HOUR)
    timeline.clear_gathered()
    assert timeline.offer(event(10 * MINUTE, FORGET)) is ACCEPTED
    assert (kept(timeline), timeline.accepted, timeline.touched, timeline.forgets_late) == (1, 3, True, 1)
    assert timeline.profile().values[FIRST_MS] == T0 + 8 * HOUR


def test_a_forget_behind_the_frontier_erases_what_a_fast_clock_may_have_dated_after_it() -> None:
    timeline = timeline_of(0, 2 * MINUTE)
    timeline.offer(event(30 * SECOND, FORGET))
    assert timeline.profile().empty
    timeline.offer(event(2 * MINUTE + 1))
    assert kept(timeline) == 1


@pytest.mark.parametrize(("at_ms", "left"), [(5 * MINUTE, 0), (5 * MINUTE + 1, 1)])
def test_the_allowed_skew_is_the_bound_of_what_may_be_from_before(at_ms: int, left: int) -> None:
    timeline = timeline_of(at_ms)
    timeline.offer(event(0, FORGET))
    assert kept(timeline) == left


def test_a_profile_that_holds_nothing_from_before_a_forget_is_left_alone() -> None:
    timeline = timeline_of(HOUR, 2 * HOUR, 4 * HOUR)
    published = timeline.published.rows
    assert timeline.offer(event(0, FORGET)) is ACCEPTED
    assert (kept(timeline), timeline.published.rows) == (3, published)


def test_what_a_forget_erased_stays_erased_whatever_arrives_later() -> None:
    timeline = timeline_of(0)
    timeline.offer(event(30 * SECOND, FORGET))
    assert [timeline.offer(event(10)), timeline.offer(ahead(80 * SECOND, 20 * SECOND))] == [ACCEPTED, ACCEPTED]
    assert timeline.profile().empty
    timeline.offer(ahead(80 * SECOND + 1, 31 * SECOND))
    assert kept(timeline) == 1


def test_an_event_dated_ahead_but_received_before_the_request_is_erased() -> None:
    timeline = timeline_of(0)
    timeline.offer(ahead(50 * SECOND, 10 * SECOND))
    timeline.offer(event(30 * SECOND, FORGET))
    assert timeline.profile().empty


def test_a_forget_is_carried_out_under_an_id_that_another_event_has_used() -> None:
    timeline = timeline_of(0)
    assert timeline.offer(event(1, FORGET, event_id="at-0")) is ACCEPTED
    assert timeline.profile().empty
    assert timeline.offer(event(1, FORGET, event_id="at-0")) is DUPLICATE


def test_a_repeated_forget_is_a_duplicate_and_erases_nothing_of_the_new_history() -> None:
    timeline = timeline_of(0, 8 * HOUR)
    assert timeline.offer(event(HOUR, FORGET)) is ACCEPTED
    for at_ms in (9 * HOUR, 10 * HOUR, 3 * DAY):  # after the last one, the id is beyond the horizon
        timeline.offer(event(at_ms))
        assert timeline.offer(event(HOUR, FORGET)) is DUPLICATE
    assert timeline.offer(event(HOUR - 1, FORGET)) is DUPLICATE
    assert (kept(timeline), timeline.accepted) == (4, 6)


def test_another_forget_for_what_is_forgotten_already_is_accepted_and_changes_nothing() -> None:
    timeline = timeline_of(0)
    timeline.offer(event(20, FORGET))
    timeline.offer(event(30))
    assert timeline.offer(event(10, FORGET)) is ACCEPTED
    assert (kept(timeline), timeline.accepted) == (1, 4)


def test_an_old_forget_does_not_make_a_later_repeat_an_event_of_its_own() -> None:
    timeline = timeline_of(10 * DAY)
    timeline.offer(event(0, FORGET, event_id=f"at-{10 * DAY}"))
    assert timeline.offer(event(10 * DAY)) is DUPLICATE


def test_a_forget_that_erases_a_published_session_begins_the_revisions_anew() -> None:
    timeline = timeline_of(0, 3 * HOUR)
    timeline.close_quiet()
    timeline.offer(event(3 * HOUR + 1, FORGET))
    timeline.clear_gathered()
    timeline.offer(event(3 * HOUR + 2))
    timeline.close_quiet()
    assert [(c.session.start_ms - T0, c.revision, c.supersedes_start_ms) for c in timeline.closed] == [
        (3 * HOUR + 2, 1, ())
    ]


def test_bounds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(Exception, match="dedupe_horizon_ms"):
        bounds(dedupe_horizon_ms=1_000)


def test_events_of_one_moment_are_never_late_however_many_the_tail_could_not_keep() -> None:
    timeline = Timeline.begin(bounds(tail_events_max=3, dedupe_ids_max=10_000))
    outcomes = {timeline.offer(event(0, event_id=f"{number * 7919 % 5000:04}")) for number in range(5_000)}
    assert outcomes == {ACCEPTED}
    assert (kept(timeline), timeline.overflows.tail) == (5_000, 4_997)
    assert timeline.offer(event(-1)) is LATE
