"""Carries out a heal order: puts late events in place where the user's profile is the one that the order expects.

An order has the profile before a cut, a time within the user's tail, with the late events in place, and the hash of the
profile as the job has it. If the hash is right, the one replaces the other, and the job's own events from the cut on
are folded again. If it is not, nothing changes (docs/decisions/0035-heal.md).
"""

from __future__ import annotations

import struct
from array import array
from typing import Final

from driftline.event.v1 import session_pb2
from driftline.event.v1.heal_pb2 import HealOrder
from udfs.hashing import bytes_hash
from udfs.heal_orders import late_ids
from udfs.packed import Cursor
from udfs.packed_profile import UnknownPackedError, pack_profile, unpack_profile
from udfs.plan.plan import Plan
from udfs.profile import ENDED_SESSIONS_EVENTS, LAST_MS, Profile, Session
from udfs.published import ClosedSession, Published, PublishedSessions
from udfs.rejects import InvalidEventError, Reason, Stage
from udfs.timeline import Outcome, Timeline

_TIME_MAX: Final = float(1 << 62)
_NUMBER_MAX: Final = 1e30
_REVISION_MAX: Final = 1 << 30  # far below what the message's int32 holds: later revisions are higher

# Why an order is refused: the beginning of the dead letter's message.
NO_STATE: Final = "no-state"  # the job does not know the user, or not any more
OTHER_PLAN: Final = "other-plan"  # the order was made with other declarations or settings than the job's
FORGOTTEN: Final = "forgotten"  # a FORGET has arrived since
CUT_PASSED: Final = "cut-passed"  # the tail does not reach back to the cut any more
HISTORY_DIFFERS: Final = "history-differs"  # the profile at the cut is not the expected one


def carry_out(order: HealOrder, timeline: Timeline, folding: str) -> Outcome:
    """Carry out an order; ACCEPTED, or DUPLICATE where it has been carried out before.

    Sessions that the late events have changed are added to `closed`.

    Args:
        order: of the user, as `read_order` returns it.
        timeline: of the user; not changed unless the order is carried out.
        folding: names the job's declarations and the settings that profiles depend on.

    Raises:
        InvalidEventError: HEAL_REFUSED, with a message that begins with one of the causes above; or INVALID_VALUE,
            because no healer wrote the order.
    """
    plan = timeline.bounds.profile.plan
    if not timeline.accepted:
        raise _refused(NO_STATE, "the job has no state of the user")
    if not isinstance(plan, Plan) or order.folding != folding or order.layout != plan.layout.id:
        raise _refused(OTHER_PLAN, "the order was made with other declarations or settings than the job's")
    if order.forgotten_through_ms != timeline.forgotten_through_ms:
        raise _refused(FORGOTTEN, "the order does not know the same FORGET as the job")
    cut_ms = order.cut_time_ms
    found = profile_at(timeline, cut_ms)
    if found is None:
        raise _refused(CUT_PASSED, "the user's tail does not reach back to the cut")
    packed = pack_profile(found)
    if packed == order.profile:
        return Outcome.DUPLICATE
    if bytes_hash(packed) != order.expected:
        raise _refused(HISTORY_DIFFERS, "the profile at the cut is not the expected one")
    _check_profile(order.profile, plan.blank(), cut_ms)
    sessions = [_closed(message) for message in order.sessions]
    parts = _parts(order.published)
    late = late_ids(order)
    _note_sessions(timeline, sessions, parts)
    timeline.replace_before(cut_ms, order.profile, len(late))
    for hashed, time_ms in late:
        remembered = time_ms >= timeline.newest_ms - timeline.bounds.dedupe_horizon_ms
        if remembered and not timeline.seen.holds(hashed, time_ms):
            timeline.overflows.ids += timeline.seen.add(hashed, time_ms)
    return Outcome.ACCEPTED


def _refused(cause: str, text: str) -> InvalidEventError:
    return InvalidEventError(Reason.HEAL_REFUSED, f"{cause}: {text}", Stage.ORDER)


def profile_at(timeline: Timeline, cut_ms: int) -> Profile | None:
    """Return the profile of the events before a time; None where the tail does not reach back so far."""
    timeline.profile()  # snapshots behind an event out of order are made anew
    bounds, chunks = timeline.bounds.profile, timeline.tail.chunks
    at = len(chunks) - 1
    while at and chunks[at - 1].last_ms >= cut_ms:
        at -= 1
    profile = unpack_profile(chunks[at].before, bounds.plan.blank())
    if not profile.empty and profile.values[LAST_MS] >= cut_ms:
        return None
    for event in chunks[at].read():
        if event.time_ms >= cut_ms:
            break
        profile.fold(event, bounds)
    return profile


