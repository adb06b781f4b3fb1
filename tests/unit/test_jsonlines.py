"""Events as JSON lines, against the reference implementation of the mapping."""

import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event, parse_event

INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def events(draw: st.DrawFn) -> UserEvent:
    return UserEvent(
        event_id=draw(TEXT),
        user_id=draw(TEXT),
        type=draw(st.one_of(st.sampled_from(UserEvent.Type.values()), INT32)),  # type: ignore[arg-type]
        event_time_ms=draw(INT64),
        item_id=draw(TEXT),
        category=draw(TEXT),
        value=draw(st.none() | st.floats(allow_nan=False)),
        currency=draw(TEXT),
        channel=draw(st.one_of(st.sampled_from(UserEvent.Channel.values()), INT32)),  # type: ignore[arg-type]
        name=draw(TEXT),
        properties=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1", "-7", "4.5"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from([key for field in UserEvent.DESCRIPTOR.fields for key in (field.name, field.json_name)])
DOCUMENTS = st.dictionaries(KEYS | st.text(max_size=4), JSON_VALUES, max_size=6)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@given(events())
def test_formats_what_the_reference_reads_as_the_same_event(event: UserEvent) -> None:
    assert json_format.Parse(format_event(event), UserEvent()) == event


@given(events(), st.booleans(), st.sampled_from([None, 2]), st.booleans())
def test_parses_whatever_the_reference_writes(event: UserEvent, snake: bool, indent: int | None, numbers: bool) -> None:
    text = json_format.MessageToJson(
        event, preserving_proto_field_name=snake, indent=indent, use_integers_for_enums=numbers
    )
    assert parse_event(text.encode()) == event


@given(events())
def test_a_line_comes_back_as_the_same_line(event: UserEvent) -> None:
    text = format_event(event)
    assert format_event(parse_event(text.encode())) == text
    assert "\n" not in text


@given(DOCUMENTS)
def test_reads_nothing_that_the_reference_reads_differently(document: dict[str, Any]) -> None:
    encoded = json.dumps(document).encode()
    try:
        event = parse_event(encoded)
    except ValueError:
        return
    expected = json_format.Parse(encoded, UserEvent(), ignore_unknown_fields=True)
    if event.type == UserEvent.CUSTOM and not expected.type:  # a word that this version does not know
        expected.type = UserEvent.CUSTOM
        expected.name = expected.name or document["type"]
    assert event == expected


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_a_value_error(data: bytes) -> None:
    try:
        parse_event(data)
    except ValueError as error:
        assert "\n" not in str(error)


def test_the_example_of_the_contract_keeps_its_bytes() -> None:
    text = (
        '{"eventId":"e1","userId":"u1","type":"PURCHASE","eventTimeMs":"1760000000000","itemId":"i9",'
        '"category":"shoes","value":59.9,"currency":"EUR","channel":"WEB","properties":{"campaign":"spring"}}'
    )
    assert format_event(parse_event(text.encode())) == text


def test_an_unknown_type_becomes_custom_named_by_the_word() -> None:
    event = parse_event(line(type="UNBOXED"))
    assert (event.type, event.name) == (UserEvent.CUSTOM, "UNBOXED")


def test_an_unknown_type_keeps_a_name_that_is_given() -> None:
    event = parse_event(line(name="n", type="UNBOXED"))
    assert (event.type, event.name) == (UserEvent.CUSTOM, "n")


def test_an_unknown_number_of_a_type_is_kept() -> None:
    assert parse_event(line(type=42)).type == 42


def test_an_unknown_channel_counts_as_none() -> None:
    assert parse_event(line(channel="FAX")) == UserEvent()


def test_an_empty_type_counts_as_absent() -> None:
    assert parse_event(line(type="")) == UserEvent()


def test_unknown_fields_are_ignored() -> None:
    assert parse_event(line(userId="u", extra={"deep": [1]})) == UserEvent(user_id="u")


def test_a_value_in_quotes_is_a_number_as_the_mapping_says() -> None:
    assert parse_event(line(value="59.9")).value == 59.9
    assert math.isnan(parse_event(line(value="NaN")).value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON: Expecting value at character 1"),
        (b"\xff{}", "is not UTF-8 (byte 1)"),
        (b"[1]", "is not a JSON object but [1]"),
        (b'{"value":NaN}', "is not JSON: NaN outside quotes"),
        (b'{"value":"much"}', 'value must be a number, not "much"'),
        (b'{"value":1e999}', "value must be a number, not Infinity"),
        (b'{"value":true}', "value must be a number, not true"),
        (b'{"userId":7}', "userId must be a string, not 7"),
        (b'{"eventTimeMs":"soon"}', 'eventTimeMs must be a whole number of 64 bits, not "soon"'),
        (b'{"eventTimeMs":1.5}', "eventTimeMs must be a whole number of 64 bits, not 1.5"),
        (b'{"eventTimeMs":9223372036854775808}', "eventTimeMs must be a whole number of 64 bits"),
        (b'{"eventTimeMs":' + b"9" * 5_000 + b"}", "holds a number of 5000 digits"),
        (b'{"type":[]}', "type must be the name or number of an event type, not []"),
        (b'{"properties":{"a":1}}', 'properties must hold strings only, not 1 as "a"'),
        (b'{"properties":[]}', "properties must be an object of strings, not []"),
        (b'{"userId":"a","userId":"b"}', '"userId" is given twice'),
        (b'{"userId":"a","user_id":"b"}', '"user_id" is given twice'),
        (b'{"userId":"\\ud800"}', "contains half of a surrogate pair"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_plainly(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_event(data)
    assert reason in str(caught.value)
