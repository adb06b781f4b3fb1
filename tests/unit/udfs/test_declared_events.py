"""Declared event types and fields: which type a message is of, what its fields become, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import declarations
from declarations.compile import plan_of
from driftline.event.v1.event_pb2 import UserEvent
from driftline.limits import FIELD_BYTES_MAX, TIME_MS_MAX, VALUE_MAX
from jobs.pipeline import decoder_of
from tests.builders import NOW, T0, job_settings, message
from udfs.declared_events import EventTypes
from udfs.decode import Decoder, validate
from udfs.event import CUSTOM, FORGET, PURCHASE, REFUND, VIEW, Event
from udfs.money import AS_GIVEN, LEFT_OUT, NUMBERS, Currencies
from udfs.rejects import InvalidEventError, Reason

EURO = Currencies("EUR", {"USD": 0.5})
PLAY = 11


def field(name: str, kind: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "from": f"properties.{name}", "required": False} | rest


def declared(*fields: dict[str, Any], name: str = "play", number: int = PLAY, **rest: Any) -> dict[str, Any]:
    return {"name": name, "number": number, "type": 8, "custom": name, "fields": list(fields), "roles": {}} | rest


def types_of(*events: dict[str, Any], currencies: Currencies = AS_GIVEN) -> EventTypes:
    types = EventTypes.of(list(events), currencies)
    assert types is not None
    return types


def filled(types: EventTypes, **fields: Any) -> Event:
    given_fields: dict[str, Any] = {"type": CUSTOM, "name": "play"} | fields
    sent = message(**given_fields)
    event = validate(sent, EURO)
    types.fill(sent, event)
    return event


def error(types: EventTypes, **fields: Any) -> InvalidEventError:
    with pytest.raises(InvalidEventError) as caught:
        filled(types, **fields)
    return caught.value


def one(of: dict[str, Any], text: str | None, currencies: Currencies = AS_GIVEN) -> float | str:
    """What becomes of a single field whose property has this text."""
    properties = {} if text is None else {of["name"]: text}
    event = filled(types_of(declared(of), currencies=currencies), properties=properties)
    assert len(event.numbers) + len(event.texts) == 1
    return event.numbers[0] if event.numbers else event.texts[0]


def reason(of: dict[str, Any], text: str) -> Reason:
    return error(types_of(declared(of)), properties={of["name"]: text}).reason


@pytest.mark.parametrize("word", ["play", "Play", "PLAY", "pl_ay", "p-l ay"])
@pytest.mark.parametrize("where", [{"name": "{}"}, {"name": "other", "type_word": "{}"}])
def test_a_custom_message_is_of_the_type_that_it_is_named_by(word: str, where: dict[str, str]) -> None:
    fields = {key: text.format(word) for key, text in where.items()}
    assert filled(types_of(declared()), **fields).type == PLAY


def test_what_was_given_as_the_type_decides_before_the_name() -> None:
    types = types_of(declared(), declared(name="like", number=12))
    assert filled(types, type_word="play", name="like").type == PLAY
    assert filled(types, type_word="nothing known", name="like").type == 12


def test_an_exact_name_decides_before_one_that_differs_in_case() -> None:
    types = types_of(declared(custom="Play"), declared(name="like", number=12))
    assert types.number_of(message(type=CUSTOM, name="Play")) == PLAY


@pytest.mark.parametrize("fields", [{"name": "stop"}, {"type": VIEW, "name": "play"}, {"type": 99, "name": "play"}])
def test_all_others_stay_what_they_are(fields: dict[str, Any]) -> None:
    assert filled(types_of(declared()), **fields) == filled(types_of(declared(name="x")), **fields)
    assert filled(types_of(declared()), **fields).type in {CUSTOM, VIEW}


def test_two_types_of_one_word_are_refused() -> None:
    with pytest.raises(ValueError, match="apart from case"):
        types_of(declared(), declared(name="PLAY", number=12))
    with pytest.raises(ValueError, match="two event types have the name"):
        types_of(declared(), declared(number=12))


def test_nothing_declared_is_none() -> None:
    assert EventTypes.of([], AS_GIVEN) is None
    assert EventTypes.of([{"name": "VIEW", "number": 1, "type": 1, "custom": "", "fields": []}], AS_GIVEN) is None


def test_fields_come_in_the_order_of_the_plan() -> None:
    types = types_of(declared(field("b", "number"), field("y", "text"), field("a", "bool"), field("x", "strings")))
    event = filled(types, properties={"a": "yes", "b": "2.5", "x": "p, q", "y": "text"})
    assert (event.numbers, event.texts) == ((2.5, 1.0), ("text", "p\x1fq"))


def test_a_built_in_type_may_have_fields() -> None:
    types = types_of(declared(field("brand", "text"), name="VIEW", number=VIEW, type=VIEW, custom=""))
    assert filled(types, type=VIEW, properties={"brand": "acme"}).texts == ("acme",)
    assert filled(types, type=VIEW).texts == ("",)
    assert filled(types, type=PURCHASE).texts == ()


@pytest.mark.parametrize(
    ("path", "fields", "text"),
    [
        ("item_id", {"item_id": "i"}, "i"),
        ("category", {"category": "c"}, "c"),
        ("value", {"value": 17.0}, "17"),
        ("value", {"value": 0.1}, "0.1"),
        ("value", {}, ""),
        ("currency", {"currency": "eur"}, "eur"),
        ("channel", {"channel": UserEvent.MOBILE}, "MOBILE"),
        ("channel", {"channel": 77}, ""),
        ("channel", {}, ""),
        ("name", {}, "play"),
        ("properties.k.l", {"properties": {"k.l": "p"}}, "p"),
        ("properties.none", {"properties": {"k": "p"}}, ""),
    ],
)
def test_a_field_is_taken_from_where_the_plan_says(path: str, fields: dict[str, Any], text: str) -> None:
    types = types_of(declared({"name": "f", "kind": "text", "from": path, "required": False}))
    assert filled(types, **fields).texts == (text,)


def test_reading_a_property_does_not_change_the_message() -> None:
    sent = message(type=CUSTOM, name="play")
    before = sent.SerializeToString()
    types_of(declared(field("f", "text"))).fill(sent, validate(sent))
    assert sent.SerializeToString() == before


@pytest.mark.parametrize("kind", ["text", "number", "bool", "timestamp", "strings", "money"])
@pytest.mark.parametrize("text", [None, "", "  ", "null", "None", "NULL", " undefined "])
def test_what_stands_for_nothing_is_the_default_or_missing(kind: str, text: str | None) -> None:
    default: Any = "d" if kind in {"text", "strings"} else 7
    assert one(field("f", kind, default=default), text) == default
    properties = {} if text is None else {"f": text}
    missing = error(types_of(declared(field("f", kind, required=True))), properties=properties)
    assert missing.reason is Reason.MISSING_FIELD
    assert "f is missing" in str(missing)


@pytest.mark.parametrize(
    ("of", "text", "expected"),
    [
        (field("f", "number"), "1e3", 1000.0),
        (field("f", "number"), " -.5 ", -0.5),
        (field("f", "number"), "1000000000000", VALUE_MAX),
        (field("f", "number", min=0, max=10), "10", 10.0),
        (field("f", "number", max=1e15), "1e15", 1e15),
        (field("f", "bool"), "TRUE", 1.0),
        (field("f", "bool"), "yes", 1.0),
        (field("f", "bool"), "1", 1.0),
        (field("f", "bool", default=True), "no", 0.0),
        (field("f", "bool"), "False", 0.0),
        (field("f", "bool"), "0", 0.0),
        (field("f", "bool", default=True), None, 1.0),
        (field("f", "timestamp", unit="s"), "1760000000.25", 1_760_000_000_250.0),
        (field("f", "timestamp", unit="s"), "1760000000", 1_760_000_000_000.0),
        (field("f", "timestamp", unit="ms"), "1760000000001", 1_760_000_000_001.0),
        (field("f", "timestamp"), "-86400000", -86_400_000.0),
        (field("f", "timestamp", unit="us"), "1760000000001999", 1_760_000_000_001.0),
        (field("f", "timestamp", unit="ns"), "1760000000001999999", 1_760_000_000_001.0),
        (field("f", "timestamp", unit="iso"), "2026-01-01T00:00:00Z", float(T0)),
        (field("f", "timestamp", unit="iso", zone="Europe/Berlin"), "2026-01-01 01:00:00", float(T0)),
        (field("f", "timestamp", unit="iso", zone="Europe/Berlin"), "2026-01-01T00:00:00Z", float(T0)),
        (field("f", "timestamp", unit="iso", zone="UTC"), "2026-01-01", float(T0)),
        # Where clocks are changed: what there is not is of the clock that was not set, what comes twice is the first.
        (field("f", "timestamp", unit="iso", zone="Europe/Berlin"), "2026-03-29 02:30:00", 1_774_747_800_000.0),
        (field("f", "timestamp", unit="iso", zone="Europe/Berlin"), "2026-03-29 03:30:00", 1_774_747_800_000.0),
        (field("f", "timestamp", unit="iso", zone="Europe/Berlin"), "2026-10-25 02:30:00", 1_792_888_200_000.0),
        (field("f", "timestamp", unit="iso", zone="Europe/Berlin"), "2026-10-25", 1_792_879_200_000.0),
        (
            field("f", "timestamp", unit="iso", zone="America/Sao_Paulo"),
            "2018-11-04",
            1_541_300_400_000.0,
        ),  # no midnight
        (field("f", "timestamp", unit="iso"), "0001-01-01", -62_135_596_800_000.0),
        (field("f", "timestamp", unit="iso"), "9999-12-31 23:59:59.999", float(TIME_MS_MAX)),
        (field("f", "timestamp", unit="iso"), "2026-01-01 00:00:00", float(T0)),
        (field("f", "timestamp", unit="iso"), "2026-01-01T01:00:00+01:00", float(T0)),
        (field("f", "strings"), '["a", " b ", "", null, 7, true]', "a\x1fb\x1f7\x1ftrue"),
        (field("f", "strings"), "a, b,,c", "a\x1fb\x1fc"),
        (field("f", "strings", default="x,y"), None, "x\x1fy"),
        (field("f", "strings", default="x,y"), "[]", "x\x1fy"),
        (field("f", "text"), " as it is ", " as it is "),
        (field("f", "text"), "é" * 128, "é" * 128),
        (field("f", "money"), "2.5", 2.5),
    ],
)
def test_a_field_is_converted_to_its_kind(of: dict[str, Any], text: str | None, expected: float | str) -> None:
    assert one(of, text) == expected


@pytest.mark.parametrize(
    ("of", "text"),
    [
        *(
            (field("f", "number"), text)
            for text in ("x", "1_000", "1,5", "nan", "inf", "-1e400", "1.1e12", "\u0661", "0x1")
        ),
        (field("f", "number", min=0), "-0.1"),
        (field("f", "number", max=5), "5.1"),
        (field("f", "bool"), "2"),
        (field("f", "bool"), "on"),
        (field("f", "timestamp"), "2026-01-01T00:00:00Z"),
        (field("f", "timestamp"), "1e31"),
        (field("f", "timestamp"), "1760000000001999"),
        (field("f", "money", max=5), "5.5"),
        (field("f", "money"), "1e13"),
        (field("f", "timestamp", unit="iso", zone="UTC"), "2026-02-30 00:00:00"),
        (field("f", "timestamp", unit="iso", zone="UTC"), "1760000000"),
        (field("f", "strings"), "[1,"),
        (field("f", "strings"), "[[1]]"),
        (field("f", "strings"), '["\\ud800"]'),
        (field("f", "strings"), "[" * 100_000),
        (field("f", "strings"), "a\x1fb"),
        (field("f", "strings"), ",".join(["tag"] * 65)),
        (field("f", "text"), "x" * 257),
        (field("f", "text"), "é" * 129),
        (field("f", "money"), "$5"),
    ],
)
def test_a_wrong_value_is_refused_and_not_repeated(of: dict[str, Any], text: str) -> None:
    wrong = error(types_of(declared(of)), properties={"f": text})
    assert wrong.reason is Reason.INVALID_VALUE
    assert str(wrong).startswith("f of play must be ")
    assert len(text) < 5 or text not in str(wrong)


def test_an_error_names_the_bounds_that_are_declared() -> None:
    wrong = error(types_of(declared(field("seconds", "number", min=0, max=86400))), properties={"seconds": "-1"})
    assert str(wrong) == "seconds of play must be a number from 0 to 86400"


def test_a_number_from_the_value_is_the_value() -> None:
    types = types_of(declared({"name": "v", "kind": "number", "from": "value", "required": True, "max": 9}))
    assert filled(types, value=0.1).numbers == (0.1,)
    assert filled(types, value=0.0).numbers == (0.0,)
    assert error(types, value=9.5).reason is Reason.INVALID_VALUE
    assert error(types).reason is Reason.MISSING_FIELD


def test_a_bool_and_a_time_may_be_from_the_value() -> None:
    flag = {"name": "b", "kind": "bool", "from": "value"}
    time = {"name": "t", "kind": "timestamp", "from": "value", "unit": "s"}
    assert filled(types_of(declared(flag, time)), value=1.0).numbers == (1.0, 1000.0)


@pytest.mark.parametrize(
    ("currencies", "currency", "amount", "number"),
    [
        (AS_GIVEN, "usd", 8.0, NUMBERS["USD"]),
        (AS_GIVEN, "", 8.0, 0),
        (AS_GIVEN, "points", 8.0, LEFT_OUT),
        (EURO, "USD", 4.0, NUMBERS["EUR"]),
        (EURO, "GBP", 8.0, LEFT_OUT),
    ],
)
def test_money_is_converted_and_says_its_currency(
    currencies: Currencies, currency: str, amount: float, number: int
) -> None:
    from_value = {"name": "price", "kind": "money", "from": "value", "currency": "currency"}
    event = filled(types_of(declared(from_value), currencies=currencies), value=8.0, currency=currency)
    assert (event.numbers, event.currency) == ((amount,), number)
    from_property = field("price", "money", currency="properties.unit")
    properties = {"price": "8"} | ({"unit": currency} if currency else {})
    event = filled(types_of(declared(from_property), currencies=currencies), properties=properties)
    assert (event.numbers, event.currency) == ((amount,), number)


def test_the_money_of_a_purchase_is_its_value() -> None:
    price = {"name": "price", "kind": "money", "from": "value", "required": False, "default": 3}
    of: dict[str, Any] = {"custom": "", "number": PURCHASE, "type": PURCHASE, "name": "PURCHASE"}
    types = types_of(declared(price, **of), declared(price, **of | {"name": "REFUND", "number": REFUND}))
    event = filled(types, type=PURCHASE, value=8.0, currency="USD")
    assert (event.value, event.numbers, event.currency) == (4.0, (4.0,), NUMBERS["EUR"])
    assert filled(types, type=PURCHASE, value=-8.0, currency="USD").numbers == (4.0,)
    assert filled(types, type=PURCHASE).numbers == (3.0,)
    for wrong in ({"fields": [field("net", "money")]}, {"roles": {"value": "price"}}):
        with pytest.raises(ValueError, match="the money of PURCHASE is its value"):
            types_of(declared(price, **of) | wrong)


def test_roles_set_what_the_fold_reads() -> None:
    fields = [field("genre", "text"), field("artist", "text"), field("skips", "number"), field("seconds", "number")]
    roles = {"item": "track", "category": "artist", "value": "seconds"}
    event = filled(
        types_of(declared(*fields, roles=roles)),
        category="old",
        value=1.0,
        properties={"artist": "Ada", "seconds": "30", "skips": "2", "genre": "pop"},
    )
    assert (event.category, event.value) == ("Ada", 30.0)


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (declared(roles={"category": "none"}), "category of event play must name one of its text fields"),
        (declared(field("a", "text"), roles={"value": "a"}), "value of event play must name one of its number fields"),
        (declared(field("a", "colour")), "of no known kind"),
        (declared(field("a", "text", **{"from": "somewhere"})), "not from 'somewhere'"),
        (declared(field("a", "text", **{"from": "properties."})), "not from 'properties.'"),
        (declared(field("a", "timestamp", unit="min")), "in no known unit"),
        (declared(field("a", "money"), field("b", "money")), "has 2 fields of money"),
        (declared(number=251), "numbers are from 1 to 250"),
        (declared(field("a", "text"), number=FORGET), "FORGET has no fields"),
    ],
)
def test_a_plan_that_is_none_is_refused(event: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        types_of(event)


def decoder(*events: dict[str, Any], events_format: str = "json") -> Decoder:
    plain = decoder_of(job_settings(events_format=events_format))
    return replace(plain, event_types=EventTypes.of(list(events), AS_GIVEN))


def record(**changed: Any) -> bytes:
    document = {"eventId": "e", "userId": "u1", "eventTimeMs": T0, "type": "play", "properties": {"seconds": 30.5}}
    return json.dumps(document | changed).encode()


def test_a_declared_type_is_decoded_and_is_not_unknown() -> None:
    decoding = decoder(declared(field("seconds", "number")))
    user_id, event = decoding.decode(b"u1", record(), T0, NOW)
    assert (user_id, event.type, event.numbers) == ("u1", PLAY, (30.5,))
    assert decoding.unknown_types.total == 0
    decoding.uncount(b"u1", record())
    decoding.decode(b"u1", record(type="stop"), T0, NOW)
    assert decoding.unknown_types.counts == {"stop": 1}
    decoding.uncount(b"u1", record(type="stop"))
    assert decoding.unknown_types.counts == {}


def test_json_and_protobuf_are_filled_alike() -> None:
    declaration = declared(field("seconds", "number"), field("offline", "bool"), field("tags", "strings"))
    sent = message(
        event_id="e", type=CUSTOM, name="play", properties={"seconds": "30.5", "offline": "true", "tags": '["a","b"]'}
    )
    from_protobuf = decoder(declaration, events_format="protobuf").decode(b"u1", sent.SerializeToString(), T0, NOW)
    as_json = record(properties={"seconds": 30.5, "offline": True, "tags": ["a", "b"]})
    assert decoder(declaration).decode(b"u1", as_json, T0, NOW) == from_protobuf


def test_an_explicit_null_is_absence() -> None:
    declaration = declared(field("seconds", "number", default=9))
    event = decoder(declaration).decode(b"u1", record(properties={"seconds": None}), T0, NOW)[1]
    assert event.numbers == (9.0,)


def test_what_is_declared_in_files_is_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "events.yaml").write_text("""
events:
  VIEW: {fields: {brand: {type: string}}}
  play:
    name: Song Played
    fields:
      track: {type: string, from: item_id}
      seconds: {type: number, min: 0, max: 86400}
      offline: {type: bool, default: true}
      released: {type: timestamp, unit: iso, zone: Europe/Berlin}
      genres: {type: strings, default: "pop,rock"}
      price: {type: money, from: value, currency: properties.unit}
    category: track
    value: seconds
  like: {}
