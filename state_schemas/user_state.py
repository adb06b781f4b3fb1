"""Encodes timelines as UserState and decodes them."""

from __future__ import annotations

import itertools
import struct
from array import array
from typing import Final

from driftline.state.v1.state_pb2 import UserState
from driftline.wire import tag, varint
from state_schemas import codec, profile_bytes
from state_schemas.layouts import FIRST, StoredLayouts
from state_schemas.stored_user import read_fields
from udfs.event import FORGET, Event
from udfs.packed_profile import pack_profile, unpack_profile
from udfs.packed_tail import pack_chunks, unpack_chunks
from udfs.plan.layout import BASE, Layout
from udfs.profile import SLOTS, Profile
from udfs.published import Published
from udfs.seen_ids import SeenIds
from udfs.tail import Chunk
from udfs.timeline import Timeline, TimelineBounds, tail_of

_VALUES: Final = struct.Struct(f"<{SLOTS}d")

_SEEN_HASHES: Final = tag(UserState.SEEN_HASHES_FIELD_NUMBER, delimited=True)
_SEEN_TIMES_MS: Final = tag(UserState.SEEN_TIMES_MS_FIELD_NUMBER, delimited=True)
_PUBLISHED_BEFORE: Final = tag(UserState.PUBLISHED_BEFORE_FIELD_NUMBER, delimited=True)
_LAYOUT: Final = varint(UserState.LAYOUT_FIELD_NUMBER << 3 | 1)  # 1: a value of eight bytes
_LAYOUT_ID: Final = struct.Struct("<Q")
_SEGMENTS: Final = tag(UserState.SEGMENTS_FIELD_NUMBER, delimited=True)
_SEGMENTS_SINCE_MS: Final = tag(UserState.SEGMENTS_SINCE_MS_FIELD_NUMBER, delimited=True)
_TAIL: Final = tag(UserState.TAIL_FIELD_NUMBER, delimited=True)
_NUMBERS_TAG: Final = tag(UserState.NUMBERS_FIELD_NUMBER, delimited=True)
_NUMBERS: Final = struct.Struct("<10q")
_NUMBERS_BYTES: Final = 80
_FIRST_NUMBERS: Final = struct.Struct("<8q")  # the others are mostly 0
_PRESENT: Final = tag(UserState.PRESENT_FIELD_NUMBER, delimited=True)


def encode_user(timeline: Timeline, layouts: StoredLayouts = FIRST) -> bytes:
    """Return the state bytes of a timeline, in the present layout.

    Written field by field, in the order of field numbers, because it is done for every user of every block and the
    generated class took longer for the same bytes (docs/performance.md, tests/unit/state_schemas/test_user_state.py).
    """
    present = timeline.profile()
    parts = [codec.PREFIX]
    published = timeline.published
    payload(parts, _SEEN_HASHES, timeline.seen.hashes)
    payload(parts, _SEEN_TIMES_MS, timeline.seen.times_ms)
    if published.before:
        payload(parts, _PUBLISHED_BEFORE, array("q", itertools.chain(*published.before)).tobytes())
    if layouts.present.id != BASE:
        parts += (_LAYOUT, _LAYOUT_ID.pack(layouts.present.id))
    if timeline.segments_published:
        _segment_parts(parts, timeline.segments_published)
    payload(parts, _TAIL, pack_chunks(timeline.tail.chunks))
    payload(parts, _PRESENT, pack_profile(present, small=False))
    payload(parts, _NUMBERS_TAG, _numbers(timeline))
    return b"".join(parts)


def _numbers(timeline: Timeline) -> bytes:
    published = timeline.published
    first = (
        timeline.newest_ms,
        timeline.committed_through_ms,
        timeline.accepted,
        published.start_ms,
        published.events,
        published.revision,
        timeline.check_at_ms,
        timeline.last_arrival_ms,
    )
    if timeline.forgotten_through_ms or timeline.age_s:
        return _NUMBERS.pack(*first, timeline.forgotten_through_ms, timeline.age_s)
    return _FIRST_NUMBERS.pack(*first)


def payload(parts: list[bytes], tagged: bytes, content: bytes) -> None:
    """Append a field of bytes; nothing where they are empty."""
    if content:
        parts.append(tagged)
        parts.append(varint(len(content)))
        parts.append(content)


def _segment_parts(parts: list[bytes], published: dict[str, int]) -> None:
    names = sorted(published)  # the order in the dict depends on history
    for name in names:
        payload(parts, _SEGMENTS, name.encode())
    payload(parts, _SEGMENTS_SINCE_MS, array("q", [published[name] for name in names]).tobytes())


