"""Events as JSON lines, against the reference implementation of the mapping."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        type_word=draw(TEXT),
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
        expected = json_format.Parse(encoded, UserEvent(), ignore_unknown_fields=True)
    except (ValueError, json_format.ParseError):  # Driftline's own rules are tested below
        return
    if event.type == UserEvent.CUSTOM and not expected.type:  # a word that this version does not know
        expected.type = UserEvent.CUSTOM
        expected.type_word = document["type"]
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
    assert (event.type, event.name, event.type_word) == (UserEvent.CUSTOM, "UNBOXED", "UNBOXED")


def test_an_unknown_type_keeps_a_name_that_is_given() -> None:
    event = parse_event(line(name="n", type="UNBOXED"))
    assert (event.type, event.name, event.type_word) == (UserEvent.CUSTOM, "n", "UNBOXED")


def test_an_unknown_number_of_a_type_is_kept() -> None:
    assert parse_event(line(type=42)).type == 42


def test_an_unknown_channel_counts_as_none() -> None:
    assert parse_event(line(channel="FAX")) == UserEvent()


def test_an_empty_type_counts_as_absent() -> None:
    assert parse_event(line(type="")) == UserEvent()


DEEP = b"[" * 300 + b"]" * 300


@pytest.mark.parametrize(
    "content",
    [
        b'{"deep":[1]}',
        DEEP,
        b"NaN",
        b"[-Infinity]",
        b"9" * 5_000,
        b"1e999",
        b'"\\ud800"',
        b'{"a":1,"a":2}',
        b'{"":{"x":NaN}}',
    ],
    ids=["object", "deep", "nan", "infinity", "digits", "exponent", "surrogate", "twice", "nested"],
)
def test_unknown_fields_are_ignored_whatever_is_in_them(content: bytes) -> None:
    assert parse_event(b'{"userId":"u","extra":' + content + b"}") == UserEvent(user_id="u")


def test_a_value_in_quotes_is_a_number_as_the_mapping_says() -> None:
    assert parse_event(line(value="59.9")).value == 59.9
    assert math.isnan(parse_event(line(value="NaN")).value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON: Expecting value at character 1"),
        (b"\xff{}", "is not UTF-8 (byte 1)"),
        (b"[1]", "is not a JSON object but a list"),
        (b"null", "is not a JSON object but null"),
        (b'{"value":NaN}', "value must be a number, not a number that is not finite"),
        (b'{"value":"much"}', "value must be a number, not a string"),
        (b'{"value":1e999}', "value must be a number, not a number that is not finite"),
        (b'{"value":true}', "value must be a number, not a boolean"),
        (b'{"value":' + b"9" * 350 + b"}", "value must be a number of double precision, not a number"),
        (b'{"userId":7.5}', "userId must be a string or a whole number, not a number"),
        (b'{"userId":true}', "userId must be a string or a whole number, not a boolean"),
        (b'{"user_id":{"a":1,"a":2}}', "user_id must be a string or a whole number, not an object"),
        (b'{"eventTimeMs":"soon"}', "eventTimeMs must be whole milliseconds or a time like 2019-10-01T00:00:00Z"),
        (b'{"eventTimeMs":"2019-10-01 00:00:00"}', "eventTimeMs must be whole milliseconds or a time with its zone"),
        (b'{"eventTimeMs":"2019-13-01 00:00:00Z"}', "eventTimeMs must be whole milliseconds or a time that exists"),
        (b'{"eventTimeMs":"2019-10-01"}', "eventTimeMs must be whole milliseconds or a time like"),
        (b'{"eventTimeMs":1.5}', "eventTimeMs must be whole milliseconds in 64 bits, not a number"),
        (b'{"eventTimeMs":9223372036854775808}', "eventTimeMs must be whole milliseconds in 64 bits"),
        (b'{"eventTimeMs":' + b"9" * 5_000 + b"}", "whole milliseconds in 64 bits, not a number of 5000 digits"),
        (b'{"type":[]}', "type must be the name or number of an event type, not a list"),
        (b'{"channel":9e99}', "channel must be the name or number of a channel, not a number"),
        (b'{"properties":[]}', "properties must be an object, not a list"),
        (b'{"properties":{"a":"1","a":"2"}}', "properties has a key twice"),
        (b'{"userId":"a","userId":"b"}', "userId is given twice"),
        (b'{"userId":"a","user_id":"b"}', "user_id is given twice"),
        (b'{"mine":"a","mine":"b"}', "a key is given twice"),
        (b'{"userId":"\\ud800"}', "contains half of a surrogate pair"),
        (b'{"properties":{"\\udfff":"x"}}', "contains half of a surrogate pair"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_plainly(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_event(data)
    assert reason in str(caught.value)


PERSONAL = "jane.doe@example.org"
PERSONAL_VALUES = st.recursive(
    st.just(PERSONAL) | st.just(0.31337) | st.just(31337) | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just(PERSONAL), inner, max_size=1),
    max_leaves=4,
)


@given(
    st.dictionaries(KEYS | st.just(PERSONAL), PERSONAL_VALUES, min_size=1, max_size=4),
    st.binary(max_size=3),
    st.booleans(),
)
def test_no_message_holds_anything_of_the_document(document: dict[str, Any], damage: bytes, twice: bool) -> None:
    data = json.dumps(document).encode()
    if twice:  # every key of the document a second time
        data = data[:-1] + b"," + data[1:]
    try:
        parse_event(data + damage)
    except ValueError as error:
        for held in (PERSONAL, "31337", "jane", "example.org", "True"):
            assert held not in str(error)


@contextmanager
def frames_left(number: int) -> Iterator[None]:
    """Leave only so many frames of the stack: what is too deep then needs no thousand brackets."""
    before, frame, depth = sys.getrecursionlimit(), sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1  # type: ignore[assignment]
    sys.setrecursionlimit(depth + number)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("field", ["userId", "type", "value", "eventTimeMs", "properties", "channel", "unknown"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_a_value_error_at_any_depth_of_the_stack(field: str, opening: bytes, closing: bytes) -> None:
    for depth in range(1, 120):
        content = opening * depth + b"1" + closing * depth
        for data in (content, b'{"' + field.encode() + b'":' + content + b"}"):
            with frames_left(60), suppress(ValueError):  # any other exception fails the test
                parse_event(data)


@pytest.mark.parametrize(
    ("word", "number"),
    [
        *((name, number) for name, number in UserEvent.Type.items() if number),
        *((name.lower(), number) for name, number in UserEvent.Type.items() if number),
        ("view", UserEvent.VIEW),
        ("Product Viewed", UserEvent.VIEW),
        ("view_item", UserEvent.VIEW),
        ("$pageview", UserEvent.VIEW),
        ("page_view", UserEvent.VIEW),
        ("PageView", UserEvent.VIEW),
        ("cart", UserEvent.ADD_TO_CART),
        ("addtocart", UserEvent.ADD_TO_CART),
        ("addToCart", UserEvent.ADD_TO_CART),
        ("add-to-cart", UserEvent.ADD_TO_CART),
        ("Product Added", UserEvent.ADD_TO_CART),
        ("transaction", UserEvent.PURCHASE),
        ("Purchase", UserEvent.PURCHASE),
        ("Order Completed", UserEvent.PURCHASE),
        ("Order Refunded", 10),
        ("Email Opened", UserEvent.EMAIL_OPEN),
        ("view_search_results", UserEvent.SEARCH),
        ("select_item", UserEvent.CLICK),
    ],
)
def test_types_are_known_in_any_case_and_usual_spelling(word: str, number: int) -> None:
    assert parse_event(line(type=word)) == UserEvent(type=number)  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["remove_from_cart", "page_ping", "begin_checkout", "vi\u00e9w", "purchse"])
def test_words_beyond_the_table_travel_with_the_event(word: str) -> None:
    event = parse_event(line(type=word))
    assert (event.type, event.name, event.type_word) == (UserEvent.CUSTOM, word, word)
    assert parse_event(format_event(event).encode()) == event


@pytest.mark.parametrize("word", ["web", "Website", "WEB"])
def test_channels_are_known_in_any_case_and_usual_spelling(word: str) -> None:
    assert parse_event(line(channel=word)).channel == UserEvent.WEB


@pytest.mark.parametrize("field", ["eventId", "userId", "itemId", "category", "item_id"])
@pytest.mark.parametrize(
    ("number", "text"),
    [("541312140", "541312140"), ("2103807459595387724", "2103807459595387724"), ("17850.0", "17850"), ("-1", "-1")],
)
def test_a_whole_number_is_the_text_of_its_digits(field: str, number: str, text: str) -> None:
    event = parse_event(f'{{"{field}":{number}}}'.encode())
    assert event == parse_event(line(**{field: text}))


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2019-10-01 00:00:00 UTC", 1_569_888_000_000),
        ("2019-10-01T00:00:00Z", 1_569_888_000_000),
        ("2019-10-01T02:00:00+02:00", 1_569_888_000_000),
        ("2019-10-01T02:00+0200", 1_569_888_000_000),
        ("2019-09-30T23:59:59.9999Z", 1_569_887_999_999),
        ("2019-10-01t00:00:00.12z", 1_569_888_000_120),
        ("1960-01-01T00:00:00.500Z", -315_619_199_500),
    ],
)
def test_a_time_with_its_zone_is_a_time(text: str, time_ms: int) -> None:
    assert parse_event(line(eventTimeMs=text)).event_time_ms == time_ms


def test_properties_become_text_and_null_is_absence() -> None:
    raw = (
        b'{"properties":{"none":null,"text":"t","yes":true,"no":false,"int":5279,"big":2053013552326770905,"float":1.50,'
        b'"whole":3.0,"large":1e21,"nan":NaN,"list":[{"price":"19","tags":[]}],'
        b'"object":{"a": null},"twice":{"a":1,"a":2},'
        b'"deep":' + DEEP + b"}}"
    )
    properties = dict(parse_event(raw).properties)
    assert properties.pop("deep", DEEP.decode()) == DEEP.decode()
    assert properties == {
        "text": "t",
        "yes": "true",
        "no": "false",
        "int": "5279",
        "big": "2053013552326770905",
        "float": "1.5",
        "whole": "3",
        "large": "1e+21",
        "nan": "NaN",
        "list": '[{"price":"19","tags":[]}]',
        "object": '{"a":null}',
    }


def test_null_is_absence_everywhere() -> None:
    assert parse_event(line(**dict.fromkeys((field.json_name for field in UserEvent.DESCRIPTOR.fields), None))) == (
        UserEvent()
    )
