"""A job's answer after every event is the one that a naive evaluation of the declarations gives.

The naive one reads messages by hand, sorts and cuts them, and evaluates each feature anew from the whole list
(plan_oracle.py); a mistake in both would have to be made twice. For ten times as many examples:
`.venv/bin/pytest tests/unit/udfs/plan --hypothesis-profile=many --timeout=0`, minutes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from driftline.serving.v1.scores_pb2 import CategoryAffinity, UserScores
from tests.builders import SECOND
from tests.unit.udfs.plan.histories import histories
from tests.unit.udfs.plan.history_oracle import Memberships, histories_of
from tests.unit.udfs.plan.message_oracle import Happened
from tests.unit.udfs.plan.plan_oracle import View
from tests.unit.udfs.plan.running import Job, compiled, examples
from tests.unit.udfs.plan.strategies import Declared, projects
from tests.unit.udfs.reducers.folding import packed
from udfs.plan.plan import Plan
from udfs.profile import LAST_MS, Profile
from udfs.segments import memberships as member_of

FLOAT32 = 1e-6  # the relative precision of the vector


def near(got: float, wanted: float, relative: float = 1e-9) -> bool:
    """Whether two numbers are equal but for their last digits."""
    return math.isclose(got, wanted, rel_tol=relative, abs_tol=1e-9)


@examples(200)
@given(st.data())
def test_every_answer_is_that_of_a_naive_evaluation(data: st.DataObject) -> None:
    project = data.draw(projects(tight=False))
    messages = data.draw(histories(project.data["events"]))
    job = Job(compiled(project.data))
    memberships = Memberships(project.data)
    before: Sequence[Any] = []
    for message, history in zip(messages, histories_of(messages, project.data["events"]), strict=True):
        job.fold([message])
        scores = job.message()
        if not history:
            assert scores is None
        elif history is not before:
            view = View(project.data, history)
            assert scores is not None
            assert_same(project, view, scores)
            assert {each.name: each.since_ms for each in scores.segments} == memberships.after(history, view)
        before = history


@examples(60)
@given(st.data())
def test_every_answer_as_of_a_later_time_is_that_of_a_naive_evaluation(data: st.DataObject) -> None:
    project = data.draw(projects(tight=False))
    messages = data.draw(histories(project.data["events"], size_max=8, forget=False))
    job = Job(compiled(project.data))
    memberships = Memberships(project.data)
    history: Sequence[Happened] = []
    before: Sequence[Happened] = []
    for message, history in zip(messages, histories_of(messages, project.data["events"]), strict=True):
        job.fold([message])
        if history and history is not before:
            memberships.after(history, View(project.data, history))
        before = history
    if not history:
        return
    profile = job.profile("me")
    untouched = packed(profile)
    ages_s = data.draw(st.lists(AGES_S, min_size=1, max_size=3))  # in any order: looks do not build on each other
    for age_s in ages_s:
        scores, since_ms = message_at(job.plan, profile, age_s)
        assert_same(project, View(project.data, history, age_s * SECOND), scores)
        assert since_ms == memberships.at(age_s * SECOND)
    assert packed(profile) == untouched


AGES_S = st.one_of(
    st.sampled_from([0, 1, 1_799, 1_800, 3_600, 21_600, 86_400, 172_800, 1_728_000, 2_592_000]),
    st.integers(0, 5_000_000),
)


def message_at(plan: Plan, profile: Profile, age_s: int) -> tuple[UserScores, dict[str, int]]:
    """What is read of a profile as of an age, as a message, and the memberships."""
    as_of_ms = profile.values[LAST_MS] + age_s * SECOND
    aged = plan.aged(profile, age_s)
    assert aged.values[LAST_MS] == profile.values[LAST_MS]
    reading = plan.reading(aged, as_of_ms)
    scores = UserScores(feature_values=plan.vector(aged, as_of_ms), traits=dict(reading.traits))
    assert reading.vector == struct.pack(f"<{len(scores.feature_values)}f", *scores.feature_values)
    for (name, _), value in zip(plan.formulas, reading.scores, strict=True):
        scores.scores[name] = value
    for category, share in reading.affinities:
        scores.affinities.add(category=category, share=share)
    for name, entries in reading.tops:
        top = scores.tops.add(feature=name)
        for category, share in entries:
            top.entries.add(category=category, share=share)
    found = member_of(plan.segments, plan.scope_of(aged, as_of_ms), {})
    return scores, {each.name: each.since_ms for each in found}


def assert_same(project: Declared, view: View, scores: UserScores) -> None:
    """A message says what the oracle does."""
    declared = project.data
    wanted = {name: view.score(score["expr"]) for name, score in declared["scores"].items()}
    assert scores.scores.keys() == wanted.keys()
    for name, value in wanted.items():
        got = scores.scores[name]
        assert near(got, value) if name in project.inexact else got == value, (name, got, value)
    assert_vector(declared, view, scores.feature_values)
    served = {
        name: view.kind(name) for name in view.outputs() if declared["features"].get(name, {}).get("vector", True)
    }
    texts = {name: view.value(name) for name, kind in served.items() if kind == "text"}
    assert dict(scores.traits) == {name: text for name, text in texts.items() if text}
    affinities = declared["project"].get("affinities", "")
    assert_top(scores.affinities, view.top(affinities) if affinities else [])
    assert [each.feature for each in scores.tops] == sorted(
        name for name, kind in served.items() if kind == "map" and name != affinities
    )
    for each in scores.tops:
        assert_top(each.entries, view.top(each.feature))


def assert_vector(declared: dict[str, Any], view: View, got: Sequence[float]) -> None:
    """The vector is that of the oracle, in the declared order."""
    wanted = []
    for name, feature in declared["features"].items():
        outputs = [output for output in view.outputs() if output == name or output.startswith(f"{name}_")]
        if feature.get("vector", True) and view.kind(outputs[0]) in {"number", "bool"}:
            wanted += [float(view.value(output)) for output in outputs]
    assert len(got) == len(wanted)
    assert all(near(one, other, FLOAT32) for one, other in zip(got, wanted, strict=True)), (list(got), wanted)


def assert_top(got: Sequence[CategoryAffinity], wanted: list[tuple[str, float]]) -> None:
    """The entries are those of the oracle, with their shares."""
    assert [each.category for each in got] == [key for key, _ in wanted]
    assert all(near(each.share, share) for each, (_, share) in zip(got, wanted, strict=True))
