"""Encodes timelines as UserState and decodes them. Equal timelines give equal bytes."""

from __future__ import annotations

import itertools
import struct
from array import array
from typing import Final

from driftline.state.v1.state_pb2 import UserState
from driftline.wire import number_field, tag
from state_schemas import codec, profile_bytes
from state_schemas.layouts import FIRST, StoredLayouts
from state_schemas.profile_bytes import payload, strings, with_fields
from udfs.event import FORGET, Event
from udfs.plan.layout import BASE, Layout
from udfs.profile import SLOTS, Profile
from udfs.published import Published, PublishedSessions
from udfs.seen_ids import SeenIds
from udfs.timeline import Timeline, TimelineBounds

_VALUES: Final = struct.Struct(f"<{SLOTS}d")
_SLOTS_ALWAYS: Final = 37  # the slots after these are rarely used: zeros at their end are not written, and read as 0

_SEEN_HASHES: Final = tag(UserState.SEEN_HASHES_FIELD_NUMBER, delimited=True)
_SEEN_TIMES_MS: Final = tag(UserState.SEEN_TIMES_MS_FIELD_NUMBER, delimited=True)
_VALUES_TAG: Final = tag(UserState.VALUES_FIELD_NUMBER, delimited=True)
_CATEGORIES: Final = tag(UserState.CATEGORIES_FIELD_NUMBER, delimited=True)
_CATEGORY_WEIGHTS: Final = tag(UserState.CATEGORY_WEIGHTS_FIELD_NUMBER, delimited=True)
_LAST_CATEGORY: Final = tag(UserState.LAST_CATEGORY_FIELD_NUMBER, delimited=True)
_TAIL_TIMES_MS: Final = tag(UserState.TAIL_TIMES_MS_FIELD_NUMBER, delimited=True)
_TAIL_EVENT_IDS: Final = tag(UserState.TAIL_EVENT_IDS_FIELD_NUMBER, delimited=True)
_TAIL_TYPES: Final = tag(UserState.TAIL_TYPES_FIELD_NUMBER, delimited=True)
_TAIL_VALUES: Final = tag(UserState.TAIL_VALUES_FIELD_NUMBER, delimited=True)
_TAIL_CATEGORIES: Final = tag(UserState.TAIL_CATEGORIES_FIELD_NUMBER, delimited=True)
_TAIL_KNOWN_MS: Final = tag(UserState.TAIL_KNOWN_MS_FIELD_NUMBER, delimited=True)
_TAIL_CURRENCIES: Final = tag(UserState.TAIL_CURRENCIES_FIELD_NUMBER, delimited=True)
_PUBLISHED_BEFORE: Final = tag(UserState.PUBLISHED_BEFORE_FIELD_NUMBER, delimited=True)
_TAIL_NUMBERS: Final = tag(UserState.TAIL_NUMBERS_FIELD_NUMBER, delimited=True)
_TAIL_TEXTS: Final = tag(UserState.TAIL_TEXTS_FIELD_NUMBER, delimited=True)
_NEWEST_EVENT_TIME_MS: Final = tag(UserState.NEWEST_EVENT_TIME_MS_FIELD_NUMBER, delimited=False)
_COMMITTED_THROUGH_MS: Final = tag(UserState.COMMITTED_THROUGH_MS_FIELD_NUMBER, delimited=False)
_ACCEPTED_EVENTS: Final = tag(UserState.ACCEPTED_EVENTS_FIELD_NUMBER, delimited=False)
_PUBLISHED_START_TIME_MS: Final = tag(UserState.PUBLISHED_START_TIME_MS_FIELD_NUMBER, delimited=False)
_PUBLISHED_EVENTS: Final = tag(UserState.PUBLISHED_EVENTS_FIELD_NUMBER, delimited=False)
_PUBLISHED_REVISION: Final = tag(UserState.PUBLISHED_REVISION_FIELD_NUMBER, delimited=False)
_CHECK_AT_MS: Final = tag(UserState.CHECK_AT_MS_FIELD_NUMBER, delimited=False)
_LAST_ARRIVAL_MS: Final = tag(UserState.LAST_ARRIVAL_MS_FIELD_NUMBER, delimited=False)
_FORGOTTEN_THROUGH_MS: Final = tag(UserState.FORGOTTEN_THROUGH_MS_FIELD_NUMBER, delimited=False)
_SEGMENTS: Final = tag(UserState.SEGMENTS_FIELD_NUMBER, delimited=True)
_SEGMENTS_SINCE_MS: Final = tag(UserState.SEGMENTS_SINCE_MS_FIELD_NUMBER, delimited=True)


def encode_user(timeline: Timeline, layouts: StoredLayouts = FIRST) -> bytes:
    """Return the state bytes of a timeline, in the present layout.

    Written field by field, in the order of field numbers, because it is done for every user of every block and the
    generated class took longer for the same bytes (docs/performance.md, tests/unit/state_schemas/test_user_state.py).
    """
    parts = [codec.PREFIX]
    tail, published = timeline.tail, timeline.published
    payload(parts, _SEEN_HASHES, timeline.seen.hashes)
    payload(parts, _SEEN_TIMES_MS, timeline.seen.times_ms)
    layout = layouts.present
    _profile_parts(parts, timeline.committed, layout)
    if tail:
        _tail_parts(parts, tail)
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
    if tail:
        _known_parts(parts, tail)
    if published.before:
        payload(parts, _PUBLISHED_BEFORE, array("q", itertools.chain(*published.before)).tobytes())
    if tail:
        _currency_parts(parts, tail)
    if timeline.segments_published:
        _segment_parts(parts, timeline.segments_published)
    if layout.id != BASE:
        profile_bytes.add_declared(parts, timeline.committed, layout)
        _field_parts(parts, tail)
    return b"".join(parts)


