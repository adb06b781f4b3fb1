from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import UserScores
from serving.wire import batch_get_scores_response, get_scores_response, user_result, watch_scores_response

STATUSES = [status for status in pb.ResultStatus.values() if status]
RESULTS = st.builds(
    pb.UserResult,
    user_id=st.text(max_size=200),
    status=st.sampled_from(STATUSES),
    scores=st.none() | st.builds(UserScores, user_id=st.text(max_size=40), accepted_events=st.integers(0, 2**63 - 1)),
    stale=st.booleans(),
)


def written(result: pb.UserResult) -> bytes:
    scores = result.scores.SerializeToString() if result.HasField("scores") else None
    return user_result(result.user_id, result.status, scores, stale=result.stale)


@given(st.lists(RESULTS, max_size=4))
def test_batches_and_their_results_are_those_of_protobuf(results: list[pb.UserResult]) -> None:
    response = pb.BatchGetScoresResponse(results=results)
    assert batch_get_scores_response(list(map(written, results))) == response.SerializeToString()


@given(RESULTS)
def test_single_answers_are_those_of_protobuf(result: pb.UserResult) -> None:
    assert watch_scores_response(written(result)) == pb.WatchScoresResponse(result=result).SerializeToString()
    response = pb.GetScoresResponse(scores=result.scores, stale=result.stale)
    assert get_scores_response(result.scores.SerializeToString(), stale=result.stale) == response.SerializeToString()


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
