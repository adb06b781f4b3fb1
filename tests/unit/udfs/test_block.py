"""A block accounts for every record, and explains the ones it rejects."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.metrics import JobMetric, JobNamed
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from tests.builders import (
    HOUR,
    MINUTE,
    T0,
    HalfModel,
    States,
    block,
    fold_block,
    message,
    processor,
    scores_of,
    sessions_of,
    timelines,
)
from udfs.block import Block
from udfs.event import FORGET
from udfs.offsets import Span, unpack_spans
from udfs.results import Due, Scored

NOW = T0 + 10 * HOUR


def test_scores_of_a_block() -> None:
    shard, states = ShardState(generation=7), States()
    records = block(message(), message("u2"), message(at_ms=5))
    result = fold_block(processor(HalfModel()), records, shard, timelines(states), NOW)
    scores = UserScores.FromString(scores_of(result)["u1"] or b"")
    assert scores.scores["purchase_propensity"] == 0.5
    assert set(scores.scores) == {"purchase_propensity", "engagement", "churn_risk"}
    assert (scores.user_id, scores.accepted_events, scores.generation, scores.written_at_ms) == ("u1", 2, 7, NOW)
    assert (scores.as_of_event_time_ms, scores.feature_set, scores.model_version) == (T0 + 5, "v1", "half")
    assert (scores.session.session_id, scores.session.events) == (f"u1:{T0}", 2)
    assert Scored("u1", 2, scores_of(result)["u1"]) in result.scored
    assert set(states) == {"u1", "u2"}


def test_without_a_model_there_is_no_propensity_and_no_version() -> None:
    result = fold_block(processor(), block(message()), ShardState(), timelines(), NOW)
    scores = UserScores.FromString(scores_of(result)["u1"] or b"")
    assert set(scores.scores) == {"engagement", "churn_risk"}
    assert scores.model_version == ""


def test_rejected_records_leave_as_they_came_with_headers() -> None:
    records = Block([b"k", None], [b"\xff\x00", None], [3, 0], [41, 42], [T0, T0])
    result = fold_block(processor(), records, ShardState(), timelines(), NOW)
    dead = result.dead_letters[0]
    assert (dead.key, dead.value) == (b"k", b"\xff\x00")
    assert dead.headers.pop("driftline.errors.message").startswith(b"not a UserEvent in protobuf")
    assert dead.headers == {
        "driftline.errors.stage": b"decode",
        "driftline.errors.reason": b"UNDECODABLE",
        "driftline.errors.topic": b"events",
        "driftline.errors.partition": b"3",
        "driftline.errors.offset": b"41",
        "driftline.errors.failed_at_ms": str(NOW).encode(),
    }
    assert (result.dead_letters[1].key, result.dead_letters[1].value) == (None, None)


def test_late_event_leaves_unchanged_and_changes_no_state() -> None:
    fold, states, shard = processor(), States(), ShardState()
    users = timelines(states)
    fold_block(fold, block(message(at_ms=HOUR)), shard, users, NOW)
    before = dict(states)
    records = block(message(at_ms=0))
    result = fold_block(fold, records, shard, users, NOW)
    assert (result.late[0].value, result.late[0].headers["driftline.errors.reason"]) == (records.values[0], b"LATE")
    assert states == before
    assert not result.scored


@given(st.lists(st.sampled_from(["good", "repeat", "late", "bad", "null"]), max_size=30))
def test_the_four_totals_add_up_to_the_records_read(kinds: list[str]) -> None:
    good = [message(at_ms=HOUR + n) for n in range(len(kinds) + 1)]
    records = block(good[0])
    values = {
        "repeat": records.values[0],
        "late": message(at_ms=0).SerializeToString(),
        "bad": b"\xff",
        "null": None,
    }
    chosen = [values.get(kind, good[n].SerializeToString()) for n, kind in enumerate(kinds, 1)]
    size = len(chosen) + 1
    all_records = Block(
        [b"u1"] * size, [*records.values, *chosen], [0] * size, list(range(size)), [T0 + 2 * HOUR] * size
    )
    shard = ShardState()
    result = fold_block(processor(), all_records, shard, timelines(), NOW)
    assert shard.accepted + shard.duplicate + shard.late + shard.dead_letter == size
    assert (shard.accepted, shard.duplicate) == (1 + kinds.count("good"), kinds.count("repeat"))
    assert (shard.late, shard.dead_letter) == (len(result.late), len(result.dead_letters))
    assert result.counts.get(JobMetric.EVENTS_ACCEPTED) == shard.accepted


def test_forgotten_user_becomes_a_tombstone() -> None:
    result = fold_block(processor(), block(message(), message(at_ms=1, type=FORGET)), ShardState(), timelines(), NOW)
    assert scores_of(result) == {"u1": None}
    assert result.scored == [Scored("u1", 2, None)]


def test_quiet_check_publishes_those_who_went_quiet_and_queues_the_others_again() -> None:
    fold, users, shard = processor(), timelines(), ShardState()
    first = fold_block(fold, block(message("quiet"), message("busy")), shard, users, NOW)
    ((check_at_ms, listed),) = first.due.items()
    assert (listed, check_at_ms) == (["quiet", "busy"], NOW + 30 * MINUTE)
    later = fold_block(fold, block(message("busy", at_ms=MINUTE)), shard, users, NOW + MINUTE)
    assert later.due == {}
    result = fold.check_due([Due(user, check_at_ms) for user in (*listed, "unknown")], shard, users, check_at_ms)
    (session,) = sessions_of(result)
    assert (session.user_id, session.session_id) == ("quiet", f"quiet:{T0}")
    assert session.closed_by == ClosedSession.CLOSED_BY_QUIET
    assert result.due[check_at_ms + MINUTE] == ["busy"]
    assert set(result.timelines) == {"quiet"}  # users who are queued again are not written


def test_split_keeps_every_record_in_order() -> None:
    whole = block(*(message(at_ms=n) for n in range(7)))
    parts = list(whole.split(3, 2**20))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert [value for part in parts for value in part.values] == list(whole.values)


@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 9), st.integers(0, 700))
def test_split_keeps_to_both_bounds(sizes: list[int], events_max: int, bytes_max: int) -> None:
    values = [bytes(size) if size else None for size in sizes]
    whole = Block([b"u"] * len(values), values, [0] * len(values), list(range(len(values))), [T0] * len(values))
    parts = list(whole.split(events_max, bytes_max))
    assert [offset for part in parts for offset in part.offsets] == list(whole.offsets)
    for part in parts:
        assert len(part) <= events_max
        assert len(part) == min(len(whole), 1) or sum(len(value or b"") for value in part.values) <= bytes_max


def test_a_block_of_users_with_large_states_is_left_in_part() -> None:
    """No user is large on its own; together their timelines would exceed the processor's bound."""
    fold, users, shard = processor(block_bytes_max=2**20), timelines(cached_max=0), ShardState()
    crowd = [message(f"u{number}") for number in range(40)]
    for at_ms in range(60):
        fields = {"event_id": f"{at_ms:0128}", "category": f"{at_ms % 9:0256}"}
        records, calls = block(*(message(member.user_id, at_ms, **fields) for member in crowd)), 0
        offsets: list[int] = []
        while len(records):
            result = fold_block(fold, records, shard, users, NOW)
            offsets += records.offsets[: result.taken]
            records = records.part(result.taken)
            calls += 1
        assert offsets == list(range(40))
    assert calls > 1
    assert shard.accepted == 60 * 40


