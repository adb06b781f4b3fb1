"""Heal orders as records: what is no order is a dead letter, and no bytes in one fail the job."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.heal_pb2 import HealOrder
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.metrics import JobMetric
from driftline.state.v1.state_pb2 import ShardState
from tests.builders import HOUR, NOW, T0, States, event, fold_block, processor, timelines, to_message
from udfs.block import Block
from udfs.event import PURCHASE
from udfs.hashing import bytes_hash
from udfs.heal import profile_at
from udfs.heal_orders import MARK, is_order, late_ids, order_bytes, read_order
from udfs.packed_profile import pack_profile
from udfs.rejects import InvalidEventError, Reason
from udfs.results import BlockResult
from udfs.timeline import Timeline

CUT_MS = T0 + 2 * HOUR
EVENTS = [event(0, category="hats"), event(HOUR, PURCHASE, value=3.0), event(2 * HOUR)]
PROCESSOR = processor()


class One:
    """A job with one user, who has three events an hour apart."""

    def __init__(self) -> None:
        self.shard, self.users = ShardState(), timelines(States())
        for each in EVENTS:
            self.send(to_message("u1", each).SerializeToString())

    @property
    def timeline(self) -> Timeline:
        found = self.users.peek("u1")
        assert found is not None
        return found

    def order(self, **changed: object) -> HealOrder:
        """An order that the job would carry out, but for what is changed."""
        found = profile_at(self.timeline, CUT_MS)
        plan = PROCESSOR.bounds.profile.plan
        assert found is not None
        fields = {
            "user_id": "u1",
            "cut_time_ms": CUT_MS,
            "expected": bytes_hash(pack_profile(found)),
            "profile": pack_profile(found.copy()),
            "folding": PROCESSOR.folding,
            "layout": plan.layout.id,  # type: ignore[attr-defined]
        }
        return HealOrder(**(fields | changed))

    def send(self, value: bytes, key: bytes = b"u1") -> BlockResult:
        block = Block([key], [value], [0], [0], [-1])
        return fold_block(PROCESSOR, block, self.shard, self.users, NOW)


def other_profile() -> bytes:
    """A profile that the user might have."""
    one = One()
    profile = profile_at(one.timeline, CUT_MS)
    assert profile is not None
    profile.fold(event(HOUR + 1, PURCHASE, value=7.0, category="bags"), PROCESSOR.bounds.profile)
    return pack_profile(profile)


OTHER = other_profile()


def rejected(result: BlockResult) -> str:
    (dead,) = result.dead_letters
    return dead.headers["driftline.errors.reason"].decode()


def test_an_order_replaces_what_was_before_the_cut() -> None:
    one = One()
    before = one.timeline.accepted
    result = one.send(order_bytes(one.order(profile=OTHER)))
    assert result.counts[JobMetric.HEALS_APPLIED] == 1
    assert one.timeline.accepted == before + 1
    found = profile_at(one.timeline, CUT_MS)
    assert found is not None
    assert pack_profile(found) == OTHER
    assert one.timeline.committed_through_ms == CUT_MS


def test_what_is_there_already_is_a_duplicate() -> None:
    one = One()
    result = one.send(order_bytes(one.order()))
    assert result.counts[JobMetric.EVENTS_DUPLICATE] == 1
    assert JobMetric.HEALS_APPLIED not in result.counts


@pytest.mark.parametrize(
    ("changed", "key", "reason"),
    [
        ({"user_id": ""}, b"", Reason.MISSING_FIELD),
        ({"user_id": "x" * 129}, b"x" * 129, Reason.MISSING_FIELD),
        ({"cut_time_ms": 0}, b"u1", Reason.MISSING_FIELD),
        ({}, b"u2", Reason.KEY_MISMATCH),
        ({"expected": b"short"}, b"u1", Reason.INVALID_VALUE),
        ({"late_hashes": b"12345678"}, b"u1", Reason.INVALID_VALUE),
        ({"published": b"123"}, b"u1", Reason.INVALID_VALUE),
        ({"expected": bytes(16)}, b"u1", Reason.HEAL_REFUSED),
        ({"folding": "x"}, b"u1", Reason.HEAL_REFUSED),
        ({"layout": 7}, b"u1", Reason.HEAL_REFUSED),
        ({"forgotten_through_ms": 1}, b"u1", Reason.HEAL_REFUSED),
        ({"cut_time_ms": T0}, b"u1", Reason.HEAL_REFUSED),
        ({"profile": b"\x01"}, b"u1", Reason.INVALID_VALUE),
        ({"profile": b"\x02" + OTHER[1:]}, b"u1", Reason.INVALID_VALUE),
        ({"profile": OTHER + b"\0"}, b"u1", Reason.INVALID_VALUE),
        ({"published": (5).to_bytes(8, "little") * 2 + (2**31).to_bytes(8, "little")}, b"u1", Reason.INVALID_VALUE),
        ({"sessions": [ClosedSession(revision=0)]}, b"u1", Reason.INVALID_VALUE),
        ({"sessions": [ClosedSession(revision=1, supersedes_session_id="u1:x")]}, b"u1", Reason.INVALID_VALUE),
    ],
)
def test_what_does_not_fit_changes_nothing(changed: dict[str, object], key: bytes, reason: Reason) -> None:
    one = One()
    before = pack_profile(one.timeline.profile()), one.timeline.accepted
    result = one.send(order_bytes(one.order(**({"profile": OTHER} | changed))), key)
    assert rejected(result) == reason
    assert (pack_profile(one.timeline.profile()), one.timeline.accepted) == before
    assert not one.timeline.closed


def test_what_is_no_order_behind_its_mark_is_undecodable() -> None:
    assert rejected(One().send(MARK + b"\xff")) == Reason.UNDECODABLE


def test_an_order_that_is_too_large_is_not_read() -> None:
    with pytest.raises(InvalidEventError) as raised:
        read_order(b"u1", MARK + bytes(1_000), 999)
    assert raised.value.reason is Reason.TOO_LARGE


def test_late_ids_are_pairs() -> None:
    order = HealOrder(late_hashes=b"abcdefgh" * 2, late_times_ms=(3).to_bytes(8, "little") + (4).to_bytes(8, "little"))
    assert late_ids(order) == [(b"abcdefgh", 3), (b"abcdefgh", 4)]
    assert not is_order(None)


@given(st.integers(0, 2**32))
def test_no_bytes_of_a_profile_fail_the_job(seed: int) -> None:
    rng, one = random.Random(seed), One()
    damaged = bytearray(OTHER)
    for _ in range(rng.randint(1, 4)):
        how, at = rng.randrange(3), rng.randrange(len(damaged))
        if how == 0:
            damaged[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif how == 1:
            del damaged[at : at + rng.randint(1, 9)]
        else:
            damaged[at:at] = rng.choice(
                (b"\xff" * 9 + b"\x01", b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf0\x7f", b"\x01")
            )
    result = one.send(order_bytes(one.order(profile=bytes(damaged))))
    assert result.taken == 1
    one.send(to_message("u1", event(3 * HOUR)).SerializeToString())
