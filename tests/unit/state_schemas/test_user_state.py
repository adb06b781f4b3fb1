"""The state that is written field by field equals that of the generated class."""

from __future__ import annotations

import itertools
from array import array

from hypothesis import given
from hypothesis import strategies as st

from driftline.state.v1.state_pb2 import PackedProfile, UserState
from driftline.wire import varint
from state_schemas import codec
from state_schemas.user_state import decode_user, encode_user
from tests.builders import bounds
from tests.unit.udfs.strategies import Arrival, arrivals, histories
from udfs.event import Event
from udfs.profile import Profile
from udfs.timeline import Timeline

PUBLISHED = st.dictionaries(
    st.from_regex("[a-z][a-z0-9_]{0,9}", fullmatch=True), st.integers(-(2**53), 2**53), max_size=4
)


def packed(profile: Profile) -> PackedProfile:
    """A profile as the generated class writes it."""
    floats = [value for value in profile.values if str(value) != "0.0"]
    bits = sum(1 << slot for slot, value in enumerate(profile.values) if str(value) != "0.0")
    message = PackedProfile(texts=profile.texts, value_floats=array("d", floats).tobytes())
    message.value_slots = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    for weights in profile.maps:
        keys = sorted(weights)
        message.maps.add(keys=keys, weights=array("d", [weights[key] for key in keys]).tobytes())
    return message


def generated(timeline: Timeline) -> UserState:
    """The state as the generated class writes it."""
    rows = timeline.published.rows
    message = UserState(
        seen_hashes=timeline.seen.hashes,
        seen_times_ms=timeline.seen.times_ms,
        newest_event_time_ms=timeline.newest_ms,
        committed_through_ms=timeline.committed_through_ms,
        accepted_events=timeline.accepted,
        check_at_ms=timeline.check_at_ms,
        last_arrival_ms=timeline.last_arrival_ms,
        forgotten_through_ms=timeline.forgotten_through_ms,
        age_s=timeline.age_s,
    )
    if rows:
        message.published_start_time_ms, message.published_events, message.published_revision = rows[-1]
        message.published_before = array("q", itertools.chain(*rows[:-1])).tobytes()
    for chunk in timeline.tail.chunks:
        times_ms = [event.time_ms for event in chunk.read()] or [0]
        message.chunks.add(
            before=chunk.before, events=chunk.events, first_ms=times_ms[0], last_ms=times_ms[-1], rows=chunk.rows
        )
    if not timeline.profile().empty:
        message.present = packed(timeline.profile()).SerializeToString(deterministic=True)
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