def _check_profile(packed: bytes, blank: Profile, cut_ms: int) -> None:
    """Refuse what is no profile of this layout: it would fail the job when it is read. Raises InvalidEventError."""
    areas = (len(blank.values), len(blank.texts), len(blank.maps), len(blank.series), len(blank.tables))
    try:
        _walk(packed)
        profile = unpack_profile(packed, blank)
    except (UnknownPackedError, ValueError, IndexError, OverflowError, struct.error):
        raise InvalidEventError(Reason.INVALID_VALUE, "the profile of a heal order cannot be read") from None
    values = profile.values
    found = (len(values), len(profile.texts), len(profile.maps), len(profile.series), len(profile.tables))
    if found != areas or pack_profile(profile) != packed:
        raise InvalidEventError(Reason.INVALID_VALUE, "the profile of a heal order is not one of this layout")
    if profile.empty:
        return
    core = values[: ENDED_SESSIONS_EVENTS + 1]
    if not _are_usual(profile) or min(core) < 0.0 or max(core) > _TIME_MAX:
        raise InvalidEventError(Reason.INVALID_VALUE, "the profile of a heal order has numbers that no fold makes")
    if values[LAST_MS] >= cut_ms:
        raise InvalidEventError(Reason.INVALID_VALUE, "the profile of a heal order has events from behind its cut")


def _are_usual(profile: Profile) -> bool:
    """Whether all numbers are finite, and so large as sums of values and of their squares may be."""
    rows: list[list[float]] = [profile.values, *profile.series]
    for weights in profile.maps:
        rows.append(list(weights.values()))
    for table in profile.tables:
        rows += list(table.values())
    for row in rows:
        for number in row:
            if not -_NUMBER_MAX <= number <= _NUMBER_MAX:  # false for NaN, too
                return False
    return True


def _walk(packed: bytes) -> None:
    """Raise ValueError or IndexError where sizes and numbers in a packed profile go beyond its bytes."""
    if not packed:
        return
    cursor = Cursor(packed, 1)
    cursor.content()
    cursor.floats()
    for _ in range(_number(cursor)):
        cursor.text()
    for _ in range(_number(cursor)):
        keys = _number(cursor)
        for _ in range(keys):
            cursor.text()
        cursor.at += 8 * keys
    for _ in range(_number(cursor)):
        cursor.floats()
    for _ in range(_number(cursor)):
        for _ in range(_number(cursor)):
            cursor.text()
            cursor.floats()
    if cursor.at != len(packed):
        message = "a packed profile does not end where its bytes end"
        raise ValueError(message)


def _number(cursor: Cursor) -> int:
    """Read a number of elements, each of which takes a byte at least."""
    number = cursor.number()
    if number > len(cursor.rows) - cursor.at:
        message = "a packed profile has more elements than bytes"
        raise ValueError(message)
    return number


def _closed(message: session_pb2.ClosedSession) -> ClosedSession:
    """Return a session of an order as it is to be published. Raises InvalidEventError where its ids are none."""
    texts = [each for each in (message.supersedes_session_id, *message.also_supersedes_session_ids) if each]
    try:
        superseded = tuple([int(each.rpartition(":")[2]) for each in texts])
    except ValueError:
        raise InvalidEventError(
            Reason.INVALID_VALUE, "a session of a heal order supersedes what is no session"
        ) from None
    session = Session(
        message.start_time_ms,
        message.end_time_ms,
        message.events,
        message.views,
        message.clicks,
        message.add_to_carts,
        message.purchases,
        message.searches,
        message.purchase_value,
    )
    if not 0 < message.revision < _REVISION_MAX or not 0 <= session.start_ms <= session.end_ms:
        raise InvalidEventError(Reason.INVALID_VALUE, "a session of a heal order has an impossible revision or time")
    by_quiet = message.closed_by == session_pb2.ClosedSession.CLOSED_BY_QUIET
    return ClosedSession(session, by_quiet, message.revision, superseded)


def _parts(packed: bytes) -> list[Published]:
    """Return the published sessions that an order names. Raises InvalidEventError where one is none."""
    numbers = array("q", packed).tolist()
    parts = [Published(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]
    for part in parts:
        if part.start_ms < 0 or not 0 < part.revision < _REVISION_MAX:
            raise InvalidEventError(Reason.INVALID_VALUE, "a heal order names no published session")
    return parts


def _note_sessions(timeline: Timeline, sessions: list[ClosedSession], parts: list[Published]) -> None:
    """Publish sessions that end before the cut, and remember them, and the parts of the one that goes on at the cut."""
    rows = {row.start_ms: row for row in timeline.published.rows}
    for session, by_quiet, revision, superseded in sessions:
        start_ms = session.start_ms
        contained = [each for each in rows if start_ms <= each <= session.end_ms]
        for each in contained:  # the healer does not know of all that was published while its users were quiet
            del rows[each]
        rows[start_ms] = Published(start_ms, session.events, revision)
        starts = sorted({*superseded, *contained} - {start_ms})
        timeline.closed.append(ClosedSession(session, by_quiet, revision, tuple(starts)))
    for part in parts:
        known = rows.get(part.start_ms)
        if known is None:
            rows[part.start_ms] = part
        else:
            rows[part.start_ms] = Published(part.start_ms, known.events, max(part.revision, known.revision))
    if rows:
        *before, newest = sorted(rows.values())
        timeline.published = PublishedSessions(tuple(before), newest)
