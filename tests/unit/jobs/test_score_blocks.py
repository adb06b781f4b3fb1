"""The operator between Flink's calls and the pure core, with Flink's side in memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence

import pyarrow as pa
import pytest

from driftline.errors import ServiceUnavailable
from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from history.lake.packing import packed
from jobs.operators.score_blocks import _score_store
from state_schemas.user_state import decode_user
from tests.builders import HOUR, MINUTE, SECOND, T0, block, bounds, message
from tests.fake_flink import Task
from udfs.event import CUSTOM
from udfs.shards import shard_keys

NOW = T0 + 10 * HOUR
KEY = shard_keys(8)[3]


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    return Task(monkeypatch, NOW)


def columns(*messages: UserEvent) -> tuple[Sequence[object], ...]:
    """A block as the JVM passes it."""
    made = block(*messages)
    return made.keys, made.values, made.partitions, made.offsets, made.timestamps_ms


def sessions_in(row: Sequence[dict[str, bytes]]) -> dict[str, ClosedSession]:
    """The sessions of an output row, by user; the entries of a map reach the topic in the order of their hashes."""
    return {user_id: ClosedSession.FromString(value) for user_id, value in row[1].items()}


def test_a_block_is_scored_and_written_before_the_call_returns(task: Task) -> None:
    outputs = task.block(KEY, columns(message("u1"), message("u2"), message("u1", at_ms=5)))
    (row,) = outputs
    assert set(row[0]) == {"u1", "u2"}
    assert [stored.accepted_events for stored in task.store.read(["u1", "u2"]) if stored] == [2, 1]
    assert set(task.backend.maps["users"][KEY]) == {"u1", "u2"}
    assert task.counts["events_accepted"] == 3


def test_a_quiet_user_s_session_is_published_by_a_timer(task: Task) -> None:
    task.block(KEY, columns(message("u1")))
    assert task.advance(NOW + 30 * MINUTE - 1) == []
    (row,) = task.advance(NOW + 30 * MINUTE + 10 * SECOND)
    assert {user_id: session.session_id for user_id, session in sessions_in(row).items()} == {"u1": f"u1:{T0}"}
    assert task.counts["sessions_closed"] == 1


def test_state_of_a_crashed_operator_is_read_by_the_next(task: Task) -> None:
    task.block(KEY, columns(message("u1")))
    task.open()
    task.block(KEY, columns(message("u1"), message("u1", at_ms=1)))
    assert (task.counts["events_duplicate"], task.counts["events_accepted"]) == (1, 1)
    (stored,) = task.store.read(["u1"])
    assert stored is not None and stored.accepted_events == 2


def test_a_store_that_failed_is_replaced() -> None:
    arguments = "redis://127.0.0.1:1/0", "main", 100.0, 0.0
    store = _score_store(*arguments)
    assert _score_store(*arguments) is store
    with pytest.raises(ServiceUnavailable):
        store.live_namespace()
    assert _score_store(*arguments) is not store


def test_sessions_of_a_user_follow_in_the_order_in_which_they_were_closed(task: Task) -> None:
    closing = [message("u1", at_ms=n * HOUR) for n in range(9)]
    outputs = task.block(
        KEY, columns(*closing, message("u2"), message("u2", at_ms=HOUR), message("u2", at_ms=3 * HOUR))
    )
    rows = [sessions_in(row) for row in outputs]
    starts = {"u1": range(8), "u2": (0, 1)}
    for user_id, hours in starts.items():
        published = [row[user_id].session_id for row in rows if user_id in row]
        assert published == [f"{user_id}:{T0 + n * HOUR}" for n in hours]


@pytest.mark.parametrize("nothing", [(None,) * 5, None])
def test_a_window_that_fires_empty_after_the_clock_was_set_back_is_counted(task: Task, nothing: object) -> None:
    assert task.block(KEY, nothing) == []
    assert task.block(KEY, columns(message("u1")))
    assert (task.counts["blocks_empty"], task.counts["blocks"], task.counts["events_accepted"]) == (1, 1, 1)


def test_oversized_records_leave_their_bytes_behind(task: Task) -> None:
    valid = message("u1").SerializeToString()
    marked = [b"\x00300000 2", b"\x0020971520 9", b"\x0010 5000"]  # as jobs/flink/blocks.py marks them
    raw = bytes(300_000)  # in a window that an older release filled
    values, keys = [*marked, raw, valid, b"\x00", b"\x00300 2"], [b"u1", b"u1", None, b"u1", b"k" * 5_000, b"u1", b"u1"]
    size = len(values)
    outputs = task.block(KEY, (keys, values, [0] * size, list(range(size)), [T0] * size))
    dead = [
        (row[0], row[1], row[2]["driftline.errors.reason"], row[2]["driftline.errors.message"]) for _, row in outputs
    ]
    too_large = [(key, reason, why) for key, value, reason, why in dead[:4] if value is None]
    assert too_large == [
        (b"u1", b"TOO_LARGE", b"300000 bytes; the bound is 262144; read the record at its offset"),
        (b"u1", b"TOO_LARGE", b"20971520 bytes or more; the bound is 262144; read the record at its offset"),
        (None, b"TOO_LARGE", b"the key has 5000 bytes; the bound is 4096; read the record at its offset"),
        (b"u1", b"TOO_LARGE", b"300000 bytes; the bound is 262144; read the record at its offset"),
    ]
    assert [letter[:3] for letter in dead[4:]] == [
        (None, valid, b"KEY_MISMATCH"),
        (b"u1", b"\x00", b"UNDECODABLE"),  # not a marker: the record had this value
        (b"u1", b"\x00300 2", b"UNDECODABLE"),
    ]
    assert task.counts["events_dead_letter"] == size


def test_a_restart_frees_what_the_failed_operator_held(task: Task) -> None:
    """The Java task of each attempt: nobody closes a failed operator, and PyFlink's objects refer to each other."""
    task.operator.itself = task.operator
    failed = weakref.ref(task.operator)
    gc.disable()
    try:
        task.open()
        assert failed() is None
    finally:
        gc.enable()


