"""The operator over state of other declarations: users move as they are read, and what may not change is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from driftline.errors import SettingError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState, UserState
from jobs.lineage import Submission
from state_schemas import codec
from tests.builders import HOUR, MINUTE, SECOND, T0, block, message
from tests.fake_flink import Task
from tests.unit.jobs.projects import features, plan_of
from udfs.event import CLICK, CUSTOM
from udfs.plan.layout import BASE
from udfs.shards import shard_keys

NOW = T0 + 10 * HOUR
KEY, OTHER_KEY = shard_keys(8)[3:5]
PLAY = "events: {play: {fields: {artist: {type: string}, seconds: {type: number}}}}\n"
LIKE = "events: {like: {}, play: {fields: {seconds: {type: number}, mood: {type: string}, artist: {type: string}}}}\n"
FANS = "segments: {fans: {when: plays >= 2}}\n"
VIEWS, PLAYS = "views: {count: VIEW}", "plays: {count: play}"
SECONDS, ARTISTS = "seconds: {sum: seconds, of: play}", "artists: {distinct: artist, of: play}"
LIKES = "likes: {count: like}"
FIRST = features(VIEWS, SECONDS, PLAYS, more=PLAY)
MORE = features(PLAYS, LIKES, SECONDS, ARTISTS, more=LIKE + FANS)
CHANGED = features(VIEWS, "seconds: {sum: seconds, of: play, where: seconds > 1}", PLAYS, more=PLAY)


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A job with the first declarations, that has folded three events of u1 and one of u2, in two shards."""
    made = Task(monkeypatch, NOW, declarations=FIRST)
    send(made, KEY, play("u1", 0), message("u1", MINUTE), play("u1", 5 * MINUTE))
    send(made, OTHER_KEY, play("u2", 0))
    return made


def play(user_id: str, at_ms: int, seconds: float = 2.5) -> UserEvent:
    return message(user_id, at_ms, type=CUSTOM, name="play", properties={"artist": "abba", "seconds": str(seconds)})


def send(task: Task, key: int, *messages: UserEvent) -> list[Any]:
    made = block(*messages)
    return task.block(key, (made.keys, made.values, made.partitions, made.offsets, made.timestamps_ms))


def changes(rows: list[Any]) -> list[SegmentChange]:
    """The changes of segments among the rows that the operator puts out."""
    return [SegmentChange.FromString(value) for row in rows for value in row[2].values()]


def resubmit(task: Task, declarations: Path | None, generation: int = 9, **changed: Any) -> None:
    task.submission = Submission(generation, restored=True)
    task.open(declarations=declarations, **changed)


def layout_of(task: Task, key: int, user_id: str) -> int:
    return int(codec.decode(task.backend.maps["users"][key][user_id], UserState).layout)


def shard(task: Task, key: int) -> ShardState:
    return codec.decode(task.backend.values["shard"][key], ShardState)


def features_of(task: Task, user_id: str) -> dict[str, float]:
    """The features of a user's scores, by name."""
    (stored,) = task.store.read([user_id])
    assert stored is not None
    values = UserScores.FromString(stored.scores).feature_values
    return dict(zip(task.operator._plan.vector_names, values, strict=True))


def test_users_move_when_they_are_next_read(task: Task) -> None:
    old, new = plan_of(FIRST).layout.id, plan_of(MORE).layout.id
    before = dict(task.backend.maps["users"][KEY]), dict(task.backend.maps["users"][OTHER_KEY])
    resubmit(task, MORE)
    assert (task.backend.maps["users"][KEY], task.backend.maps["users"][OTHER_KEY]) == before
    rows = send(task, KEY, play("u1", 6 * MINUTE, 4.0), message("u1", 7 * MINUTE, type=CUSTOM, name="like"))
    # All that is kept counts on; `artists` knows the event that waited, since 5:00, and the new one.
    assert features_of(task, "u1") == {"plays": 3, "likes": 1, "seconds": 9, "artists": 1}
    assert (layout_of(task, KEY, "u1"), layout_of(task, OTHER_KEY, "u2")) == (new, old)
    (entered,) = changes(rows)
    assert (entered.segment, entered.effective_time_ms) == ("fans", T0 + 5 * MINUTE)

    task.open()  # a crash: states of both layouts are read on
    send(task, OTHER_KEY, play("u2", MINUTE))
    assert features_of(task, "u2") == {"plays": 2, "likes": 0, "seconds": 5, "artists": 1}
    assert layout_of(task, OTHER_KEY, "u2") == new


def test_the_shards_say_since_when_a_new_feature_counts(task: Task) -> None:
    resubmit(task, MORE)
    for key in shard_keys(8):
        assert dict(shard(task, key).feature_since_ms) == {"likes": 9, "artists": 9}
        assert list(shard(task, key).layouts) == [plan_of(each).layout.to_json() for each in (FIRST, MORE)]
    assert b'"complete_since_ms":9' in task.catalogues[-1].replace(b": ", b":")
    assert b'"complete_since_ms":9' not in task.catalogues[0].replace(b": ", b":")


