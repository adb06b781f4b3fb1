"""A client of the score server, blocking (ScoresClient) and for asyncio (AsyncScoresClient).

Needs grpcio and protobuf alone (the extra `client`). docs/serving.md shows how to use it.
"""

from driftline.client.channel import Tls
from driftline.client.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RequestTooLargeError,
    ResourceExhaustedError,
    ScoresError,
    UnauthenticatedError,
    UnavailableError,
)
from driftline.client.face_async import AsyncScoresClient
from driftline.client.face_sync import ScoresClient
from driftline.client.types import (
    Affinity,
    AsOfEvent,
    Explanation,
    FeatureValue,
    Membership,
    Result,
    Scores,
    SegmentCount,
    SegmentMember,
    SegmentPage,
    Session,
    Top,
)

__all__ = [
    "Affinity",
    "AsOfEvent",
    "AsyncScoresClient",
    "DeadlineExceededError",
    "Explanation",
    "FailedPreconditionError",
    "FeatureValue",
    "InvalidRequestError",
    "Membership",
    "NotFoundError",
    "PermissionDeniedError",
    "RequestTooLargeError",
    "ResourceExhaustedError",
    "Result",
    "Scores",
    "ScoresClient",
    "ScoresError",
    "SegmentCount",
    "SegmentMember",
    "SegmentPage",
    "Session",
    "Tls",
    "Top",
    "UnauthenticatedError",
    "UnavailableError",
]
