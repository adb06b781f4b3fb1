"""Writes the bytes of a user's scores: `driftline.serving.v1.UserScores`, with its feature values in front.

Written field by field: filling and serializing the generated class took a tenth of the core's time. The bytes are those
of the generated class in its deterministic order (tests/unit/udfs/test_score_bytes.py), except that the feature values
come first, so that a server can cut them off without parsing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from driftline.catalogue import FEATURE_SET
from driftline.score_message import with_features
from driftline.serving.v1.scores_pb2 import CategoryAffinity, SegmentMembership, SessionSummary, UserScores
from driftline.wire import number_field, prefix, tag, varint
from udfs import profile as p
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
_SET: Final = prefix(UserScores.FEATURE_SET_FIELD_NUMBER, len(FEATURE_SET)) + FEATURE_SET.encode()


class Scorable(NamedTuple):
    """A user to score; the profile is not empty."""

    user_id: str
    profile: Profile
    accepted: int  # number of accepted events


class ScoreWriter:
    """Writes the messages of a block's users, who all have these fields in common.

    Args:
        score_names: names of the scores that every user has, ascending.
        model_version: of the model that was used; empty if there was none.
        generation: of the state.
        written_at_ms: wall-clock time.
    """

    __slots__ = ("_names", "_set_and_model", "_written")

    def __init__(self, score_names: Sequence[str], model_version: str, generation: int, written_at_ms: int) -> None:
        self._names = [_score_prefix(name.encode()) for name in score_names]
        version = model_version.encode()
        self._set_and_model = _SET
        if version:
            self._set_and_model += prefix(UserScores.MODEL_VERSION_FIELD_NUMBER, len(version)) + version
        self._written = number_field(_GENERATION, generation) + number_field(_WRITTEN_AT, written_at_ms)

    def write(
        self,
        user: Scorable,
        shares: list[tuple[str, float]],
        scores: list[float],
        features: bytes,
        segments: Sequence[Membership] = (),
    ) -> bytes:
        """Return a user's message.

        Args:
            user: the user.
            shares: `udfs.features.affinities` of the profile.
            scores: a value for each of the names.
            features: the feature vector, float32 little-endian.
            segments: the memberships, `udfs.segments.memberships`.
        """
        v, name = user.profile.values, user.user_id.encode()
        last = varint(int(v[p.LAST_MS]))
        parts = [_USER_ID, varint(len(name)), name]
        for score_prefix, value in zip(self._names, scores, strict=True):
            parts += (score_prefix, _DOUBLE.pack(value))
        for category, share in shares:
            encoded = category.encode()
            size = varint(len(encoded))
            if share:
                rest = _SHARE + _DOUBLE.pack(share)
                parts += (_AFFINITIES, varint(len(encoded) + len(size) + 10), _CATEGORY, size, encoded, rest)
            else:
                parts += (_AFFINITIES, varint(len(encoded) + len(size) + 1), _CATEGORY, size, encoded)
        session = _session(user.user_id, v, last)
        parts += (_SESSION, varint(len(session)), session, self._set_and_model)
        parts += (_AS_OF, last, _ACCEPTED, varint(user.accepted), self._written)
        for membership in segments:
            parts += (_SEGMENTS, _membership(membership))
        return with_features(features, b"".join(parts))


def _session(user_id: str, v: list[float], last: bytes) -> bytes:
    start_ms, purchases = int(v[p.SESSION_START_MS]), int(v[p.SESSION_PURCHASES])
    name = session_id(user_id, start_ms).encode()
    events = varint(int(v[p.SESSION_EVENTS]))
    session = b"".join((_SESSION_ID, varint(len(name)), name, _START, varint(start_ms), _LAST, last, _EVENTS, events))
    return session + _PURCHASES + varint(purchases) if purchases else session


def _membership(membership: Membership) -> bytes:
    name = membership.name.encode()
    body = _SEGMENT + varint(len(name)) + name + number_field(_SINCE, membership.since_ms)
    return varint(len(body)) + body


def _score_prefix(name: bytes) -> bytes:
    """Return an entry of the map without its value: tag, size, name, and the tag of a double."""
    entry = prefix(1, len(name)) + name + varint(2 << 3 | 1)
    return prefix(UserScores.SCORES_FIELD_NUMBER, len(entry) + 8) + entry
