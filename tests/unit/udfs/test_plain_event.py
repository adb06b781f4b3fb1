"""What is read of an event's bytes without the generated class is what that class reads."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from udfs.decode import validate, validated
from udfs.plain_event import read_plain
from udfs.rejects import InvalidEventError

ASCII = st.text(st.characters(max_codepoint=127), max_size=40)
TEXTS = st.one_of(ASCII, st.text(max_size=20))
MESSAGES = st.builds(
    UserEvent,
    event_id=TEXTS,
    user_id=TEXTS,
    type=st.integers(0, 12),
    event_time_ms=st.one_of(st.integers(0, 4_102_444_800_000), st.integers(-(2**63), 2**63 - 1)),
    item_id=TEXTS,
    category=TEXTS,
    value=st.one_of(st.none(), st.floats()),
    currency=TEXTS,
    channel=st.integers(0, 7),
    name=TEXTS,
    properties=st.dictionaries(TEXTS, TEXTS, max_size=2),
    type_word=st.one_of(st.just(""), TEXTS),
)
USUAL = UserEvent(
    event_id="e1",
    user_id="u1",
    type=UserEvent.PURCHASE,
    event_time_ms=1_700_000_000_000,
    item_id="i",
    category="café",
    value=0.0,
    currency="EUR",
    channel=UserEvent.WEB,
    properties={"a": "b", "": "c"},
)


def outcome(value: bytes) -> object:
    """What the generated class and the checks make of a value."""
    try:
        return repr(validate(UserEvent.FromString(value)))
    except InvalidEventError as error:
        return error.reason, str(error)


def assert_same(value: bytes) -> None:
    plain = read_plain(value)
    if plain is None:
        return
    message = UserEvent.FromString(value)  # raises nothing
    assert (plain.user_id, not message.type_word) == (message.user_id, True)
    try:
        found: object = repr(validated(plain))
    except InvalidEventError as error:
        found = error.reason, str(error)
    assert found == outcome(value)


@given(MESSAGES)
@example(USUAL)
def test_a_message_is_read_as_by_the_generated_class(message: UserEvent) -> None:
    assert_same(message.SerializeToString())


@given(MESSAGES, st.data())
def test_damaged_bytes_are_read_alike_or_left_to_the_generated_class(message: UserEvent, data: st.DataObject) -> None:
    value = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(value)))
        value[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert_same(bytes(value))


@given(st.lists(MESSAGES, min_size=2, max_size=3))
def test_of_a_field_that_is_there_twice_the_last_counts(messages: list[UserEvent]) -> None:
    assert_same(b"".join([message.SerializeToString() for message in messages]))


def test_usual_events_need_no_message() -> None:
    plain = read_plain(UserEvent(event_id="e1", user_id="ü", type=UserEvent.VIEW, event_time_ms=5).SerializeToString())
    assert plain is not None
    assert (plain.event_id, plain.user_id, plain.type, plain.time_ms, plain.has_value) == ("e1", "ü", 1, 5, False)
    assert read_plain(UserEvent(event_id="e", properties={"key": "value"}).SerializeToString()) is not None


@pytest.mark.parametrize(
    "value",
    [
        b"\x0a\x05ab",  # cut off
        b"\x0a",
        b"\x39\x00",
        b"\x0a\x02\xff\xfe",  # not UTF-8
        b"\x0a\x82\x80\x80\x00ab",  # a size that is longer than it need be
        b"\x18\x0b",  # an unknown type
        b"\x62\x01x",  # a type word
        b"\x2a\x02\xc3\xa9",  # an item beyond ASCII
        b"\x5a\x02\x0a\x00",  # a property without a value
    ],
)
def test_what_is_unusual_is_left_to_the_generated_class(value: bytes) -> None:
    assert read_plain(value) is None


def test_a_value_that_is_no_message_stays_one() -> None:
    with pytest.raises(DecodeError):
        UserEvent.FromString(b"\x0a\x05ab")
