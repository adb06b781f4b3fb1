"""Asks the gRPC server over one connection that stays open."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from driftline.errors import ServiceUnavailable
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from driftline.serving.v1.scores_pb2 import UserScores
from serving.client import OPTIONS

DEADLINE_S = 2.0


class ScoresClient:
    """Threads may share it. Every call raises ServiceUnavailable when the server gives no answer."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._stub = ScoreServiceStub(self._channel)

    def as_of_ms(self, user_id: str) -> int:
        """The event time that the user's scores are as of; 0 for a user without scores."""
        try:
            response = self._stub.GetScores(pb.GetScoresRequest(user_id=user_id), timeout=DEADLINE_S)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return 0
            raise self._unavailable(error) from None
        return int(response.scores.as_of_event_time_ms)

    def scores(self, user_ids: Sequence[str]) -> list[UserScores]:
        """The scores of those of the users who have any, in this order."""
        if not user_ids:
            return []
        try:
            response = self._stub.BatchGetScores(pb.BatchGetScoresRequest(user_ids=user_ids), timeout=DEADLINE_S)
        except grpc.RpcError as error:
            raise self._unavailable(error) from None
        return [result.scores for result in response.results if result.status == pb.RESULT_STATUS_OK]

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _unavailable(self, error: grpc.RpcError) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"the gRPC server at {self._address} gave no scores: {error.code().name}, {error.details()}"
        )
