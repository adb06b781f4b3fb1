"""Encodes timelines as UserState and decodes them."""

from __future__ import annotations

import itertools
import struct
from array import array
from typing import Final

from driftline.state.v1.state_pb2 import TailChunk, UserState
from driftline.wire import number_field, tag, varint
from state_schemas import codec, profile_bytes
from state_schemas.layouts import FIRST, StoredLayouts
from udfs.event import FORGET, Event
from udfs.packed_profile import nested, pack_profile, payload, strings, unpack_profile
from udfs.plan.layout import BASE, Layout
from udfs.profile import SLOTS, Profile
from udfs.published import Published, PublishedSessions
from udfs.seen_ids import SeenIds
from udfs.tail import Chunk
from udfs.timeline import Timeline, TimelineBounds, tail_of

_VALUES: Final = struct.Struct(f"<{SLOTS}d")

_SEEN_HASHES: Final = tag(UserState.SEEN_HASHES_FIELD_NUMBER, delimited=True)
_SEEN_TIMES_MS: Final = tag(UserState.SEEN_TIMES_MS_FIELD_NUMBER, delimited=True)
_PUBLISHED_BEFORE: Final = tag(UserState.PUBLISHED_BEFORE_FIELD_NUMBER, delimited=True)
_NEWEST_EVENT_TIME_MS: Final = tag(UserState.NEWEST_EVENT_TIME_MS_FIELD_NUMBER, delimited=False)
_COMMITTED_THROUGH_MS: Final = tag(UserState.COMMITTED_THROUGH_MS_FIELD_NUMBER, delimited=False)
_ACCEPTED_EVENTS: Final = tag(UserState.ACCEPTED_EVENTS_FIELD_NUMBER, delimited=False)
_PUBLISHED_START_TIME_MS: Final = tag(UserState.PUBLISHED_START_TIME_MS_FIELD_NUMBER, delimited=False)
_PUBLISHED_EVENTS: Final = tag(UserState.PUBLISHED_EVENTS_FIELD_NUMBER, delimited=False)
_PUBLISHED_REVISION: Final = tag(UserState.PUBLISHED_REVISION_FIELD_NUMBER, delimited=False)
_CHECK_AT_MS: Final = tag(UserState.CHECK_AT_MS_FIELD_NUMBER, delimited=False)
_LAST_ARRIVAL_MS: Final = tag(UserState.LAST_ARRIVAL_MS_FIELD_NUMBER, delimited=False)
_FORGOTTEN_THROUGH_MS: Final = tag(UserState.FORGOTTEN_THROUGH_MS_FIELD_NUMBER, delimited=False)
_LAYOUT: Final = varint(UserState.LAYOUT_FIELD_NUMBER << 3 | 1)  # 1: a value of eight bytes
_LAYOUT_ID: Final = struct.Struct("<Q")
_SEGMENTS: Final = tag(UserState.SEGMENTS_FIELD_NUMBER, delimited=True)
_SEGMENTS_SINCE_MS: Final = tag(UserState.SEGMENTS_SINCE_MS_FIELD_NUMBER, delimited=True)
_AGE_S: Final = tag(UserState.AGE_S_FIELD_NUMBER, delimited=False)
_CHUNKS: Final = tag(UserState.CHUNKS_FIELD_NUMBER, delimited=True)
_PRESENT: Final = tag(UserState.PRESENT_FIELD_NUMBER, delimited=True)
_BEFORE: Final = tag(TailChunk.BEFORE_FIELD_NUMBER, delimited=True)
_EVENTS: Final = tag(TailChunk.EVENTS_FIELD_NUMBER, delimited=False)
_FIRST_MS: Final = tag(TailChunk.FIRST_MS_FIELD_NUMBER, delimited=False)
_LAST_MS: Final = tag(TailChunk.LAST_MS_FIELD_NUMBER, delimited=False)
_ROWS: Final = tag(TailChunk.ROWS_FIELD_NUMBER, delimited=True)


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
    parts += (
        number_field(_NEWEST_EVENT_TIME_MS, timeline.newest_ms),
        number_field(_COMMITTED_THROUGH_MS, timeline.committed_through_ms),
        number_field(_ACCEPTED_EVENTS, timeline.accepted),
        number_field(_PUBLISHED_START_TIME_MS, published.start_ms),
        number_field(_PUBLISHED_EVENTS, published.events),
        number_field(_PUBLISHED_REVISION, published.revision),
        number_field(_CHECK_AT_MS, timeline.check_at_ms),
        number_field(_LAST_ARRIVAL_MS, timeline.last_arrival_ms),
        number_field(_FORGOTTEN_THROUGH_MS, timeline.forgotten_through_ms),
    )
    if published.before:
        payload(parts, _PUBLISHED_BEFORE, array("q", itertools.chain(*published.before)).tobytes())
    if layouts.present.id != BASE:
        parts += (_LAYOUT, _LAYOUT_ID.pack(layouts.present.id))
    if timeline.segments_published:
        _segment_parts(parts, timeline.segments_published)
    parts.append(number_field(_AGE_S, timeline.age_s))
    for chunk in timeline.tail.chunks:
        nested(parts, _CHUNKS, _chunk_bytes(chunk))
    payload(parts, _PRESENT, pack_profile(present))
    return b"".join(parts)


