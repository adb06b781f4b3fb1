"""The state that is written field by field equals that of the generated class."""

from __future__ import annotations

import itertools
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.state.v1.state_pb2 import UserState
from driftline.wire import varint
from state_schemas import codec
from state_schemas.stored_user import read_fields
from state_schemas.user_state import decode_user, encode_user
from tests.builders import bounds
from tests.unit.udfs.strategies import Arrival, arrivals, histories
from udfs.event import Event
from udfs.packed_profile import pack_profile
from udfs.packed_tail import pack_chunks
from udfs.timeline import Timeline

PUBLISHED = st.dictionaries(
    st.from_regex("[a-z][a-z0-9_]{0,9}", fullmatch=True), st.integers(-(2**53), 2**53), max_size=4
)


def generated(timeline: Timeline) -> UserState:
    """The state as the generated class writes it."""
    rows = timeline.published.rows
    message = UserState(
        seen_hashes=timeline.seen.hashes,
        seen_times_ms=timeline.seen.times_ms,
    )
    newest = rows[-1] if rows else (0, 0, 0)
    numbers = [timeline.newest_ms, timeline.committed_through_ms, timeline.accepted, *newest, timeline.check_at_ms]
    numbers += [timeline.last_arrival_ms, timeline.forgotten_through_ms, timeline.age_s]
    message.numbers = array("q", numbers if any(numbers[8:]) else numbers[:8]).tobytes()
    message.published_before = array("q", itertools.chain(*rows[:-1])).tobytes()
    message.tail = pack_chunks(timeline.tail.chunks)
    message.present = pack_profile(timeline.profile(), small=False)
    message.segments.extend(sorted(timeline.segments_published))
    since_ms = [timeline.segments_published[name] for name in message.segments]
    message.segments_since_ms = array("q", since_ms).tobytes()
    return message


@given(
    st.data(), histories(categories=("", "shoes", "été", "x" * 200)), st.integers(0, 2**53), st.booleans(), PUBLISHED
)
def test_any_timeline_is_written_as_the_generated_class_writes_it(
    data: st.DataObject, history: list[Event], wall_ms: int, quiet: bool, published: dict[str, int]
) -> None:
    arrival: Arrival = data.draw(arrivals(history))
    reached_ms = data.draw(st.sampled_from(sorted({event.time_ms for event in history})))
    timeline = Timeline.begin(bounds())
    for event in arrival.events:
        timeline.offer(event, event.time_ms, min(event.time_ms, reached_ms))
    if quiet:
        timeline.close_quiet()
    timeline.last_arrival_ms, timeline.check_at_ms, timeline.age_s = wall_ms, wall_ms // 2, wall_ms % 7
    timeline.segments_published = published
    state = encode_user(timeline)
    assert state == codec.encode(generated(timeline))
    decoded = decode_user(state, bounds())
    assert encode_user(decoded) == state
    assert decoded.segments_published == published


def test_a_new_user_s_state_is_written_as_the_generated_class_writes_it() -> None:
    timeline = Timeline.begin(bounds())
    assert encode_user(timeline) == codec.encode(generated(timeline))


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_number_is_written_as_the_generated_class_writes_it(number: int) -> None:
    tagged = bytes([UserState.ACCEPTED_EVENTS_FIELD_NUMBER << 3])
    written = UserState(accepted_events=number).SerializeToString()
    assert written == (tagged + varint(number) if number else b"")


def test_fields_of_a_state_are_found_as_the_generated_class_finds_them() -> None:
    sent = UserState(seen_hashes=b"h" * 8, seen_times_ms=b"t" * 8, layout=1 << 63, tail=b"tail" * 99, numbers=b"n")
    sent.present, sent.published_before, sent.segments_since_ms = b"present", b"before", b"since"
    sent.segments.extend(["a", "é"])
    state = sent.SerializeToString()
    found = read_fields(b"\x01" + state, 1)
    assert found is not None
    names = [name for name in UserState.DESCRIPTOR.fields_by_name if hasattr(found, name)]
    assert len(names) == 9  # a compiled class does not tell its attributes
    assert {name: getattr(found, name) for name in names} == {name: getattr(sent, name) for name in names}


def test_fields_of_a_newer_release_are_passed_over() -> None:
    newer = b"\xf8\x3f\x85\x01" + b"\xf9\x3f" + bytes(8) + b"\xfa\x3f\x02xy"  # a number, eight bytes, and a text
    found = read_fields(newer + UserState(tail=b"t", numbers=b"n").SerializeToString() + newer, 0)
    assert found is not None and (found.tail, found.numbers) == (b"t", b"n")


@pytest.mark.parametrize("state", [b"", b"\x12\x01t", b"\xa2\x02\x05t", b"\xfd\x3f1234"])
def test_another_state_is_left_to_the_generated_class(state: bytes) -> None:
    assert read_fields(state, 0) is None
