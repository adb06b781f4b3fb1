"""A history through the live namespace: its scores, however it arrives, and everything that shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.jsonlines import format_event
from driftline.model_files import CURRENT
from driftline.state.v1.state_pb2 import ShardState
from tests.builders import DAY, NOW, States, block, fold_block, processor, sessions_of, timelines
from tests.e2e import records
from tests.e2e.conftest import EVENTS, History, Reference
from tests.e2e.namespace import Counters, Namespace, assert_same_scores
from tests.e2e.sessions import final_sessions, kept
from tests.e2e.stack import RealStack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SCORES = {"purchase_propensity", "engagement", "churn_risk"}
UNKNOWN = "nobody-of-that-name"
COUNTERS = ("accepted", "duplicate", "late", "dead_letter")


@pytest.fixture
def live(reference: Reference) -> Namespace:
    """The live namespace, with its job running."""
    reference.live.ensure_job()
    reference.live.drain()  # one that had to make room for others begins anew
    return reference.live


def test_every_user_of_the_history_is_scored(reference: Reference, history: History, model_version: str) -> None:
    lines = [json.loads(line) for line in reference.export.splitlines()]
    users = {json.loads(line)["userId"] for line in history.lines}
    assert [line["userId"] for line in lines] == sorted(users)
    for line in lines:
        assert set(line["scores"]) == SCORES, line
        assert all(0 <= score <= 1 for score in line["scores"].values()), line
        assert (line["featureSet"], line["modelVersion"]) == ("v1", model_version), line
    assert sum(int(line["acceptedEvents"]) for line in lines) == EVENTS
    assert reference.counters == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)


def test_shuffled_and_repeated_events_give_the_same_bytes(
    stack: RealStack, history: History, reference: Reference
) -> None:
    assert history.shuffled.read_text().splitlines(keepends=True)[:EVENTS] != history.lines
    assert set(history.shuffled.read_text().splitlines(keepends=True)) == set(history.lines)
    shuffled = Namespace(stack, "shuffled")
    shuffled.publish(history.shuffled)
    shuffled.submit()
    repeats = history.repeats_in(history.shuffled)
    read = EVENTS + repeats
    assert repeats > EVENTS / 20
    assert shuffled.drain() == Counters(read, read, EVENTS, repeats, 0, 0)
    assert_same_scores(shuffled.export(), reference.export)
    shuffled.stop()


def test_events_that_come_days_late_and_repeated_give_the_same_bytes_and_sessions(
    stack: RealStack, history: History, reference: Reference, tmp_path: Path
) -> None:
    assert days_behind(history.days_late) > 2.5
    late = Namespace(stack, "days-late", {"disorder_ms": 4 * DAY, "dedupe_horizon_ms": 4 * DAY})
    late.publish(history.days_late)
    late.submit()
    repeats = history.repeats_in(history.days_late)
    read = EVENTS + repeats
    assert repeats > EVENTS / 20
    assert late.drain() == Counters(read, read, EVENTS, repeats, 0, 0)
    assert_same_scores(late.export(), reference.export)

    # A session that has grown into the user's newest one stays published until that one has ended, too.
    (tmp_path / "later.jsonl").write_text("".join(format_event(event) + "\n" for event in one_day_later(history)))
    late.publish(tmp_path / "later.jsonl")
    expected = sessions_of_the_core([*history.events(), *one_day_later(history)])
    assert expected.items() >= reference.sessions.items()
    eventually(lambda: final_sessions(late), lambda found: found == expected, "the final sessions are those in order")
    late.stop()


def one_day_later(history: History) -> list[UserEvent]:
    """An event of each user, a day after the user's newest."""
    newest = {event.user_id: event for event in history.events()}
    made = []
    for user_id, event in newest.items():
        time_ms = event.event_time_ms + DAY
        made.append(UserEvent(event_id=f"later-{user_id}", user_id=user_id, type=UserEvent.VIEW, event_time_ms=time_ms))
    return made


def sessions_of_the_core(events: Sequence[UserEvent]) -> dict[str, ClosedSession]:
    """What the pure core publishes of events in order."""
    result = fold_block(processor(), block(*events), ShardState(), timelines(States()), NOW)
    return kept(sessions_of(result))


def days_behind(file: Path) -> float:
    """By how many days an event is behind the newest one of its user, at most."""
    newest: dict[str, int] = {}
    most_ms = 0
    for line in map(json.loads, file.read_text().splitlines()):
        time_ms = int(line["eventTimeMs"])
        newest_ms = newest[line["userId"]] = max(newest.get(line["userId"], 0), time_ms)
        most_ms = max(most_ms, newest_ms - time_ms)
    return most_ms / DAY


