"""Writes the bytes of a user's scores: `driftline.serving.v1.UserScores`, with its feature values in front.

Written field by field: filling and serializing the generated class took a tenth of the core's time. The bytes are those
of the generated class in its deterministic order (tests/unit/udfs/test_score_bytes.py), except for what comes first, so
that it can be cut off or compared without parsing (driftline/score_message.py).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.score_message import with_age, with_features
from driftline.serving.v1.scores_pb2 import (
    AsOfEvent,
    CategoryAffinity,
    DimensionShares,
    SegmentMembership,
    SessionSummary,
    UserScores,
)
from driftline.wire import number_field, prefix, tag, varint
from udfs import profile as p
from udfs.plan.reading import Reading
from udfs.profile import Profile
from udfs.published import session_id
from udfs.segments import Membership

_DOUBLE: Final = struct.Struct("<d")
_USER_ID: Final = tag(UserScores.USER_ID_FIELD_NUMBER, delimited=True)
_AFFINITIES: Final = tag(UserScores.AFFINITIES_FIELD_NUMBER, delimited=True)
_CATEGORY: Final = tag(CategoryAffinity.CATEGORY_FIELD_NUMBER, delimited=True)
_SHARE: Final = varint(CategoryAffinity.SHARE_FIELD_NUMBER << 3 | 1)  # 1: a value of eight bytes
_SESSION: Final = tag(UserScores.SESSION_FIELD_NUMBER, delimited=True)
_SESSION_ID: Final = tag(SessionSummary.SESSION_ID_FIELD_NUMBER, delimited=True)
_START: Final = tag(SessionSummary.START_TIME_MS_FIELD_NUMBER, delimited=False)
_LAST: Final = tag(SessionSummary.LAST_EVENT_TIME_MS_FIELD_NUMBER, delimited=False)
_EVENTS: Final = tag(SessionSummary.EVENTS_FIELD_NUMBER, delimited=False)
_PURCHASES: Final = tag(SessionSummary.PURCHASES_FIELD_NUMBER, delimited=False)
_AS_OF: Final = tag(UserScores.AS_OF_EVENT_TIME_MS_FIELD_NUMBER, delimited=False)
_ACCEPTED: Final = tag(UserScores.ACCEPTED_EVENTS_FIELD_NUMBER, delimited=False)
_GENERATION: Final = tag(UserScores.GENERATION_FIELD_NUMBER, delimited=False)
_WRITTEN_AT: Final = tag(UserScores.WRITTEN_AT_MS_FIELD_NUMBER, delimited=False)
_SEGMENTS: Final = tag(UserScores.SEGMENTS_FIELD_NUMBER, delimited=True)
_SEGMENT: Final = tag(SegmentMembership.NAME_FIELD_NUMBER, delimited=True)
_SINCE: Final = tag(SegmentMembership.SINCE_MS_FIELD_NUMBER, delimited=False)
_EVENT_AFFINITIES: Final = tag(AsOfEvent.AFFINITIES_FIELD_NUMBER, delimited=True)
_EVENT_SEGMENTS: Final = tag(AsOfEvent.SEGMENTS_FIELD_NUMBER, delimited=True)


class Scorable:
    """A user to score.

    Attributes:
        user_id: the user's id.
        profile: as of the newest event; not empty.
        accepted: number of accepted events.
        published: the memberships that were last published: since when, by segment.
        age_s: the time since the newest event that the scores are as of, in seconds; 0: as of that event.
        aged: the profile as of the age; None where that is 0.
    """

    __slots__ = ("accepted", "age_s", "aged", "profile", "published", "user_id")

    def __init__(  # noqa: PLR0917  (what a user is)
        self,
        user_id: str,
        profile: Profile,
        accepted: int,
        published: dict[str, int],
        age_s: int = 0,
        aged: Profile | None = None,
    ) -> None:
        self.user_id = user_id
        self.profile = profile
        self.accepted = accepted
        self.published = published
        self.age_s = age_s
        self.aged = aged


class Evaluated:
    """What of a user's scores depends on the time that they are as of.

    Attributes:
        reading: of the profile.
        scores: a value for each name.
        segments: the memberships.
    """

    __slots__ = ("reading", "scores", "segments")

    def __init__(self, reading: Reading, scores: list[float], segments: Sequence[Membership] = ()) -> None:
        self.reading = reading
        self.scores = scores
        self.segments = segments


class ScoreWriter:
    """Writes the messages of a block's users, who all have these fields in common.

    Args:
        feature_set: of the plan, by name.
        declaration: the hash of what it declares.
        score_names: names of the scores that every user has, ascending.
        versions: of the models that were used, by score.
        generation: of the state.
        written_at_ms: wall-clock time.
        formulas: scores that have a formula. Where a model makes one of them, `model_versions` says so, even of one
            model alone.
    """

    __slots__ = ("_declaration", "_event_names", "_names", "_set_and_model", "_versions", "_written")

    def __init__(  # noqa: PLR0917  (what the messages have in common)
        self,
        feature_set: str,
        declaration: str,
        score_names: Sequence[str],
        versions: dict[str, str],
        generation: int,
        written_at_ms: int,
        formulas: Sequence[str] = (),
    ) -> None:
        self._names = [_score_prefix(UserScores.SCORES_FIELD_NUMBER, name.encode()) for name in score_names]
        self._event_names = [_score_prefix(AsOfEvent.SCORES_FIELD_NUMBER, name.encode()) for name in score_names]
        self._set_and_model = _text(UserScores.FEATURE_SET_FIELD_NUMBER, feature_set)
        if versions:
            first = PURCHASE_PROPENSITY if PURCHASE_PROPENSITY in versions else min(versions)
            self._set_and_model += _text(UserScores.MODEL_VERSION_FIELD_NUMBER, versions[first])
        self._written = number_field(_GENERATION, generation) + number_field(_WRITTEN_AT, written_at_ms)
        self._declaration = _text(UserScores.DECLARATION_FIELD_NUMBER, declaration)
        self._versions = b""
        if len(versions) > 1 or not versions.keys().isdisjoint(formulas):
            for name in sorted(versions):
                self._versions += _named_text(UserScores.MODEL_VERSIONS_FIELD_NUMBER, name, versions[name])

    def write(
        self, user: Scorable, reading: Reading, scores: list[float], segments: Sequence[Membership] = ()
    ) -> bytes:
        """Return the message of a user as of the newest event.

        Args:
            user: the user.
            reading: of the user's profile.
            scores: a value for each of the names.
            segments: the memberships, `udfs.segments.memberships`.
        """
        return with_features(reading.vector, self._message(user, reading, scores, segments))

    def write_aged(self, user: Scorable, now: Evaluated, event: Evaluated) -> bytes:
        """Return the message of a user with an age.

        Args:
            user: the user.
            now: as of the age.
            event: as of the newest event.
        """
        message = self._message(user, now.reading, now.scores, now.segments)
        return with_age(user.age_s, now.reading.vector, self._as_of_event(event), message)

    def _message(self, user: Scorable, reading: Reading, scores: list[float], segments: Sequence[Membership]) -> bytes:
        """Return everything but what comes first."""
        v, name = user.profile.values, user.user_id.encode()
        last = varint(int(v[p.LAST_MS]))
        parts = [_USER_ID, varint(len(name)), name]
        names = self._names
        for at, value in enumerate(scores):
            parts.append(names[at])
            parts.append(_DOUBLE.pack(value))
        _add_affinities(parts, _AFFINITIES, reading)
        session = _session(user.user_id, v, last)
        parts += (_SESSION, varint(len(session)), session, self._set_and_model)
        parts += (_AS_OF, last, _ACCEPTED, varint(user.accepted), self._written, self._declaration)
        for membership in segments:
            parts += (_SEGMENTS, _membership(membership))
        if reading.traits or reading.tops:
            _add_served(parts, UserScores.TRAITS_FIELD_NUMBER, UserScores.TOPS_FIELD_NUMBER, reading)
        if self._versions:
            parts.append(self._versions)
        return b"".join(parts)

    def _as_of_event(self, event: Evaluated) -> bytes:
        """Return an AsOfEvent, in its deterministic order."""
        reading = event.reading
        parts: list[bytes] = []
        for score_prefix, value in zip(self._event_names, event.scores, strict=True):
            parts += (score_prefix, _DOUBLE.pack(value))
        _add_affinities(parts, _EVENT_AFFINITIES, reading)
        if reading.vector:
            parts += (prefix(AsOfEvent.FEATURE_VALUES_FIELD_NUMBER, len(reading.vector)), reading.vector)
        for membership in event.segments:
            parts += (_EVENT_SEGMENTS, _membership(membership))
        _add_served(parts, AsOfEvent.TRAITS_FIELD_NUMBER, AsOfEvent.TOPS_FIELD_NUMBER, reading)
        return b"".join(parts)


def _add_affinities(parts: list[bytes], affinities: bytes, reading: Reading) -> None:
    for category, share in reading.affinities:
        encoded = category.encode()
        size = varint(len(encoded))
        if share:
            rest = _SHARE + _DOUBLE.pack(share)
            parts += (affinities, varint(len(encoded) + len(size) + 10), _CATEGORY, size, encoded, rest)
        else:
            parts += (affinities, varint(len(encoded) + len(size) + 1), _CATEGORY, size, encoded)


def _add_served(parts: list[bytes], traits_field: int, tops_field: int, reading: Reading) -> None:
    for trait, text in reading.traits:
        parts.append(_named_text(traits_field, trait, text))
    for feature, shares in reading.tops:
        parts.append(_tops(tops_field, feature, shares))


def _share(category: str, share: float) -> bytes:
    encoded = category.encode()
    entry = _CATEGORY + varint(len(encoded)) + encoded
    return entry + _SHARE + _DOUBLE.pack(share) if share else entry


def _tops(field: int, feature: str, shares: list[tuple[str, float]]) -> bytes:
    body = _text(DimensionShares.FEATURE_FIELD_NUMBER, feature)
    for key, share in shares:
        entry = _share(key, share)
        body += prefix(DimensionShares.ENTRIES_FIELD_NUMBER, len(entry)) + entry
    return prefix(field, len(body)) + body


def _membership(membership: Membership) -> bytes:
    name = membership.name.encode()
    body = _SEGMENT + varint(len(name)) + name + number_field(_SINCE, membership.since_ms)
    return varint(len(body)) + body


def _text(field: int, text: str) -> bytes:
    encoded = text.encode()
    return prefix(field, len(encoded)) + encoded if encoded else b""


def _named_text(field: int, name: str, text: str) -> bytes:
    """Return an entry of a map from text to text."""
    key, value = name.encode(), text.encode()
    entry = prefix(1, len(key)) + key + prefix(2, len(value)) + value
    return prefix(field, len(entry)) + entry


def _session(user_id: str, v: list[float], last: bytes) -> bytes:
    start_ms, purchases = int(v[p.SESSION_START_MS]), int(v[p.SESSION_PURCHASES])
    name = session_id(user_id, start_ms).encode()
    events = varint(int(v[p.SESSION_EVENTS]))
    session = b"".join((_SESSION_ID, varint(len(name)), name, _START, varint(start_ms), _LAST, last, _EVENTS, events))
    return session + _PURCHASES + varint(purchases) if purchases else session


def _score_prefix(field: int, name: bytes) -> bytes:
    """Return an entry of the map without its value: tag, size, name, and the tag of a double."""
    entry = prefix(1, len(name)) + name + varint(2 << 3 | 1)
    return prefix(field, len(entry) + 8) + entry
