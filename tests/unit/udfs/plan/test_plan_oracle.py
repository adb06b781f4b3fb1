"""A job's answer after every event is the one that a naive evaluation of the declarations gives.

The naive one reads messages by hand, sorts and cuts them, and evaluates each feature anew from the whole list
(plan_oracle.py); a mistake in both would have to be made twice. For ten times as many examples:
`.venv/bin/pytest tests/unit/udfs/plan --hypothesis-profile=many --timeout=0`, minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from driftline.serving.v1.scores_pb2 import CategoryAffinity, UserScores
from tests.unit.udfs.plan.histories import histories
from tests.unit.udfs.plan.history_oracle import Memberships, histories_of
from tests.unit.udfs.plan.plan_oracle import View
from tests.unit.udfs.plan.running import Job, compiled, examples
from tests.unit.udfs.plan.strategies import Declared, projects

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
