from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.serving.v1.scores_pb2 import UserScores
from serving.rest.problems import BadRequestError
from serving.rest.requests import batch_of, contract_path, fields_of, metadata_of, user_id_of


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.sampled_from(["", "/:.~!$&'()*+,;=@"]))
def test_any_id_goes_through_a_path(user_id: str, left_plain: str) -> None:
    path = f"/v1/users/{quote(user_id, safe=left_plain)}/scores"
    assert user_id_of(path.encode()) == user_id


@pytest.mark.parametrize("sent", [b"%ff", b"%ed%a0%80", b"a%C3"])
def test_id_that_is_not_utf8(sent: bytes) -> None:
    with pytest.raises(BadRequestError, match="UTF-8"):
        user_id_of(b"/v1/users/" + sent + b"/scores")


def test_every_field_has_both_names() -> None:
    for field in UserScores.DESCRIPTOR.fields:
        assert contract_path(field.json_name) == contract_path(field.name) == field.name


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ([], ()),
        (["", ","], ()),
        (
            ["asOfEventTimeMs,session.startTimeMs", "stale_x"],
            ("as_of_event_time_ms", "session.start_time_ms", "stale_x"),
        ),
        (["scores.purchase_propensity,scores.modelVersion"], ("scores.purchase_propensity", "scores.modelVersion")),
    ],
)
def test_masks(asked: list[str], paths: tuple[str, ...]) -> None:
    assert fields_of(asked) == paths


def test_fields_are_bounded_and_asked_for_once() -> None:
    assert fields_of(["modelVersion,model_version", "modelVersion"] * 100) == ("model_version",)
    with pytest.raises(BadRequestError, match="at most 64 fields, not 65"):
        fields_of([",".join(f"f{number}" for number in range(65))])


def test_batch() -> None:
    body = {"userIds": ["a", "b", "a"], "readMask": "modelVersion,scores.x"}
    assert batch_of(json.dumps(body).encode()) == (["a", "b", "a"], ("model_version", "scores.x"))
    assert batch_of(b"{}") == ([], ())
    assert batch_of(b'\xef\xbb\xbf{"userIds":["a"]}') == (["a"], ())


@pytest.mark.parametrize(
    "body",
    [
        [],
        "u1",
        None,
        {"user_ids": []},
        {"userIds": "u1"},
        {"userIds": [1]},
        {"readMask": ["x"]},
        {"userIds": ["u"] * 1_001},
    ],
)
def test_bodies_that_are_refused(body: Any) -> None:
    with pytest.raises(BadRequestError):
        batch_of(json.dumps(body).encode())


@given(st.binary(max_size=30))
def test_no_body_is_more_than_refused(body: bytes) -> None:
    with contextlib.suppress(BadRequestError):
        batch_of(body)


DEEP = 100_000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * DEEP, "nested"),
        (b'{"userIds":' + b"[" * DEEP + b"]" * DEEP + b"}", "nested"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "nested"),
        (b'{"userIds":["a"],"userIds":["b"]}', "twice"),
        (b'{"userIds":[{"x":1,"x":1}]}', "twice"),
        (b'{"userIds":[NaN]}', "not JSON"),
        (b'{"userIds":' + b"9" * 5_000 + b"}", "not JSON"),
        (b'{"userIds":[1e999]}', "list of strings"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_bodies_that_parsers_disagree_on_are_refused_in_one_line(body: bytes, said: str) -> None:
    with pytest.raises(BadRequestError, match=said) as caught:
        batch_of(body)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_headers_that_go_on() -> None:
    headers = {"authorization": "Bearer t", "traceparent": "00-1", "cookie": "c"}
    assert metadata_of(headers) == (("authorization", "Bearer t"), ("traceparent", "00-1"))
    assert metadata_of({"tracestate": "a=b"}) == (("tracestate", "a=b"), ("authorization", "Bearer"))
    with pytest.raises(BadRequestError, match="authorization"):
        metadata_of({"authorization": "Bearer é"})
