"""The promise, for whatever is declared: one answer, whatever the order of arrival, the repeats and the blocks.

Projects and histories are drawn, and go through the compiler, the processor and the codec of states. For ten times as
many examples: `.venv/bin/pytest tests/unit/udfs/plan --hypothesis-profile=many --timeout=0`, minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from tests.unit.udfs.plan.histories import arrivals, histories
from tests.unit.udfs.plan.running import Job, compiled, examples, in_blocks
from tests.unit.udfs.plan.strategies import projects
from tests.unit.udfs.reducers.folding import packed
from tests.unit.udfs.strategies import splits


def run(plan: str, messages: Sequence[UserEvent], sizes: Sequence[int], cached_max: int = 0) -> Job:
    """The job after the messages in blocks of these sizes."""
    job = Job(plan, cached_max)
    for part in in_blocks(messages, sizes):
        job.fold(part)
    return job


def answers(job: Job, age_s: int = 86_400) -> tuple[object, ...]:
    """All that must be the same: scores, and what the states of users mean, now and at an age."""
    users = sorted(job.states)
    return job.scores, [(job.present(user), at_age(job, user, age_s)) for user in users]


def at_age(job: Job, user_id: str, age_s: int) -> bytes:
    """All that is of a user, including memberships, when nothing has come for so long; empty if nothing is known."""
    profile = job.profile(user_id)
    return b"" if profile.empty else packed(job.plan.aged(profile, age_s))


@examples(100)
@given(st.data())
def test_any_order_within_the_bound_any_repeats_and_any_blocks_give_the_same_answer(data: st.DataObject) -> None:
    project = data.draw(projects())
    plan = compiled(project.data)
    history = data.draw(histories(project.data["events"]))
    arrived = data.draw(arrivals(history))
    in_order = run(plan, history, [len(history)])
    shuffled = run(plan, arrived, data.draw(splits(len(arrived))), data.draw(st.integers(0, 1)))
    age_s = data.draw(st.integers(0, 2_000_000))
    assert answers(shuffled, age_s) == answers(in_order, age_s)


@examples(40)
@given(st.data())
def test_users_do_not_depend_on_each_other(data: st.DataObject) -> None:
    project = data.draw(projects())
    plan = compiled(project.data)
    mine, yours = (data.draw(histories(project.data["events"], size_max=8)) for _ in range(2))
    both = list(mine)
    for message in yours:
        message.user_id = "you"
        both.insert(data.draw(st.integers(0, len(both))), message)
    both.sort(key=lambda each: each.event_time_ms)
    together = run(plan, both, data.draw(splits(len(both))), data.draw(st.integers(0, 2)))
    for user_id, history in (("me", mine), ("you", yours)):
        alone = run(plan, history, [len(history)])
        assert together.message(user_id) == alone.message(user_id)
        assert together.present(user_id) == alone.present(user_id)