def _profile_parts(parts: list[bytes], profile: Profile, layout: Layout) -> None:
    weights = profile.maps[0]
    if layout.id == BASE:
        values = profile.values
        slots = SLOTS
        while slots > _SLOTS_ALWAYS and not values[slots - 1]:
            slots -= 1
        packed = _VALUES.pack(*values)
        payload(parts, _VALUES_TAG, packed if slots == SLOTS else packed[: 8 * slots])
    if weights:
        categories = sorted(weights)  # the order in the dict depends on history
        strings(parts, _CATEGORIES, categories)
        payload(parts, _CATEGORY_WEIGHTS, array("d", [weights[name] for name in categories]).tobytes())
    payload(parts, _LAST_CATEGORY, profile.texts[0].encode())


def _tail_parts(parts: list[bytes], tail: list[Event]) -> None:
    payload(parts, _TAIL_TIMES_MS, array("q", [event.time_ms for event in tail]).tobytes())
    strings(parts, _TAIL_EVENT_IDS, [event.event_id for event in tail])
    payload(parts, _TAIL_TYPES, bytes([event.type for event in tail]))
    payload(parts, _TAIL_VALUES, array("d", [event.value for event in tail]).tobytes())
    strings(parts, _TAIL_CATEGORIES, [event.category for event in tail])


def _known_parts(parts: list[bytes], tail: list[Event]) -> None:
    for event in tail:
        if event.known_ms != event.time_ms:
            payload(parts, _TAIL_KNOWN_MS, array("q", [event.known_ms for event in tail]).tobytes())
            return


def _currency_parts(parts: list[bytes], tail: list[Event]) -> None:
    for event in tail:
        if event.currency:
            payload(parts, _TAIL_CURRENCIES, array("H", [event.currency for event in tail]).tobytes())
            return


def _segment_parts(parts: list[bytes], published: dict[str, int]) -> None:
    names = sorted(published)  # the order in the dict depends on history
    strings(parts, _SEGMENTS, names)
    payload(parts, _SEGMENTS_SINCE_MS, array("q", [published[name] for name in names]).tobytes())


def _field_parts(parts: list[bytes], tail: list[Event]) -> None:
    numbers, texts = array("d"), list[str]()
    for event in tail:
        numbers.extend(event.numbers)
        texts += event.texts
    payload(parts, _TAIL_NUMBERS, numbers.tobytes())
    strings(parts, _TAIL_TEXTS, texts)


def decode_user(state: bytes, bounds: TimelineBounds, layouts: StoredLayouts = FIRST) -> Timeline:
    """Decode bytes that `encode_user` of this release or an older one wrote, in the present layout.

    Raises:
        StateFormatError: unknown version byte, or a layout that is not known.
    """
    message = codec.decode(state, UserState)
    profile, tail = _profile(message), _tail(message)
    if message.layout != layouts.present.id or message.layout != BASE:
        profile, tail = _in_layout(message, profile, tail, layouts)
    seen = SeenIds(
        message.seen_hashes, message.seen_times_ms, horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max
    )
    timeline = Timeline(bounds, seen, profile, tail)
    timeline.newest_ms = message.newest_event_time_ms
    timeline.committed_through_ms = message.committed_through_ms
    timeline.accepted = message.accepted_events
    timeline.published = _published(message)
    timeline.check_at_ms = message.check_at_ms
    timeline.last_arrival_ms = message.last_arrival_ms
    timeline.forgotten_through_ms = message.forgotten_through_ms
    if message.segments:
        timeline.segments_published = dict(zip(message.segments, array("q", message.segments_since_ms), strict=True))
    if FORGET in message.tail_types:
        _carry_out_forgets(timeline)
    return timeline


def _carry_out_forgets(timeline: Timeline) -> None:
    """Carry out the FORGET events in the tail, where an older release kept them."""
    forgets_ms = [event.time_ms for event in timeline.tail if event.type == FORGET]
    timeline.forgotten_through_ms = max(timeline.forgotten_through_ms, *forgets_ms)
    timeline.tail[:] = [event for event in timeline.tail if event.known_ms > timeline.forgotten_through_ms]


def _profile(message: UserState) -> Profile:
    packed = message.values.ljust(_VALUES.size, b"\0")  # slots that were not written are 0
    values = list(_VALUES.unpack_from(packed))
    weights = array("d", message.category_weights)
    categories = dict(zip(message.categories, weights, strict=True))
    return Profile(values, [message.last_category], [categories])


def _in_layout(
    message: UserState, profile: Profile, tail: list[Event], layouts: StoredLayouts
) -> tuple[Profile, list[Event]]:
    """Return the committed profile and the tail in the present layout, whichever they were written in."""
    written, present = layouts.find(message.layout), layouts.present
    if written.id != BASE:
        profile = profile_bytes.declared(message, profile, written)
        tail = with_fields(message, tail, written)
    if written.id == present.id:
        return profile, tail
    return present.move(profile, written), [present.move_event(event, written) for event in tail]


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
