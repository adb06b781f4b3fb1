from __future__ import annotations

import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.score_message import age_of, served, split_features, with_age, with_features
from driftline.serving.v1.scores_pb2 import AsOfEvent, UserScores
from sink_connectors.score_value import (
    DEFAULT_NAMESPACE,
    HEAD_BYTES,
    LIVE_KEY,
    PREVIOUS_KEY,
    VERSION_BYTES,
    StoredScores,
    check_namespace,
    check_user_id,
    decode_value,
    encode_value,
    is_newer,
    offsets_key,
    progress_key,
    user_key,
    version_of,
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
    assert served(scores) == scores
    assert (served(b""), age_of(b"")) == (b"", 0)


AGES = st.integers(1, 2**32 - 1)


@given(AGES, st.binary(max_size=20_000), st.binary(max_size=200), st.sampled_from(["", "u1"]))
def test_an_age_in_front_can_be_read_and_cut_off(age_s: int, features: bytes, trait: bytes, name: str) -> None:
    scores = UserScores(user_id=name, scores={"engagement": 0.5}).SerializeToString()
    event = AsOfEvent(scores={"engagement": 0.75}, traits={"t": trait.hex()}).SerializeToString()
    together = with_age(age_s, features, event, scores)
    assert together[:6] == b"\x95\x01" + age_s.to_bytes(4, "little")
    assert age_of(together) == age_of(together[:6]) == age_s
    assert age_of(together[:5]) == age_of(scores) == 0
    cut, rest = split_features(together)
    assert cut == features
    assert UserScores.FromString(rest).as_of_event.SerializeToString(deterministic=True) == event
    assert served(together) == served(rest) == together[:6] + scores
    assert split_features(served(together)) == (b"", served(together))


@given(AGES, st.binary(max_size=300))
def test_features_and_an_age_are_parts_of_the_message(age_s: int, packed: bytes) -> None:
    features = packed[: len(packed) // 4 * 4]
    event = AsOfEvent(feature_values=[1, 2])
    message = UserScores.FromString(with_age(age_s, features, event.SerializeToString(), b"\x0a\x02u1"))
    assert (message.age_s, message.as_of_event, message.user_id) == (age_s, event, "u1")
    assert len(message.feature_values) == len(features) // 4


def aged(accepted: int, age_s: int, generation: int = 1) -> bytes:
    scores = UserScores(user_id="u1").SerializeToString()
    return encode_value(generation, accepted, with_age(age_s, b"", b"", scores) if age_s else scores)


def test_versions_sort_as_generation_accepted_events_and_age() -> None:
    versions = [(1, 5, 0), (1, 5, 1), (1, 5, 255), (1, 5, 256), (1, 5, 2**32 - 1), (1, 6, 0), (1, 6, 3), (2, 1, 0)]
    values = [aged(accepted, age_s, generation) for generation, accepted, age_s in versions]
    assert sorted(values, key=version_of) == values
    for older, one in enumerate(values):
        assert [is_newer(other, one) for other in values] == [number > older for number in range(len(values))]
        assert is_newer(one, b"")
        assert version_of(one[:HEAD_BYTES]) == version_of(one)


def test_a_tombstone_is_outranked_by_events_and_by_no_age() -> None:
    tombstone = encode_value(1, 5, b"")
    assert [is_newer(value, tombstone) for value in (aged(5, 0), aged(5, 9), tombstone)] == [False] * 3
    assert [is_newer(value, tombstone) for value in (aged(6, 0), aged(6, 9), aged(1, 0, 2))] == [True] * 3
    assert [is_newer(tombstone, value) for value in (aged(4, 9), aged(5, 0), aged(5, 9))] == [True, False, False]
    assert version_of(tombstone) == tombstone