def _chunk_bytes(chunk: Chunk) -> bytes:
    parts: list[bytes] = []
    payload(parts, _BEFORE, chunk.before)
    if chunk.events:
        parts += (
            number_field(_EVENTS, chunk.events),
            number_field(_FIRST_MS, chunk.first_ms),
            number_field(_LAST_MS, chunk.last_ms),
        )
        payload(parts, _ROWS, chunk.rows)
    return b"".join(parts)


def _segment_parts(parts: list[bytes], published: dict[str, int]) -> None:
    names = sorted(published)  # the order in the dict depends on history
    strings(parts, _SEGMENTS, names)
    payload(parts, _SEGMENTS_SINCE_MS, array("q", [published[name] for name in names]).tobytes())


def decode_user(state: bytes, bounds: TimelineBounds, layouts: StoredLayouts = FIRST) -> Timeline:
    """Decode bytes that `encode_user` of this release or an older one wrote, in the present layout.

    Raises:
        StateFormatError: unknown version byte, or a layout that is not known.
    """
    message = codec.decode(state, UserState)
    seen = SeenIds(
        message.seen_hashes, message.seen_times_ms, horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max
    )
    written = layouts.find(message.layout)
    present: Profile | None = None
    if message.chunks:
        chunks = [Chunk(each.before, each.rows, each.events, each.first_ms, each.last_ms) for each in message.chunks]
        if written.id == layouts.present.id:  # otherwise the events are folded again, by the present plan
            present = unpack_profile(message.present, written.blank())
    else:
        chunks = [_from_columns(message, written)]
    if written.id != layouts.present.id:
        for chunk in chunks:
            _move(chunk, written, layouts.present)
    timeline = Timeline(bounds, seen, tail_of(bounds, chunks), present)
    timeline.settled(message.committed_through_ms)
    timeline.newest_ms = message.newest_event_time_ms
    timeline.accepted = message.accepted_events
    timeline.published = _published(message)
    timeline.check_at_ms = message.check_at_ms
    timeline.last_arrival_ms = message.last_arrival_ms
    timeline.forgotten_through_ms = _forgotten_through_ms(message)
    timeline.age_s = message.age_s
    if message.segments:
        timeline.segments_published = dict(zip(message.segments, array("q", message.segments_since_ms), strict=True))
    return timeline


def _move(chunk: Chunk, written: Layout, present: Layout) -> None:
    """Put a chunk into the present layout."""
    if chunk.before:
        chunk.before = pack_profile(present.move(unpack_profile(chunk.before, written.blank()), written))
    if chunk.events:
        chunk.replace([present.move_event(event, written) for event in chunk.read()])


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


def _published(message: UserState) -> PublishedSessions:
    if not message.published_revision:
        return PublishedSessions()
    before = array("q", message.published_before)
    rows = tuple([Published(*before[at : at + 3]) for at in range(0, len(before), 3)])
    newest = Published(message.published_start_time_ms, message.published_events, message.published_revision)
    return PublishedSessions(rows, newest)


def _tail(message: UserState) -> list[Event]:
    times = array("q", message.tail_times_ms)
    values = array("d", message.tail_values)
    known = array("q", message.tail_known_ms) or times
    currencies = array("H", message.tail_currencies) or [0] * len(times)  # empty if no event had one
    types, categories = message.tail_types, message.tail_categories
    columns = zip(times, message.tail_event_ids, types, values, categories, known, currencies, strict=True)
    return [Event(*event) for event in columns]
