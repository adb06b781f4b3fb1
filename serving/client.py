"""Asks a running server, for the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import grpc

from driftline.errors import ServiceUnavailable
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from serving.service import BATCH_IDS_MAX

DEADLINE_S = 5.0  # of a batch
OPTIONS = [("grpc.enable_http_proxy", 0)]  # a proxy in the environment is not for the score server


def batch_get_scores(address: str, user_ids: Sequence[str]) -> Iterator[pb.UserResult]:
    """One result a user, in this order; asks for BATCH_IDS_MAX at a time. Raises ServiceUnavailable."""
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        stub = ScoreServiceStub(channel)
        for start in range(0, len(user_ids), BATCH_IDS_MAX):
            request = pb.BatchGetScoresRequest(user_ids=user_ids[start : start + BATCH_IDS_MAX])
            try:
                response = stub.BatchGetScores(request, timeout=DEADLINE_S)
            except grpc.RpcError as error:
                raise _unavailable(address, error) from None
            yield from response.results


def _unavailable(address: str, error: grpc.RpcError) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"the gRPC server at {address} gave no scores: {error.code().name}, {error.details()}; "
        "`driftline serve` starts one, DRIFTLINE_GRPC_PORT or DRIFTLINE_GRPC_TARGET says where it is"
    )