def decode_user(state: bytes, bounds: TimelineBounds, layouts: StoredLayouts = FIRST) -> Timeline:
    """Decode bytes that `encode_user` of this release or an older one wrote, in the present layout.

    Raises:
        StateFormatError: unknown version byte, or a layout that is not known.
        UnknownPackedError: likewise, of the tail or the profile in it.
    """
    codec.require_version(state, UserState)
    stored = read_fields(state, len(codec.PREFIX))
    if stored is None:
        return _decode_older(codec.decode(state, UserState), bounds, layouts)
    written, chunks = layouts.find(stored.layout), unpack_chunks(stored.tail)
    present: Profile | None = None
    if written.id == layouts.present.id:
        present = unpack_profile(stored.present, written.blank())
    else:  # the events are folded again, by the present plan
        _move(chunks, written, layouts.present)
    seen = _seen(stored.seen_hashes, stored.seen_times_ms, bounds)
    timeline = Timeline(bounds, seen, tail_of(bounds, chunks), present)
    _set_numbers(timeline, stored.numbers, stored.published_before)
    if stored.segments:
        since_ms = array("q", stored.segments_since_ms)
        timeline.segments_published = dict(zip(stored.segments, since_ms, strict=True))
    return timeline


def _seen(hashes: bytes, times_ms: bytes, bounds: TimelineBounds) -> SeenIds:
    return SeenIds(hashes, times_ms, horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max)


def _move(chunks: list[Chunk], written: Layout, present: Layout) -> None:
    """Put chunks into the present layout."""
    for chunk in chunks:
        if chunk.before:
            chunk.before = pack_profile(present.move(unpack_profile(chunk.before, written.blank()), written))
        if chunk.events:
            chunk.replace([present.move_event(event, written) for event in chunk.read()])


def _set_numbers(timeline: Timeline, numbers: bytes, published_before: bytes) -> None:
    newest, committed, accepted, start, events, revision, check, arrival, forgotten, age_s = _NUMBERS.unpack(
        numbers.ljust(_NUMBERS_BYTES, b"\0")
    )
    timeline.settled(committed)
    timeline.newest_ms = newest
    timeline.accepted = accepted
    _set_published(timeline, (start, events, revision), published_before)
    timeline.check_at_ms = check
    timeline.last_arrival_ms = arrival
    timeline.forgotten_through_ms = forgotten
    timeline.age_s = age_s


def _set_published(timeline: Timeline, newest: tuple[int, int, int], before: bytes) -> None:
    start_ms, events, revision = newest
    if revision:
        published = timeline.published
        published.start_ms, published.events, published.revision = start_ms, events, revision
        if before:
            published.before = _rows(before)


def _decode_older(message: UserState, bounds: TimelineBounds, layouts: StoredLayouts) -> Timeline:
    """Return the timeline of a state from before tails were kept in chunks."""
    written = layouts.find(message.layout)
    chunks = [_from_columns(message, written)]
    if written.id != layouts.present.id:
        _move(chunks, written, layouts.present)
    timeline = Timeline(
        bounds, _seen(message.seen_hashes, message.seen_times_ms, bounds), tail_of(bounds, chunks), None
    )
    timeline.settled(message.committed_through_ms)
    timeline.newest_ms = message.newest_event_time_ms
    timeline.accepted = message.accepted_events
    newest = message.published_start_time_ms, message.published_events, message.published_revision
    _set_published(timeline, newest, message.published_before)
    timeline.check_at_ms = message.check_at_ms
    timeline.last_arrival_ms = message.last_arrival_ms
    timeline.forgotten_through_ms = _forgotten_through_ms(message)
    if message.segments:
        timeline.segments_published = dict(zip(message.segments, array("q", message.segments_since_ms), strict=True))
    return timeline


def _rows(packed: bytes) -> tuple[Published, ...]:
    numbers = array("q", packed)
    return tuple([Published(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)])


def _forgotten_through_ms(message: UserState) -> int:
    """Return the newest time of a FORGET, those in the tail included, where an older release kept them."""
    if FORGET not in message.tail_types:
        return message.forgotten_through_ms
    times_ms = zip(message.tail_types, array("q", message.tail_times_ms), strict=True)
    return max(message.forgotten_through_ms, *[time_ms for kind, time_ms in times_ms if kind == FORGET])


def _from_columns(message: UserState, written: Layout) -> Chunk:
    """Return the committed profile and the tail of a state from before tails were kept in chunks."""
    profile, tail = _profile(message), _tail(message)
    if written.id != BASE:
        profile = profile_bytes.declared(message, profile, written)
        tail = profile_bytes.with_fields(message, tail, written)
    if FORGET in message.tail_types:
        forgotten_ms = _forgotten_through_ms(message)
        tail = [event for event in tail if event.known_ms > forgotten_ms]
    chunk = Chunk(pack_profile(profile))
    if tail:
        chunk.replace(tail)
    return chunk


def _profile(message: UserState) -> Profile:
    packed = message.values.ljust(_VALUES.size, b"\0")  # slots that were not written are 0
    values = list(_VALUES.unpack_from(packed))
    weights = array("d", message.category_weights)
    categories = dict(zip(message.categories, weights, strict=True))
    return Profile(values, [message.last_category], [categories])


def _tail(message: UserState) -> list[Event]:
    times = array("q", message.tail_times_ms)
    values = array("d", message.tail_values)
    known = array("q", message.tail_known_ms) or times
    currencies = array("H", message.tail_currencies) or [0] * len(times)  # empty if no event had one
    types, categories = message.tail_types, message.tail_categories
    columns = zip(times, message.tail_event_ids, types, values, categories, known, currencies, strict=True)
    return [Event(*event) for event in columns]