def test_unknown_types_are_counted_by_name_once_also_where_a_block_is_left_in_part() -> None:
    fold, users, shard = processor(block_bytes_max=2**20), timelines(cached_max=0), ShardState()
    crowd, named, calls = 40, 0, 0
    for at_ms in range(60):
        fields = {"event_id": f"{at_ms:0128}", "category": f"{at_ms % 9:0256}", "type_word": "wish_listed", "name": "n"}
        records = block(*(message(f"u{number}", at_ms, type=UserEvent.CUSTOM, **fields) for number in range(crowd)))
        while len(records):
            result = fold_block(fold, records, shard, users, NOW)
            named += result.named[JobNamed.UNKNOWN_TYPES]["wish_listed"]
            records = records.part(result.taken)
            calls += 1
    assert calls > 60
    assert dict(shard.unknown_types) == {"wish_listed": 60 * crowd} == {"wish_listed": named}


def test_a_shard_remembers_a_bounded_number_of_type_names_and_the_rest_together() -> None:
    fold, users, shard = processor(), timelines(), ShardState()
    for number in range(100, 150):
        fold_block(fold, block(message(at_ms=number, type=number)), shard, users, NOW)
    result = fold_block(fold, block(message(at_ms=150, type=100), message(at_ms=151, type=149)), shard, users, NOW)
    assert len(shard.unknown_types) == 31
    assert (shard.unknown_types["number 100"], shard.unknown_types[""]) == (2, 21)
    assert result.counts[JobMetric.TYPES_UNKNOWN] == 2


def test_types_of_rejected_records_are_not_counted_as_folded() -> None:
    shard = ShardState()
    fold_block(processor(), block(message(type=77, event_id="")), shard, timelines(), NOW)
    assert dict(shard.unknown_types) == {}


def test_users_whose_bounds_overflow_are_named() -> None:
    fold = processor(tail_events_max=3, dedupe_ids_max=5)
    records = block(*(message("hot", at_ms=n) for n in range(7)), message("calm"))
    result = fold_block(fold, records, ShardState(), timelines(), NOW)
    overflows = result.counts[JobMetric.TAIL_OVERFLOW] + result.counts[JobMetric.DEDUPE_IDS_OVERFLOW]
    assert result.named == {JobNamed.HOT_USERS: {"hot": overflows}}
    assert overflows == (7 - 3) + (7 - 5)


def test_records_of_other_users_are_left_out_and_count_as_read() -> None:
    keys = frozenset([b"u1"])
    records = block(message("u2", at_ms=3 * MINUTE), message("u1"), message("u1", at_ms=1), message("u3"))
    odd = Block([None, b"u1"], [b"x", b"\xff\x00"], [1, 1], [8, 9], [T0, T0])
    shard, users = ShardState(), timelines(States())
    fold = replace(processor(), only_keys=keys)
    result = fold_block(fold, records, shard, users, NOW)
    rest = fold_block(fold, odd, shard, users, NOW)
    assert (result.taken, rest.taken) == (4, 2)
    assert set(scores_of(result)) == {"u1"}
    assert result.counts[JobMetric.EVENTS_LEFT_OUT] == 2
    assert (shard.accepted, shard.duplicate, shard.late, shard.dead_letter) == (2, 0, 0, 1)
    assert unpack_spans(shard.offsets) == {0: Span(0, 4, 4), 1: Span(8, 2, 10)}


def test_events_are_as_late_among_records_that_are_left_out_as_among_all() -> None:
    """The clock of their partition goes on with every record."""
    records = [message("u1", at_ms=0), message("u2", at_ms=HOUR), message("u1", at_ms=HOUR), message("u1", at_ms=1)]
    every, some = (
        fold_block(fold, block(*records), ShardState(), timelines(States()), NOW)
        for fold in (processor(), replace(processor(), only_keys=frozenset([b"u1"])))
    )
    assert [late.value for late in some.late] == [late.value for late in every.late]
    assert len(some.late) == 1
    assert scores_of(some)["u1"] == scores_of(every)["u1"]
