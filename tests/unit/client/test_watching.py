from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.client.types import Result, Scores
from driftline.client.watching import LOST_CODES, WAIT_S_MAX, Reconnects, WatchState

NONE = Result("u", "NOT_FOUND")


def scored(generation: int, accepted: int, age_s: int = 0) -> Result:
    return Result("u", "OK", Scores("u", generation=generation, accepted_events=accepted, age_s=age_s))


@pytest.mark.parametrize(
    ("arriving", "yielded"),
    [
        ([scored(1, 1), scored(1, 1)], [scored(1, 1)]),
        ([scored(1, 2), scored(1, 1), scored(1, 3)], [scored(1, 2), scored(1, 3)]),
        ([scored(2, 1), scored(1, 9), scored(2, 2)], [scored(2, 1), scored(2, 2)]),
        ([scored(1, 9), scored(2, 1)], [scored(1, 9), scored(2, 1)]),
        ([scored(1, 1), scored(1, 1, 60), scored(1, 1, 60)], [scored(1, 1), scored(1, 1, 60)]),
        ([scored(1, 1, 60), scored(1, 1), scored(1, 1, 90)], [scored(1, 1, 60), scored(1, 1, 90)]),
        ([scored(1, 1, 60), scored(1, 2)], [scored(1, 1, 60), scored(1, 2)]),
        ([NONE, NONE, scored(1, 1), NONE, NONE], [NONE, scored(1, 1), NONE]),
        ([scored(1, 5), NONE, scored(1, 4), scored(1, 5)], [scored(1, 5), NONE, scored(1, 5)]),
    ],
)
def test_only_what_is_new(arriving: list[Result], yielded: list[Result]) -> None:
    state = WatchState(())
    assert [news for result in arriving if (news := state.news(result))] == yielded


VERSIONS = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(0, 2))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | VERSIONS)))
def test_versions_never_fall(arriving: list[tuple[str, tuple[int, int, int] | None]]) -> None:
    state, newest = WatchState(()), dict[str, tuple[int, int, int]]()
    for user_id, version in arriving:
        scores = None
        if version:
            scores = Scores(user_id, generation=version[0], accepted_events=version[1], age_s=version[2])
        news = state.news(Result(user_id, "OK" if scores else "NOT_FOUND", scores))
        if news is not None and news.scores is not None:
            assert news.scores.version >= newest.get(user_id, (0, 0, 0))
            newest[user_id] = news.scores.version


def test_version_that_was_not_asked_for_is_not_shown() -> None:
    state = WatchState(["generation"])
    news = [state.news(result) for result in (scored(1, 1), scored(1, 1), scored(1, 2), scored(1, 2, 60))]
    assert news == [scored(1, 0), None, scored(1, 0), scored(1, 0)]


def test_first_connection_is_not_tried_again() -> None:
    assert Reconnects(60).wait_s("UNAVAILABLE", 0) is None


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_ARGUMENT", "UNIMPLEMENTED"])
def test_refusal_is_not_a_lost_stream(code: str) -> None:
    reconnects = Reconnects(60)
    reconnects.arrived()
    assert reconnects.wait_s(code, 0) is None


@pytest.mark.parametrize("code", sorted(LOST_CODES | {"OK"}))
def test_lost_stream_is_tried_until_the_time_is_over(code: str) -> None:
    reconnects = Reconnects(60)
    reconnects.arrived()
    waits = [reconnects.wait_s(code, now_s) for now_s in range(100, 160)]
    assert all(wait is not None and 0 < wait <= WAIT_S_MAX for wait in waits)
    assert reconnects.wait_s(code, 160) is None


def test_time_begins_anew_when_something_arrives() -> None:
    reconnects = Reconnects(60)
    reconnects.arrived()
    assert reconnects.wait_s("UNAVAILABLE", 0) is not None
    reconnects.arrived()
    assert reconnects.wait_s("UNAVAILABLE", 61) is not None
