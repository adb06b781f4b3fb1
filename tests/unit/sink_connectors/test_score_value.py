from __future__ import annotations

import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.score_message import split_features, with_features
from driftline.serving.v1.scores_pb2 import UserScores
from sink_connectors.score_value import (
    DEFAULT_NAMESPACE,
    LIVE_KEY,
    PREVIOUS_KEY,
    VERSION_BYTES,
    StoredScores,
    check_namespace,
    check_user_id,
    decode_value,
    encode_value,
    offsets_key,
    progress_key,
    user_key,
)

# What Redis holds in production. Never change these bytes: readers of another release must understand them.
GOLDEN = [
    (StoredScores(1, 2, b"\x0a\x02u1"), "0000000000000001 0000000000000002 0a027531"),
    (StoredScores(1_760_000_000_000, 2**53 + 1, b"x"), "00000199c82cc000 0020000000000001 78"),
    (StoredScores(2**64 - 1, 0, b""), "ffffffffffffffff 0000000000000000"),
]


@pytest.mark.parametrize(("stored", "golden"), GOLDEN)
def test_golden_bytes(stored: StoredScores, golden: str) -> None:
    assert encode_value(*stored) == bytes.fromhex(golden)
    assert decode_value(bytes.fromhex(golden)) == stored


def test_version_alone_is_a_tombstone() -> None:
    assert decode_value(bytes(VERSION_BYTES)).is_tombstone
    assert not decode_value(bytes(VERSION_BYTES + 1)).is_tombstone


def test_value_shorter_than_its_version_is_refused() -> None:
    with pytest.raises(ValueError, match="15 bytes"):
        decode_value(bytes(VERSION_BYTES - 1))


@pytest.mark.parametrize("number", [-1, 2**64])
def test_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(struct.error):
        encode_value(1, number, b"")
    with pytest.raises(struct.error):
        encode_value(number, 1, b"")


def test_names_of_keys() -> None:
    assert user_key("main", "u1") == "driftline:main:{u1}"
    assert user_key("a.b-c_1", "}{:é") == "driftline:a.b-c_1:{}{:é}"
    assert progress_key("main") == "driftline:main:progress"
    assert offsets_key("main") == "driftline:main:offsets"
    assert (LIVE_KEY, PREVIOUS_KEY, DEFAULT_NAMESPACE) == ("driftline:live", "driftline:previous", "main")


@pytest.mark.parametrize("user_id", ["a", "x" * 128, "é" * 64, "\U0001f600" * 32, " ", "\0"])
def test_good_user_ids(user_id: str) -> None:
    check_user_id(user_id)


@pytest.mark.parametrize("user_id", ["", "x" * 129, "é" * 64 + "x", "\udc80"])
def test_bad_user_ids(user_id: str) -> None:
    with pytest.raises(ValueError, match="user id must"):
        check_user_id(user_id)


def test_namespaces() -> None:
    check_namespace("Main_2.x-y")
    for bad in ("", "a\n", "a*", "x" * 65):
        with pytest.raises(ValueError, match="namespace"):
            check_namespace(bad)


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=200))
def test_features_in_front_are_part_of_the_message_and_can_be_cut_off(values: list[float]) -> None:
    scores = UserScores(user_id="u1", scores={"engagement": 0.5}).SerializeToString()
    features = array("f", values).tobytes()
    together = with_features(features, scores)
    message = UserScores.FromString(together)
    assert list(message.feature_values) == values
    assert message.user_id == "u1"
    assert split_features(together) == (features, scores)


def test_scores_without_features_are_not_cut() -> None:
    scores = UserScores(user_id="u1").SerializeToString()
    assert split_features(scores) == (b"", scores)
    assert split_features(b"") == (b"", b"")