def test_a_changed_definition_is_refused_before_anything_is_written(task: Task) -> None:
    values = {name: dict(found) for name, found in task.backend.values.items()}
    users = {key: dict(found) for key, found in task.backend.maps["users"].items()}
    recorded, progress, catalogues = task.store.recorded(), task.store.read_progress(), list(task.catalogues)
    with pytest.raises(SettingError, match="the definition of seconds is not that of the restored state: give a"):
        resubmit(task, CHANGED)
    assert {name: dict(found) for name, found in task.backend.values.items()} == values
    assert {key: dict(found) for key, found in task.backend.maps["users"].items()} == users
    assert (task.store.recorded(), task.store.read_progress()) == (recorded, progress)
    assert task.catalogues == catalogues

    resubmit(task, FIRST, 10)
    send(task, KEY, play("u1", 6 * MINUTE))
    assert features_of(task, "u1") == {"views": 1, "seconds": 7.5, "plays": 3}


def test_what_is_gone_begins_anew_if_it_returns(task: Task) -> None:
    resubmit(task, features(VIEWS, more=PLAY))
    send(task, KEY, play("u1", 8 * MINUTE))
    resubmit(task, FIRST, 10)
    send(task, KEY, play("u1", 9 * MINUTE), message("u1", 10 * MINUTE))
    # What waits in the tail is folded by the plan that is there: the plays from 8:00 on.
    assert features_of(task, "u1") == {"views": 2, "seconds": 5, "plays": 2}
    assert dict(shard(task, KEY).feature_since_ms) == {"seconds": 10, "plays": 10}
    # A user who had no event meanwhile has missed nothing.
    send(task, OTHER_KEY, play("u2", MINUTE))
    assert features_of(task, "u2") == {"views": 0, "seconds": 5, "plays": 2}


def test_shards_of_different_layouts_meet_in_one_subtask(task: Task) -> None:
    """A shard of the first declarations and one that has been through others, as after a job was scaled down."""
    resubmit(task, MORE)
    send(task, KEY, play("u1", 6 * MINUTE))
    first = plan_of(FIRST)
    kept = shard(task, OTHER_KEY)
    kept.ClearField("feature_since_ms")
    kept.ClearField("features")
    kept.features.update(first.definitions)
    kept.layouts[:] = [first.layout.to_json()]
    task.backend.values["shard"][OTHER_KEY] = codec.encode(kept)
    resubmit(task, MORE, 10)
    send(task, KEY, play("u1", 7 * MINUTE))
    send(task, OTHER_KEY, play("u2", MINUTE))
    assert [features_of(task, name)["plays"] for name in ("u1", "u2")] == [4, 2]
    assert {layout_of(task, key, name) for key, name in ((KEY, "u1"), (OTHER_KEY, "u2"))} == {plan_of(MORE).layout.id}
    assert [shard(task, key).feature_since_ms["likes"] for key in (KEY, OTHER_KEY)] == [9, 10]
    assert b'"complete_since_ms":10' in task.catalogues[-1].replace(b": ", b":")  # the later of them


def test_a_segment_with_another_definition_begins_anew(task: Task) -> None:
    resubmit(task, MORE)
    assert [one.change for one in changes(send(task, KEY, play("u1", 6 * MINUTE)))] == [SegmentChange.CHANGE_ENTERED]
    resubmit(task, features(PLAYS, LIKES, SECONDS, ARTISTS, more=LIKE + FANS.replace(">= 2", "> 3")), 10)
    (left,) = changes(send(task, KEY, message("u1", 7 * MINUTE)))
    assert (left.segment, left.change) == ("fans", SegmentChange.CHANGE_LEFT)
    (entered,) = changes(send(task, KEY, play("u1", 8 * MINUTE)))
    assert (entered.change, entered.since_ms) == (SegmentChange.CHANGE_ENTERED, T0 + 8 * MINUTE)
    resubmit(task, features(PLAYS, LIKES, SECONDS, ARTISTS, more=LIKE), 11)
    (gone,) = changes(send(task, KEY, message("u1", 9 * MINUTE)))
    assert (gone.change, gone.cause) == (SegmentChange.CHANGE_LEFT, SegmentChange.CAUSE_DECLARATION)


def test_from_the_shipped_set_to_a_project_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(monkeypatch, NOW)
    send(task, KEY, message("u1", 0), message("u1", 5 * MINUTE, type=CLICK, category="hats"))
    with pytest.raises(SettingError, match="feature_set=v1, not shop"):
        resubmit(task, FIRST)
    resubmit(task, FIRST, adopt="feature_set")
    send(task, KEY, message("u1", 5 * MINUTE + 30 * SECOND))
    assert features_of(task, "u1") == {"views": 1, "seconds": 0, "plays": 0}  # v1 counts no views of all time
    assert layout_of(task, KEY, "u1") != BASE
    resubmit(task, None, 10, adopt="feature_set")
    send(task, KEY, message("u1", 6 * MINUTE))
    assert layout_of(task, KEY, "u1") == BASE
    after = features_of(task, "u1")
    # The session is the core's own, and goes on; rates begin anew, with the events that had not been committed.
    assert (after["session_views"], after["session_clicks"]) == (3, 1)
    assert after["view_rate_7d"] == pytest.approx(2, abs=0.01)
    assert shard(task, KEY).feature_since_ms["view_rate_7d"] == 10
    assert "session_views" not in shard(task, KEY).feature_since_ms
