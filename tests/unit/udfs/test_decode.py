"""Every rule by which a record is accepted or becomes a typed dead letter."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import udfs.event
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event
from driftline.limits import TIME_MS_MAX
from driftline.mapping.spec import Mapping
from driftline.values.reading import JsonValues
from jobs.pipeline import decoder_of
from tests.builders import DAY, NOW, T0, job_settings, message
from udfs.decode import Decoder
from udfs.event import CUSTOM, FORGET, PURCHASE, SURVEY_RESPONSE, VIEW, Event
from udfs.rejects import InvalidEventError, Reason

PROTOBUF = decoder_of(job_settings(events_format="protobuf", event_bytes_max=10_000))
JSON = decoder_of(job_settings(events_format="json", event_bytes_max=10_000))
Y2000, Y2100 = 946_684_800_000, 4_102_444_800_000


def decode(timestamp_ms: int = T0, key: bytes | None = b"u1", now_ms: int = NOW, **fields: Any) -> tuple[str, Event]:
    return PROTOBUF.decode(key, message(**fields).SerializeToString(), timestamp_ms, now_ms)


def reason(**fields: Any) -> Reason:
    with pytest.raises(InvalidEventError) as caught:
        decode(**fields)
    return caught.value.reason


def test_valid_event() -> None:
    decoded = decode(type=PURCHASE, value=9.5, category="shoes")
    assert decoded == ("u1", Event(T0, "at-0", PURCHASE, 9.5, "shoes"))


def test_json_and_protobuf_decode_alike() -> None:
    sent = message(type=PURCHASE, value=9.5, category="shoes", properties={"campaign": "spring"})
    from_json = JSON.decode(b"u1", format_event(sent).encode(), T0, NOW)
    assert from_json == PROTOBUF.decode(b"u1", sent.SerializeToString(), T0, NOW)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event_id": ""}, Reason.MISSING_FIELD),
        ({"user_id": "", "key": b""}, Reason.MISSING_FIELD),
        ({"type": 0}, Reason.MISSING_FIELD),
        ({"event_time_ms": 0}, Reason.MISSING_FIELD),
        ({"type": SURVEY_RESPONSE}, Reason.MISSING_FIELD),
        ({"type": CUSTOM}, Reason.MISSING_FIELD),
        ({"event_time_ms": -1}, Reason.INVALID_VALUE),
        ({"event_id": "x" * 129}, Reason.INVALID_VALUE),
        ({"event_id": "é" * 65}, Reason.INVALID_VALUE),
        ({"user_id": "x" * 129, "key": b"x" * 129}, Reason.INVALID_VALUE),
        ({"category": "x" * 257}, Reason.INVALID_VALUE),
        ({"value": math.nan}, Reason.INVALID_VALUE),
        ({"value": math.inf}, Reason.INVALID_VALUE),
        ({"value": -2e12}, Reason.INVALID_VALUE),
        ({"key": b"u2"}, Reason.KEY_MISMATCH),
        ({"key": None}, Reason.KEY_MISMATCH),
        ({"timestamp_ms": T0 - 300_001}, Reason.CLOCK_SKEW),
        ({"item_id": "x" * 10_000}, Reason.TOO_LARGE),
    ],
)
def test_rule(fields: dict[str, Any], expected: Reason) -> None:
    assert reason(**fields) is expected


@pytest.mark.parametrize(
    "fields",
    [
        {"event_id": "x" * 128},
        {"event_id": "é" * 64},
        {"timestamp_ms": T0 - 300_000},
        {"timestamp_ms": -1},
        {"type": SURVEY_RESPONSE, "value": 0.0},
        {"type": CUSTOM, "name": "wish"},
    ],
)
def test_just_inside_the_rule(fields: dict[str, Any]) -> None:
    decode(**fields)


INT64_MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("time_ms", "named"),
    [
        (1200, "before the bound event_time_min_ms (946684800000, 2000-01-01)"),
        (Y2000 - 1, "before the bound event_time_min_ms (946684800000, 2000-01-01)"),
        (949_778_714, "it looks like seconds (2000-02-05), and must be in milliseconds"),
        (1_650_950_229_000_000, "it looks like microseconds (2022-04-26), and must be in milliseconds"),
        (1_755_933_141_855_875_000, "it looks like nanoseconds (2025-08-23), and must be in milliseconds"),
        (Y2100 + 1, "after the bound event_time_max_ms (4102444800000, 2100-01-01)"),
        (INT64_MAX, "after the bound event_time_max_ms (4102444800000, 2100-01-01)"),
    ],
)
def test_a_time_that_cannot_be_right_is_refused_and_its_unit_named(time_ms: int, named: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        decode(event_time_ms=time_ms, timestamp_ms=time_ms)
    assert caught.value.reason is Reason.INVALID_VALUE
    assert named in str(caught.value)
    assert ("looks like" in str(caught.value)) == ("looks like" in named)
    assert str(time_ms) not in str(caught.value)


@pytest.mark.parametrize(
    ("time_ms", "unit"),
    [
        (T0 // 1_000, "seconds"),
        ((T0 - 2 * DAY) // 1_000, "seconds"),
        ((T0 + 300_000) // 1_000, "seconds"),
        (T0 * 1_000, "microseconds"),
        (T0 * 1_000_000, "nanoseconds"),
        ((T0 + 300_000) // 1_000 + 1, ""),  # it would be ahead of its record
        ((T0 - 4_000 * DAY) // 1_000, ""),  # eleven years: a clock that was never set, rather
        (11 * DAY, ""),
        (1_200, ""),
        (T0 * 60, ""),
    ],
)
def test_a_unit_is_named_where_it_puts_the_event_near_its_record(time_ms: int, unit: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        decode(event_time_ms=time_ms, timestamp_ms=T0)
    assert caught.value.reason is Reason.INVALID_VALUE
    assert (f"it looks like {unit} (" in str(caught.value)) == bool(unit)
    assert ("looks like" in str(caught.value)) == bool(unit)


def test_a_time_ahead_of_its_record_may_be_in_another_unit_where_the_bounds_are_wide() -> None:
    decoder = decoder_of(job_settings(event_time_min_ms=0, event_time_max_ms=TIME_MS_MAX))
    record_ms = 100_000_000_000  # in 1973
    value = message(event_time_ms=record_ms * 1_000).SerializeToString()
    with pytest.raises(
        InvalidEventError, match=r"bound is 300000 ms; it looks like microseconds \(1973-03-03\)"
    ) as caught:
        decoder.decode(b"u1", value, record_ms, NOW)
    assert caught.value.reason is Reason.CLOCK_SKEW
    with pytest.raises(InvalidEventError) as caught:
        decoder.decode(b"u1", message(event_time_ms=T0).SerializeToString(), T0 - DAY, NOW)
    assert caught.value.reason is Reason.CLOCK_SKEW
    assert "looks like" not in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "at", "noted"),
    [
        ("s", T0, "; it looks like milliseconds (2026-01-01) where time_unit is s"),
        ("ms", T0 // 1_000, "; it looks like seconds (2026-01-01) where time_unit is ms"),
        ("us", T0, "; it looks like milliseconds (2026-01-01) where time_unit is us"),
        ("ns", T0 * 1_000, "; it looks like microseconds (2026-01-01) where time_unit is ns"),
        ("text", "1970-01-21T10:53:45Z", ")"),
    ],
)
def test_a_wrong_unit_of_a_mapping_is_named(unit: str, at: Any, noted: str) -> None:
    columns = {"userId": "u", "type": "t", "eventTimeMs": "at"}
    values = JsonValues(Mapping.of({"time_unit": unit, "columns": columns}), framed=False)
    decoder = replace(JSON, values=values)
    with pytest.raises(InvalidEventError) as caught:
        decoder.decode(b"u1", json.dumps({"u": "u1", "t": "view", "at": at}).encode(), T0, NOW)
    assert caught.value.reason is Reason.INVALID_VALUE
    assert str(caught.value).endswith(noted)


@pytest.mark.parametrize(
    ("time_ms", "expected"),
    [
        (-(2**63), Reason.INVALID_VALUE),
        (-T0, Reason.INVALID_VALUE),
        (-1, Reason.INVALID_VALUE),
        (0, Reason.MISSING_FIELD),
        (1, None),
        (Y2100 + 1, None),
        (TIME_MS_MAX, None),
        (TIME_MS_MAX + 1, Reason.INVALID_VALUE),
    ],
)
def test_the_widest_bounds_are_from_1970_to_the_year_9999(time_ms: int, expected: Reason | None) -> None:
    decoder = decoder_of(job_settings(event_time_min_ms=0, event_time_max_ms=TIME_MS_MAX))
    value = message(event_time_ms=time_ms).SerializeToString()
    if expected is None:
        assert decoder.decode(b"u1", value, time_ms, TIME_MS_MAX)[1].time_ms == time_ms
        return
    with pytest.raises(InvalidEventError) as caught:
        decoder.decode(b"u1", value, -1, TIME_MS_MAX)
    assert caught.value.reason is expected


@pytest.mark.parametrize("time_ms", [Y2000, Y2100])
def test_the_bounds_of_time_belong_to_it(time_ms: int) -> None:
    assert decode(event_time_ms=time_ms, timestamp_ms=-1, now_ms=time_ms)[1].time_ms == time_ms


def test_a_record_that_carries_its_own_future_is_ahead_of_now() -> None:
    ahead = NOW + 300_001
    assert reason(event_time_ms=ahead, timestamp_ms=ahead) is Reason.CLOCK_SKEW
    assert reason(event_time_ms=ahead, timestamp_ms=-1) is Reason.CLOCK_SKEW
    assert decode(event_time_ms=ahead - 1, timestamp_ms=INT64_MAX)[1].time_ms == ahead - 1


@pytest.mark.parametrize(("timestamp_ms", "known_ms"), [(T0 - 1, T0 - 1), (T0, T0), (T0 + DAY, T0), (-1, T0)])
def test_an_event_is_known_when_its_record_is_unless_it_is_older(timestamp_ms: int, known_ms: int) -> None:
    assert decode(timestamp_ms=timestamp_ms)[1].known_ms == known_ms


@pytest.mark.parametrize("time_ms", [1200, Y2000 // 1000, T0 + DAY, T0 * 1000, INT64_MAX])
def test_a_forget_with_an_impossible_time_gets_that_of_its_record(time_ms: int) -> None:
    event = decode(type=FORGET, event_time_ms=time_ms, timestamp_ms=T0)[1]
    assert (event.time_ms, event.known_ms) == (T0, T0)


def test_a_forget_without_any_possible_time_is_refused() -> None:
    assert reason(type=FORGET, event_time_ms=1200, timestamp_ms=1200) is Reason.INVALID_VALUE
    assert reason(type=FORGET, event_time_ms=1200, timestamp_ms=-1) is Reason.INVALID_VALUE


@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
def test_json_of_any_depth_is_a_dead_letter(opened: bytes) -> None:
    closed = b"]" if opened == b"[" else b"1}"
    for depth in (1, 50, *range(sys.getrecursionlimit() - 90, sys.getrecursionlimit() + 10)):  # where it may escape
        nested = opened * depth + closed + closed[-1:] * (depth - 1)
        for field in (b"eventTimeMs", b"properties", b"value", b"unknown"):
            record = b'{"eventId":"e","userId":"u1","type":"VIEW","%s":%s}' % (field, nested)
            with pytest.raises(InvalidEventError):
                JSON.decode(b"u1", record, T0, NOW)


def test_unknown_type_folds_as_custom() -> None:
    assert decode(type=99)[1].type == CUSTOM


def test_unknown_field_is_no_error() -> None:
    value = message().SerializeToString() + b"\xfa\x07\x01x"
    assert PROTOBUF.decode(b"u1", value, T0, NOW)[1].type == VIEW


@pytest.mark.parametrize("decoder", [PROTOBUF, JSON])
@pytest.mark.parametrize("value", [None, b"\xff\xff", b"\x0a\x02\xff\xfe", b"{", b"[]", b'{"eventId": 1}'])
def test_what_is_no_event_is_undecodable(decoder: Decoder, value: bytes | None) -> None:
    with pytest.raises(InvalidEventError) as caught:
        decoder.decode(b"u1", value, T0, NOW)
    assert caught.value.reason in (Reason.UNDECODABLE, Reason.MISSING_FIELD)


def test_tombstone_is_undecodable() -> None:
    with pytest.raises(InvalidEventError) as caught:
        PROTOBUF.decode(b"u1", None, T0, NOW)
    assert caught.value.reason is Reason.UNDECODABLE


def message_of(decoder: Decoder, key: bytes | None, value: bytes | None) -> str:
    with pytest.raises(InvalidEventError) as caught:
        decoder.decode(key, value, T0, NOW)
    return str(caught.value)


VALID = message().SerializeToString()
VALID_JSON = format_event(message()).encode()


@pytest.mark.parametrize(
    ("decoder", "value", "cause"),
    [
        (PROTOBUF, None, "to erase a user, send a FORGET event"),
        (PROTOBUF, b"\0\0\0\0\x07\0" + VALID, "looks like Schema Registry framing"),
        (JSON, b"\0\0\0\0\x07" + VALID_JSON, "looks like Schema Registry framing"),
        (PROTOBUF, VALID_JSON, "looks like JSON: submit the job with events_format=json"),
        (JSON, VALID, "looks like protobuf: submit the job with events_format=protobuf"),
        (JSON, gzip.compress(VALID_JSON), "looks compressed"),
        (JSON, b"\xef\xbb\xbf" + VALID_JSON, "byte order mark"),
        (JSON, VALID_JSON.decode().encode("utf-16"), "looks like UTF-16"),
    ],
)
def test_a_reject_says_what_the_bytes_look_like(decoder: Decoder, value: bytes | None, cause: str) -> None:
    assert cause in message_of(decoder, b"u1", value)


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        (None, "there is no key"),
        (b"", "there is no key"),
        (b'"u1"', "the user id in JSON quotes"),
        (b"\0\0\0\0\x07u1", "the key looks like Schema Registry framing"),
        (b'{"userId":"u1"}', "the key looks like JSON"),
        (b"U1 ", "case or blanks"),
        (b"u2", "the key is another"),
    ],
)
def test_a_reject_says_what_is_wrong_with_the_key(key: bytes | None, cause: str) -> None:
    assert cause in message_of(PROTOBUF, key, VALID)


@pytest.mark.parametrize(
    "fields",
    [{"value": 3.1337e13}, {"event_time_ms": -31337}, {"user_id": "31337" * 30}, {"category": "31337" * 60}],
)
def test_a_reject_says_nothing_of_the_payload(fields: dict[str, Any]) -> None:
    assert "1337" not in message_of(PROTOBUF, b"31337", message(**fields).SerializeToString())


def test_json_of_any_depth_is_undecodable_or_an_event() -> None:
    for depth in range(1, 1_100):
        content = b"[" * depth + b"]" * depth
        with contextlib.suppress(InvalidEventError):
            JSON.decode(b"u1", b'{"userId":' + content + b"}", T0, NOW)


@given(
    key=st.none() | st.binary(max_size=5),
    value=st.none() | st.binary(max_size=200),
    timestamp_ms=st.integers(-1, 2**62),
)
def test_no_bytes_whatever_crash_the_decoder(key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
    for decoder in (PROTOBUF, JSON):
        try:
            user_id, _ = decoder.decode(key, value, timestamp_ms, NOW)
        except InvalidEventError as error:
            assert error.reason in Reason
        else:
            assert user_id.encode() == key


def test_types_have_the_numbers_of_the_contract() -> None:
    ours = {name: number for name, number in vars(udfs.event).items() if isinstance(number, int)}
    assert ours | {"TYPE_UNSPECIFIED": 0} == dict(UserEvent.Type.items())


def test_unknown_types_are_counted_and_deliberate_custom_ones_are_not() -> None:
    for decoder, values in (
        (JSON, [b'"remove_from_cart"', b'"view"', b'"CUSTOM","name":"n"', b"77"]),
        (PROTOBUF, [b"", b""]),
    ):
        before = decoder.unknown_types.total
        for number, word in enumerate(values):
            if decoder is JSON:
                value = b'{"eventId":"e","userId":"u1","eventTimeMs":%d,"type":%s}' % (T0, word)
            else:
                value = message(type=77 + number, name="n").SerializeToString()
            decoder.decode(b"u1", value, T0, T0)
        assert decoder.unknown_types.total - before == 2