def test_the_changelog_ends_with_what_redis_holds(live: Namespace) -> None:
    store = live.store()
    held = {user_id: stored.scores for user_id, stored in store.scan()}
    store.close()

    def differing() -> list[str]:
        """Redis is written before the topic, so the topic may be a moment behind."""
        newest = {record.key.decode(): record.value or b"" for record in records.read(live.stack.settings, "scores")}
        return sorted(user for user in held.keys() | newest.keys() if held.get(user) != newest.get(user))

    assert held
    eventually(differing, lambda users: not users, "the topic's newest records are the values in Redis")


def test_grpc_shows_what_the_export_shows(stack: RealStack, live: Namespace, model_version: str) -> None:
    exported = live.scores()
    users = sorted(exported)[:: len(exported) // 3]
    shown = [json.loads(line) for line in stack.driftline("scores", "--json", *users).splitlines()]
    for scores in shown:
        assert int(scores.pop("writtenAtMs")) >= int(scores.pop("generation")) > 0
    assert shown == [exported[user] for user in users]
    table = stack.driftline("scores", *users)
    for user in users:
        assert user in table
        assert f"engagement {exported[user]['scores']['engagement']:.3f}" in table
    assert model_version in table


def test_an_unknown_user_has_no_scores_and_exits_1(stack: RealStack, live: Namespace) -> None:
    assert "no scores" in stack.driftline("scores", UNKNOWN, exit_code=1)
    known = min(live.scores())
    both = [json.loads(line) for line in stack.driftline("scores", "--json", known, UNKNOWN).splitlines()]
    assert both[0]["userId"] == known
    assert both[1] == {"status": "NOT_FOUND", "userId": UNKNOWN}


def test_flink_shows_the_counters_that_drain_prints(live: Namespace) -> None:
    drained, job_id = live.drain(), live.job_id
    flink = live.stack.flink
    (vertex,) = (vertex for vertex, name in flink.vertices(job_id).items() if "score blocks" in name)

    def shown() -> dict[str, float]:
        names = {counter: _metric(flink.metrics(job_id, vertex), f"events_{counter}") for counter in COUNTERS}
        return {counter: flink.metric_sum(job_id, vertex, name) for counter, name in names.items()}

    wanted = {counter: float(getattr(drained, counter)) for counter in COUNTERS}
    eventually(shown, lambda counters: counters == wanted, f"the counters in Flink are {wanted}")


def test_checkpoints_complete_and_upload_only_what_changed(live: Namespace) -> None:
    rest, path = live.stack.rest, f"/jobs/{live.job_id}/checkpoints"
    seen = eventually(lambda: rest(path), lambda seen: seen["counts"]["completed"] >= 2, "two checkpoints complete")
    assert {checkpoint["status"] for checkpoint in seen["history"]} <= {"COMPLETED", "IN_PROGRESS"}
    newest = seen["latest"]["completed"]
    assert 0 < newest["checkpointed_size"] < newest["state_size"], newest
    assert "RocksDB" in rest(f"{path}/config")["state_backend"]


@pytest.fixture
def second_model(stack: RealStack, model_version: str, tmp_path: Path) -> Iterator[str]:
    """Another model is the current one for as long as the test runs."""
    other = tmp_path / "other.jsonl"
    stack.driftline("simulate", "--users", "600", "--events", "8000", "--seed", "12", "--out", str(other))
    out = stack.driftline("train", "--events", str(other))
    current = stack.settings.models_dir / CURRENT
    version = current.read_text().strip()
    assert version != model_version
    assert version in out
    yield version
    current.write_text(model_version + "\n")


def test_a_newer_model_is_picked_up_while_the_job_runs(
    live: Namespace, history: History, second_model: str, model_version: str, tmp_path: Path
) -> None:
    before = live.drain()
    newest_ms = max(int(json.loads(line)["eventTimeMs"]) for line in history.lines)
    users = sorted(live.scores())[:2]
    job_id = live.job_id

    def scored_by(attempt: int) -> set[str]:
        """The models behind the users' scores after one more event of each."""
        event = {"type": "VIEW", "eventTimeMs": str(newest_ms + attempt), "category": "shoes"}
        lines = [json.dumps(event | {"eventId": f"more-{attempt}", "userId": user}) for user in users]
        (tmp_path / "more.jsonl").write_text("\n".join(lines) + "\n")
        live.publish(tmp_path / "more.jsonl")
        after = live.drain()
        assert after.accepted == before.accepted + attempt * len(users)
        return {live.scores()[user]["modelVersion"] for user in users}

    attempts = iter(range(1, 100))
    eventually(lambda: scored_by(next(attempts)), lambda models: models == {second_model}, "the newer model is in use")
    others = {line["modelVersion"] for user, line in live.scores().items() if user not in users}
    assert others == {model_version}
    assert live.stack.flink.state(job_id) == "RUNNING"
    assert live.stack.flink.failure(job_id) == ""


def _metric(names: list[str], ending: str) -> str:
    found = {name for name in names if name.endswith(f".driftline.{ending}")}
    assert len(found) == 1, sorted(found) or sorted(name for name in names if "driftline" in name)
    return found.pop()
