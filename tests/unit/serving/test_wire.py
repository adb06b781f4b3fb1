from __future__ import annotations

import pytest

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import UserScores
from serving.wire import batch_get_scores_response, get_scores_response, user_result


@pytest.mark.parametrize("size", [0, 1, 120, 127, 128, 129, 16_383, 16_384, 2_097_152])
def test_bytes_are_those_that_protobuf_makes(size: int) -> None:
    scores = UserScores(feature_set="v" * size)
    stored = scores.SerializeToString()
    assert get_scores_response(stored) == pb.GetScoresResponse(scores=scores).SerializeToString()
    result = pb.UserResult(user_id="u", status=pb.RESULT_STATUS_OK, scores=scores)
    assert user_result("u", pb.RESULT_STATUS_OK, stored) == result.SerializeToString()
    missing = pb.UserResult(user_id="v", status=pb.RESULT_STATUS_NOT_FOUND)
    response = pb.BatchGetScoresResponse(results=[result, missing, result]).SerializeToString()
    assert response == batch_get_scores_response(
        [
            user_result("u", pb.RESULT_STATUS_OK, stored),
            user_result("v", pb.RESULT_STATUS_NOT_FOUND),
            user_result("u", pb.RESULT_STATUS_OK, stored),
        ]
    )
