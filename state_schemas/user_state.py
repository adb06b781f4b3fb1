"""A user's timeline as bytes, and back. Equal timelines give equal bytes."""

from __future__ import annotations

import itertools
import struct
from array import array
from typing import Final

from driftline.state.v1.state_pb2 import UserState
from state_schemas import codec
from udfs.event import FORGET, Event
from udfs.profile import SLOTS, Profile
from udfs.published import Published, PublishedSessions
from udfs.seen_ids import SeenIds
from udfs.user import Timeline, TimelineBounds

_VALUES: Final = struct.Struct(f"<{SLOTS}d")
_SLOTS_ALWAYS: Final = 37  # those behind are for few users, and a shorter list reads as 0 from there on


def encode_user(timeline: Timeline) -> bytes:
    """Return the state bytes of a timeline."""
    message = UserState()  # filled by assignment: passing the fields to the constructor takes twice as long
    message.seen_hashes = timeline.seen.hashes
    message.seen_times_ms = timeline.seen.times_ms
    _write_profile(timeline.committed, message)
    if timeline.tail:
        _write_tail(timeline.tail, message)
    message.newest_event_time_ms = timeline.newest_ms
    message.committed_through_ms = timeline.committed_through_ms
    message.accepted_events = timeline.accepted
    if timeline.published.revision:
        _write_published(timeline.published, message)
    message.quiet_check_at_ms = timeline.quiet_check_at_ms
    message.last_arrival_ms = timeline.last_arrival_ms
    if timeline.forgotten_through_ms:
        message.forgotten_through_ms = timeline.forgotten_through_ms
    return codec.encode(message)


def _write_profile(profile: Profile, message: UserState) -> None:
    categories = sorted(profile.categories)  # a dict's own order depends on history
    values = profile.values
    slots = SLOTS
    while slots > _SLOTS_ALWAYS and not values[slots - 1]:
        slots -= 1
    packed = _VALUES.pack(*values)
    message.values = packed if slots == SLOTS else packed[: 8 * slots]
    message.categories.extend(categories)
    message.category_weights = array("d", [profile.categories[name] for name in categories]).tobytes()
    message.last_category = profile.last_category


def _write_tail(tail: list[Event], message: UserState) -> None:
    times_ms = [event.time_ms for event in tail]
    message.tail_times_ms = array("q", times_ms).tobytes()
    message.tail_event_ids.extend([event.event_id for event in tail])
    message.tail_types = bytes([event.type for event in tail])
    message.tail_values = array("d", [event.value for event in tail]).tobytes()
    message.tail_categories.extend([event.category for event in tail])
    for event in tail:
        if event.known_ms != event.time_ms:
            message.tail_known_ms = array("q", [event.known_ms for event in tail]).tobytes()
            break
    for event in tail:
        if event.currency:
            message.tail_currencies = array("H", [event.currency for event in tail]).tobytes()
            break


def _write_published(published: PublishedSessions, message: UserState) -> None:
    message.published_start_time_ms = published.start_ms
    message.published_events = published.events
    message.published_revision = published.revision
    if published.before:
        message.published_before = array("q", itertools.chain(*published.before)).tobytes()


def decode_user(state: bytes, bounds: TimelineBounds) -> Timeline:
    """Read what `encode_user` wrote, in this release or an older one.

    Raises:
        StateFormatError: unknown version byte.
    """
    message = codec.decode(state, UserState)
    seen = SeenIds(
        message.seen_hashes, message.seen_times_ms, horizon_ms=bounds.dedupe_horizon_ms, ids_max=bounds.dedupe_ids_max
    )
    timeline = Timeline(bounds, seen, _profile(message), _tail(message))
    timeline.newest_ms = message.newest_event_time_ms
    timeline.committed_through_ms = message.committed_through_ms
    timeline.accepted = message.accepted_events
    timeline.published = _published(message)
    timeline.quiet_check_at_ms = message.quiet_check_at_ms
    timeline.last_arrival_ms = message.last_arrival_ms
    timeline.forgotten_through_ms = message.forgotten_through_ms
    if FORGET in message.tail_types:
        _carry_out_forgets(timeline)
    return timeline


def _carry_out_forgets(timeline: Timeline) -> None:
    """Read what a release wrote that kept FORGET events in the tail, after which it had erased what came before."""
    forgets_ms = [event.time_ms for event in timeline.tail if event.type == FORGET]
    timeline.forgotten_through_ms = max(timeline.forgotten_through_ms, *forgets_ms)
    timeline.tail[:] = [event for event in timeline.tail if event.known_ms > timeline.forgotten_through_ms]


def _profile(message: UserState) -> Profile:
    packed = message.values.ljust(_VALUES.size, b"\0")  # the last ones are 0, or not known to the release that wrote it
    values = list(_VALUES.unpack_from(packed))
    weights = array("d", message.category_weights)
    return Profile(values, dict(zip(message.categories, weights, strict=True)), message.last_category)


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
    currencies = array("H", message.tail_currencies) or [0] * len(times)  # none where none was named
    types, categories = message.tail_types, message.tail_categories
    columns = zip(times, message.tail_event_ids, types, values, categories, known, currencies, strict=True)
    return [Event(*event) for event in columns]
