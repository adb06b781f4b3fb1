"""State bytes of every release since the first are read, and the present format is still written.

The files in tests/golden are never regenerated: they stand for the savepoints that are out there. A new format adds a
file and keeps the old ones readable.
"""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import given

from driftline.state.v1.state_pb2 import DuePage, QuietList, ShardState
from state_schemas import codec
from state_schemas.user_state import decode_user, encode_user
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, bounds, event
from tests.timelines import committed_of
from tests.unit.state_schemas import declared_golden
from tests.unit.udfs.strategies import histories
from udfs.event import ADD_TO_CART, FORGET, PURCHASE, REFUND, SURVEY_RESPONSE, Event
from udfs.money import LEFT_OUT, NUMBERS
from udfs.offsets import advance
from udfs.packed_profile import unpack_profile
from udfs.profile import CURRENCY, SLOTS, Profile
from udfs.timeline import Timeline

GOLDEN = Path(__file__).parents[2] / "golden"


def full_timeline() -> Timeline:
    """A timeline with something in every field."""
    timeline = Timeline.begin(bounds())
    for e in (
        event(0, category="shoes"),
        event(20 * SECOND, ADD_TO_CART, value=59.5, category="shoes"),
        event(10 * SECOND, category="hats"),
        event(3 * HOUR, PURCHASE, value=59.5, category="shoes"),
        event(DAY, SURVEY_RESPONSE, value=9),
        event(DAY + MINUTE, event_id="töst", category="Ärmel"),
        event(DAY + MINUTE + SECOND, category="bags"),
    ):
        timeline.offer(e)
    timeline.check_at_ms = 1_767_400_000_000
    timeline.last_arrival_ms = 1_767_398_200_000
    return timeline


def forgotten_timeline() -> Timeline:
    """A timeline that has carried out a FORGET, and holds an event dated ahead of its record."""
    timeline = Timeline.begin(bounds())
    for e in (
        event(0, category="shoes"),
        event(30 * SECOND, FORGET),
        Event(T0 + 50 * SECOND, "ahead", PURCHASE, 2.5, "hats", T0 + 40 * SECOND),
        event(MINUTE),
    ):
        timeline.offer(e)
    return timeline


def money_timeline() -> Timeline:
    """A timeline with refunds and amounts in two currencies, committed and in the tail."""
    timeline = Timeline.begin(bounds())
    eur, jpy = NUMBERS["EUR"], NUMBERS["JPY"]
    for number, e in enumerate(
        (
            event(0, PURCHASE, value=59.5),
            event(SECOND, REFUND, value=9.5),
            event(2 * SECOND, PURCHASE, value=12_000),
            event(HOUR, PURCHASE, value=1),
            event(HOUR + 1, REFUND, value=2),
            event(HOUR + 2),
        )
    ):
        e.currency = (eur, eur, jpy, LEFT_OUT, eur, 0)[number]
        timeline.offer(e)
    return timeline


SHARD = ShardState(generation=1_767_225_600_000, accepted=2**40, duplicate=2, late=3, dead_letter=4)
COUNTED = ShardState(generation=1_767_225_600_000, accepted=2**40, duplicate=2, late=3, dead_letter=4, shards=16)
REPORTED = ShardState(
    generation=1_767_225_600_000,
    accepted=2**40,
    shards=16,
    made_with={"disorder_ms": "60000", "feature_set": "v1", "namespace": "main"},
    offsets=advance(advance(b"", [0, 0, 3], [5, 6, 2**40]), [0], [11]),
)
NAMED = ShardState(
    generation=1_767_225_600_000, accepted=9, shards=8, unknown_types={"kündigen": 2, "number 77": 3, "": 4}
)
QUIET = QuietList(user_ids=["u1", "zoë"])
DUE = DuePage(user_ids=["u1", "zoë"], due_at_ms=array("q", [1_767_225_600_000, 1_767_225_601_000]).tobytes())


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("user_state_chunks.bin", encode_user(full_timeline())),
        ("user_state_chunks_forgotten.bin", encode_user(forgotten_timeline())),
        ("user_state_chunks_money.bin", encode_user(money_timeline())),
        ("shard_state_v1.bin", codec.encode(SHARD)),
        ("shard_state_v1_shards.bin", codec.encode(COUNTED)),
        ("shard_state_v1_reported.bin", codec.encode(REPORTED)),
        ("shard_state_v1_types.bin", codec.encode(NAMED)),
        ("quiet_list_v1.bin", codec.encode(QUIET)),
        ("due_page_v1.bin", codec.encode(DUE)),
        ("user_state_chunks_declared.bin", declared_golden.user_state()),
        ("shard_state_v1_declared.bin", codec.encode(declared_golden.shard())),
    ],
)
def test_written_bytes_are_the_golden_ones(name: str, written: bytes) -> None:
    assert written == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("name", ["user_state_v1.bin", "user_state_chunks.bin"])
