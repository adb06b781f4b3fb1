"""What the clock writes never shows in an export as of the event, and never goes back in the store."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.as_of import AsOf
from console.cli.scores import export_lines
from console.comparing import Comparing
from driftline.score_message import age_of
from driftline.serving.v1.scores_pb2 import UserScores
from tests.builders import DAY, HOUR, MINUTE
from tests.unit.jobs.test_ages import NOW, WITH_SESSIONS, Watch


def exported(watch: Watch, as_of: AsOf = AsOf.EVENT) -> str:
    return "".join(export_lines(watch.task.store, as_of))


def test_an_export_as_of_the_event_is_the_same_whatever_the_clock_has_written(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    watch.send("u1", "u2", "u3")
    before, now_before = exported(watch), exported(watch, AsOf.NOW)
    for silence_ms in (11 * MINUTE, 7 * HOUR, 20 * DAY):
        watch.until(NOW + silence_ms)
        assert exported(watch) == before
        assert exported(watch, AsOf.NOW) != now_before
    line = json.loads(exported(watch, AsOf.NOW).splitlines()[0])
    assert (line["ageS"], int(line["evaluatedAtMs"]) - int(line["asOfEventTimeMs"])) == (604_800, 7 * DAY)


STEPS = st.lists(st.tuples(st.sampled_from(["u1", "u2"]), st.integers(0, 3 * DAY)), min_size=1, max_size=6)


@settings(max_examples=20, deadline=None)
@given(STEPS)
def test_a_namespace_with_ages_and_one_whose_checks_come_late_compare_as_equal(
    steps: Sequence[tuple[str, int]],
) -> None:
    """The second job is down whenever nothing comes, so its checks see other ages than those of the first."""
    with pytest.MonkeyPatch.context() as patch:
        live, slow = Watch(patch, WITH_SESSIONS), Watch(patch, WITH_SESSIONS)
        newest: dict[str, tuple[int, int, int]] = {}
        for user, pause_ms in steps:
            for watch in (live, slow):
                watch.send(user)
            live.until(live.task.now_ms + pause_ms)
            slow.task.now_ms = live.task.now_ms
            for user_id, stored in live.task.store.scan():
                version = stored.generation, stored.accepted_events, age_of(stored.scores)
                assert version >= newest.get(user_id, (0, 0, 0))
                newest[user_id] = version
        found = Comparing(seen=lambda _: None).run(live.task.store, slow.task.store)
        assert found.same
        assert exported(live) == exported(slow)
        ages = {user_id: UserScores.FromString(stored.scores).age_s for user_id, stored in live.task.store.scan()}
        assert ages == {user_id: version[2] for user_id, version in newest.items()}
