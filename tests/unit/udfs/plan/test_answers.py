"""What jobs with declared projects answer, by example."""

from __future__ import annotations

import pytest

from tests.builders import HOUR, message
from tests.unit.udfs.plan.running import Job, compiled
from udfs.event import CLICK, VIEW


def test_a_map_of_a_session_begins_anew_with_each_session() -> None:
    features = {
        "now": {"count": "VIEW", "by": "category", "scope": "session"},
        "before": {"count": "VIEW", "by": "category", "scope": "previous_session"},
    }
    scores = {f"{name}_{key}": {"expr": f'value({name}, "{key}")'} for name in features for key in ("a", "b")}
    job = Job(compiled({"features": features, "scores": scores}))
    job.fold([message("me", at_ms, category=category) for at_ms, category in ((0, "a"), (1, "a"), (HOUR, "b"))])
    found = job.message("me")
    assert found is not None
    assert dict(found.scores) == {"now_a": 0.0, "now_b": 1.0, "before_a": 2.0, "before_b": 0.0}


@pytest.mark.parametrize("formula", ["clicks / 0.0", "log(clicks)", "clicks > 5.0"])
def test_a_score_that_has_no_value_is_0_for_segments_as_it_is_where_it_is_served(formula: str) -> None:
    segments = {"low": {"when": "score < 0.5"}, "none": {"when": "score == 0.0"}, "high": {"when": "score > 0.5"}}
    features = {"clicks": {"count": "CLICK"}}
    job = Job(compiled({"features": features, "scores": {"score": {"expr": formula}}, "segments": segments}))
    for at_ms, kind in ((0, VIEW), (1, CLICK)):
        job.fold([message("me", at_ms, type=kind)])
        found = job.message("me")
        assert found is not None
        assert dict(found.scores) == {"score": 0.0}
        assert [each.name for each in found.segments] == ["low", "none"]