def test_a_window_that_the_watermark_has_overtaken_makes_nothing_late(task: Task) -> None:
    task.watermark_ms = 0
    task.open()
    hours = [message("u1", at_ms=n * HOUR) for n in range(4)]
    task.block(KEY, columns(*hours))
    task.watermark_ms = T0 + 2 * HOUR  # it has passed the records that wait in the second partition's window
    keys, values, _, _, timestamps_ms = columns(*(message("u1", at_ms=n * HOUR + MINUTE) for n in range(3)))
    task.block(KEY, (keys, values, [1] * 3, [0, 1, 2], timestamps_ms))
    assert (task.counts["events_accepted"], task.counts["events_late"]) == (7, 0)
    task.block(KEY, (keys[:1], columns(message("u1", at_ms=5))[1], [1], [3], timestamps_ms[:1]))
    assert task.counts["events_late"] == 1  # by the clock of its own partition


def test_events_wait_in_the_tail_for_the_slowest_partition(task: Task) -> None:
    task.watermark_ms = T0 + HOUR
    task.open()
    for n in range(4):
        task.block(KEY, columns(message("u1", at_ms=n * HOUR)))
    state = decode_user(task.backend.maps["users"][KEY]["u1"], bounds())
    assert [e.time_ms - T0 for e in state.waiting()] == [HOUR, 2 * HOUR, 3 * HOUR]
    assert state.committed_through_ms == T0 + HOUR - MINUTE