features:
  plays: {count: play}
""")
    types = types_of(*plan_of(tmp_path)["events"], currencies=EURO)
    properties = {"seconds": "7", "released": "2026-01-01 01:00:00", "unit": "USD"}
    event = filled(types, name="song_played", item_id="t1", value=8.0, properties=properties)
    assert (event.type, event.category, event.value, event.currency) == (11, "t1", 7.0, NUMBERS["EUR"])
    assert (event.numbers, event.texts) == ((7.0, 1.0, float(T0), 4.0), ("t1", "pop\x1frock"))
    assert filled(types, name="Like").type == 12
    assert filled(types, type=VIEW, properties={"brand": "acme"}).texts == ("acme",)


def test_the_templates_of_declarations_are_read() -> None:
    for template in ("media", "empty"):
        EventTypes.of(plan_of(Path(declarations.__file__).parent / "templates" / template)["events"], EURO)
    assert EventTypes.of(plan_of(None)["events"], EURO) is None


KINDS = st.sampled_from(["text", "number", "bool", "timestamp", "strings", "money"])
TEXTS = st.text(max_size=80) | st.sampled_from(["true", "[]", '["a"]', "1e3", "2026-01-01T00:00:00Z", "null", "-0"])


@given(kind=KINDS, unit=st.sampled_from(["s", "ms", "us", "ns", "iso"]), required=st.booleans(), text=TEXTS)
def test_any_text_is_a_bounded_value_or_a_typed_error(kind: str, unit: str, required: bool, text: str) -> None:
    try:
        found = one(field("f", kind, unit=unit, required=required), text)
    except InvalidEventError as refused:
        assert refused.reason in {Reason.MISSING_FIELD, Reason.INVALID_VALUE}
        return
    if isinstance(found, str):
        assert len(found.encode()) <= FIELD_BYTES_MAX
        assert found or not required
    else:
        assert abs(found) <= TIME_MS_MAX
        assert math.copysign(1.0, found) == 1.0 or found < 0.0


@given(number=st.floats(-VALUE_MAX, VALUE_MAX))
def test_a_number_survives_its_shortest_form(number: float) -> None:
    assert one(field("f", "number"), repr(number)) == number


@given(parts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), max_size=5), max_size=8))
def test_a_list_of_strings_is_its_elements(parts: list[str]) -> None:
    kept = [part.strip() for part in parts if part.strip()]
    assert one(field("f", "strings"), json.dumps(parts)) == "\x1f".join(kept)
