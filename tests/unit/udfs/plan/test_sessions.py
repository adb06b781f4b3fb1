"""What the end of a session does to what is of a session."""

from __future__ import annotations

from tests.builders import HOUR, message
from tests.unit.udfs.plan.running import Job, compiled


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