def test_a_hot_user_is_named_in_a_metric_and_so_are_only_the_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(monkeypatch, NOW, tail_events_max=2, hot_users_named_max=2)
    for number, user_id in enumerate("abcda"):
        at_ms = number * SECOND
        task.block(KEY, columns(*(message(user_id, at_ms + n) for n in range(4)), message("calm", number * HOUR)))
    named = {name: number for name, number in task.counts.items() if name.startswith("hot_users")}
    assert set(named) == {f"hot_users{{user_id={label}}}" for label in ("a", "b", "(others)")}
    assert sum(named.values()) == task.counts["tail_overflow"]
    assert (named["hot_users{user_id=b}"], named["hot_users{user_id=(others)}"]) == (2, 4)


def test_no_user_is_named_where_the_bound_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(monkeypatch, NOW, tail_events_max=2, hot_users_named_max=0)
    task.block(KEY, columns(*(message("secret", n) for n in range(9))))
    assert task.counts["hot_users{user_id=(others)}"] == task.counts["tail_overflow"] == 7
    assert not any("secret" in name for name in task.counts)


def test_dead_letters_are_counted_by_reason(task: Task) -> None:
    task.block(KEY, columns(message("u1"), message("u1", 1, event_id="at-0"), message("null"), message("u2", type=0)))
    by_reason = {name: number for name, number in task.counts.items() if name.startswith("dead_letters")}
    assert by_reason == {f"dead_letters{{reason={name}}}": 1 for name in ("ID_REUSED", "REFUSED_ID", "MISSING_FIELD")}
    assert task.counts["events_dead_letter"] == 3


def test_unknown_types_are_named_in_a_metric_in_the_state_and_in_the_store(task: Task) -> None:
    unknown = message("u1", type=CUSTOM, name="n", type_word="\x1b[1mwish\n" + "x" * 50)
    task.block(KEY, columns(unknown, message("u1", 1, type=77)))
    word = "\ufffd[1mwish\ufffd" + "x" * 31
    assert task.counts[f"unknown_types{{event_type={word}}}"] == task.counts["unknown_types{event_type=number 77}"] == 1
    assert task.store.read_reports()[KEY].unknown_types == {word: 1, "number 77": 1}
    task.block(KEY, columns(message("u1", 2)))
    assert task.store.read_reports()[KEY].unknown_types == {word: 1, "number 77": 1}
    task.open()
    task.block(KEY, columns(message("u1", 3, type=77)))
    assert task.store.read_reports()[KEY].unknown_types == {word: 1, "number 77": 2}


def test_what_the_store_knows_of_types_goes_back_with_the_state(task: Task) -> None:
    before = dict(task.backend.values["shard"])
    task.block(KEY, columns(message("u1", type=77)))
    task.backend.values["shard"] = before
    task.open()
    assert task.store.read_reports()[KEY].unknown_types is None


def test_a_packed_block_is_as_good_as_one_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [message("u1"), message("u2"), message("u1", at_ms=5)]
    plain, other = Task(monkeypatch, NOW), Task(monkeypatch, NOW)
    made = block(*events)
    records = pa.table(
        {
            "key": pa.array(made.keys, pa.binary()),
            "payload": pa.array(made.values, pa.binary()),
            "offset": pa.array(made.offsets, pa.int64()),
            "record_time_ms": pa.array(made.timestamps_ms, pa.int64()),
        }
    )
    outputs = [plain.block(KEY, columns(*events)), other.block(KEY, packed(records, partition=0))]
    assert outputs[0] == outputs[1]
    assert plain.backend.maps["users"][KEY] == other.backend.maps["users"][KEY]


def test_a_replay_takes_no_more_than_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("jobs.operators.score_blocks.sleep", waits.append)
    monkeypatch.setattr("jobs.operators.score_blocks.monotonic", lambda: 100.0)
    task = Task(monkeypatch, NOW, events_a_s_max=2.0)
    task.block(KEY, columns(*(message("u1", at_ms=at_ms) for at_ms in range(6))))
    assert waits == [1.0, 1.0]
    assert task.counts["events_accepted"] == 6