def test_golden_user_reads_as_what_it_was(name: str) -> None:
    timeline, expected = decode_user((GOLDEN / name).read_bytes(), bounds()), full_timeline()
    for each in (timeline, expected):
        each.profile()  # publishes the sessions that have ended
    assert (committed_of(timeline).values, committed_of(timeline).categories) == (
        committed_of(expected).values,
        dict(sorted(committed_of(expected).categories.items())),
    )
    assert (timeline.waiting(), timeline.accepted, timeline.published.rows) == (
        expected.waiting(),
        expected.accepted,
        expected.published.rows,
    )
    assert (timeline.newest_ms, timeline.committed_through_ms) == (expected.newest_ms, expected.committed_through_ms)
    assert (timeline.check_at_ms, timeline.last_arrival_ms) == (1_767_400_000_000, 1_767_398_200_000)
    assert timeline.profile().values == expected.profile().values


@pytest.mark.parametrize("name", ["user_state_v1_forgotten.bin", "user_state_chunks_forgotten.bin"])
def test_golden_user_who_was_forgotten_reads_as_what_it_was(name: str) -> None:
    state = (GOLDEN / name).read_bytes()
    timeline = decode_user(state, bounds())
    assert (timeline.waiting(), timeline.forgotten_through_ms) == (forgotten_timeline().waiting(), T0 + 30 * SECOND)
    assert [e.known_ms - T0 for e in timeline.waiting()] == [40 * SECOND, MINUTE]


def test_a_forget_in_the_tail_of_older_state_reads_as_carried_out() -> None:
    timeline = decode_user((GOLDEN / "user_state_v1_forget_in_tail.bin").read_bytes(), bounds())
    assert timeline.forgotten_through_ms == T0 + 30 * SECOND
    assert [e.category for e in timeline.waiting()] == ["hats"]
    timeline.offer(event(20 * SECOND))
    assert timeline.profile().session.events == 1


def test_golden_shards_and_lists_of_users_read_as_what_they_were() -> None:
    assert codec.decode((GOLDEN / "shard_state_v1.bin").read_bytes(), ShardState) == SHARD
    assert codec.decode((GOLDEN / "shard_state_v1_shards.bin").read_bytes(), ShardState) == COUNTED
    assert codec.decode((GOLDEN / "shard_state_v1_reported.bin").read_bytes(), ShardState) == REPORTED
    assert codec.decode((GOLDEN / "shard_state_v1_types.bin").read_bytes(), ShardState) == NAMED
    assert codec.decode((GOLDEN / "quiet_list_v1.bin").read_bytes(), QuietList) == QUIET
    assert codec.decode((GOLDEN / "due_page_v1.bin").read_bytes(), DuePage) == DUE


def test_fewer_slots_read_as_zero() -> None:
    from driftline.state.v1.state_pb2 import UserState  # noqa: PLC0415

    message = codec.decode((GOLDEN / "user_state_v1.bin").read_bytes(), UserState)
    message.values = message.values[: 30 * 8]
    values = unpack_profile(decode_user(codec.encode(message), bounds()).tail.chunks[0].before, Profile()).values
    assert len(values) == SLOTS
    assert values[30:] == [0.0] * (SLOTS - 30)


@pytest.mark.parametrize("state", [b"", b"\x02\x08\x01"])
def test_unknown_version_is_refused(state: bytes) -> None:
    with pytest.raises(codec.StateFormatError, match="this release reads 1"):
        codec.decode(state, ShardState)


@given(histories())
def test_state_survives_a_round_trip(history: list[Event]) -> None:
    timeline = Timeline.begin(bounds())
    for e in history:
        timeline.offer(e)
    state = encode_user(timeline)
    assert encode_user(decode_user(state, bounds())) == state


@pytest.mark.parametrize("name", ["user_state_v1_money.bin", "user_state_chunks_money.bin"])
def test_golden_money_reads_as_what_it_was(name: str) -> None:
    timeline = decode_user((GOLDEN / name).read_bytes(), bounds())
    expected = money_timeline()
    assert timeline.waiting() == expected.waiting()
    assert timeline.profile().values == expected.profile().values
    assert [committed_of(timeline).values[slot] for slot in range(CURRENCY, SLOTS)] == [NUMBERS["EUR"], 9.5, 9.5, 1, 1]
