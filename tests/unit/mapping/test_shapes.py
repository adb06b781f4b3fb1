"""What a mapping can say beyond names of columns: the first of several, tables of words, cases, objects."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.mapping.messages import MessageMapper
from driftline.mapping.spec import Mapping
from history.reading import EventReader

BASE = '[columns]\nuserId = "u"\ntype = "t"\neventTimeMs = "at"\n'
EVENT = {"u": "u1", "t": "view", "at": 5}


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def of(toml: str) -> Mapping:
        (tmp_path / "m.toml").write_text(toml)
        return Mapping.load(tmp_path / "m.toml")

    return of


def read(mapping: Mapping, **changed: Any) -> UserEvent:
    return MessageMapper(mapping).event_in(EVENT | changed)


def fields(event: UserEvent) -> dict[str, Any]:
    """What an event has beside what each of them has."""
    found = {field.name: value for field, value in event.ListFields()}
    ordinary = ("event_id", "user_id", "type", "event_time_ms")
    return {name: value for name, value in found.items() if name not in ordinary}


@pytest.mark.parametrize(
    ("toml", "changed", "expected"),
    [
        ("itemId = {first = ['a', 'b']}", {"a": None, "b": 7}, {"item_id": "7"}),
        ("itemId = {first = ['a', 'b']}", {"a": " ", "b": 7}, {"item_id": "7"}),
        ("itemId = {first = ['a', 'b']}", {"a": 6, "b": 7}, {"item_id": "6"}),
        ("itemId = {first = ['a', 'b']}", {}, {}),
        ("value = {first = ['a', 'b']}", {"b": "1.5"}, {"value": 1.5}),
        ("itemId = ['a', 'b']", {"a": 6, "b": 7}, {"item_id": "6-7"}),
        ("itemId = ['a', 'b']", {"a": 6, "b": None}, {}),
        ("properties.shoe = 'a.b'", {"a": {"b": True}}, {"properties": {"shoe": "true"}}),
        ("'properties.shoe' = 'a'", {"a": ["x"]}, {"properties": {"shoe": '["x"]'}}),
        ("properties.both = ['a', 'b']", {"a": 1, "b": 2}, {"properties": {"both": "1-2"}}),
        ("[constants]\nproperties.shop = 7", {}, {"properties": {"shop": "7"}}),
        ("category = 'a'\n[constants]\ncategory = 'none'", {"a": None}, {"category": "none"}),
        ("category = 'a'\n[constants]\ncategory = 'none'", {"a": "x"}, {"category": "x"}),
        ("category = 'a'\n[values.category]\n10 = 'shoes'", {"a": 10}, {"category": "shoes"}),
        ("category = 'a'\n[values.category]\n10 = 'shoes'", {"a": "11"}, {"category": "11"}),
        ("category = 'a'\n[values.category]\n10 = 'shoes'\n'*' = 'rest'", {"a": "11"}, {"category": "rest"}),
        ("category = 'a'\n[values.category]\n'*' = 'rest'", {"a": None}, {}),
        ("value = 'a'\n[values.value]\ngood = 1\nbad = -1", {"a": "bad"}, {"value": -1.0}),
        ("value = 'a'\n[values.value]\ngood = 1", {"a": "2.5"}, {"value": 2.5}),
        ("channel = 'a'\n[values.channel]\nweb_site = 'WEB'", {"a": "web_site"}, {"channel": UserEvent.WEB}),
        (
            "properties.size = 'a'\n[values.properties]\nsize = {1 = 'S', 2 = 'M'}",
            {"a": 2},
            {"properties": {"size": "M"}},
        ),
    ],
)
def test_a_field_may_be_made_in_many_ways(
    load: Any, toml: str, changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert fields(read(load(BASE + toml), **changed)) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"p": {"a": 1, "b": None, "c": {"d": [1, None]}, "e": ""}}, {"a": "1", "c": '{"d":[1,null]}'}),
        ({"p": '{"a": true}'}, {"a": "true"}),
        ({"p": {"a": 1}, "a": 2}, {"a": "2"}),
        ({"p": None}, {}),
    ],
)
def test_the_keys_of_an_object_become_properties(load: Any, changed: dict[str, Any], expected: dict[str, str]) -> None:
    event = read(load("properties_of = ['p']\nproperties = ['a']\n" + BASE), **changed)
    assert dict(event.properties) == expected


@pytest.mark.parametrize("wrong", [7, "x", [1], "[1]", True])
def test_what_is_no_object_is_named(load: Any, wrong: Any) -> None:
    with pytest.raises(ValueError, match="column 'p' must hold an object"):
        read(load("properties_of = ['p']\n" + BASE), p=wrong)


def test_a_column_of_csv_may_hold_an_object(load: Any, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text('u,t,at,p\nu1,view,5,"{""artist"":""Ada""}"\nu1,view,6,\n')
    events = [event for event, _ in EventReader([tmp_path / "f.csv"], mapping=load("properties_of = ['p']\n" + BASE))]
    assert [dict(event.properties) for event in events] == [{"artist": "Ada"}, {}]


@pytest.mark.parametrize("word", ["Song Played", "song_played", "SONG-PLAYED"])
def test_types_are_known_in_any_case(load: Any, word: str) -> None:
    assert read(load(BASE + "[types]\nsongPlayed = 'VIEW'"), t=word).type == UserEvent.VIEW


def test_words_of_types_that_differ_in_case_alone_stay_two(load: Any) -> None:
    mapping = load(BASE + "[types]\nA = 'VIEW'\na = 'CLICK'")
    assert [read(mapping, t=word).type for word in ("A", "a")] == [UserEvent.VIEW, UserEvent.CLICK]


CASES = """
by = "t"
properties_of = ["all"]
[columns]
userId = "u"
type = "t"
eventTimeMs = "at"
category = "c"
[constants]
channel = "WEB"
value = 1
[when.track]
time_unit = "s"
properties_of = ["more"]
[when.track.columns]
type = "event"
value = "price"
[when.page.constants]
category = "pages"
"""


def test_a_word_chooses_the_case_of_a_row(load: Any) -> None:
    mapping = load(CASES)
    track = read(mapping, t="track", event="Play", at=5, price=2.5, c="x", all={"a": 1}, more={"b": 2})
    assert (track.type_word, track.event_time_ms, track.value, track.category) == ("Play", 5_000, 2.5, "x")
    assert (track.channel, dict(track.properties)) == (UserEvent.WEB, {"a": "1", "b": "2"})
    page = read(mapping, t="page", c="x", price=2.5)
    assert (page.type, page.event_time_ms, page.value, page.category) == (UserEvent.VIEW, 5, 1.0, "pages")
    other = read(mapping, t="identify", event="Play", c="x")
    assert (other.type_word, other.value, other.category) == ("identify", 1.0, "x")


def test_a_case_without_its_column_has_what_the_constant_was(load: Any) -> None:
    assert not read(load(CASES), t="track", event="Play").HasField("value")  # its own column, which is empty


@pytest.mark.parametrize("value", [None, "", " "])
def test_an_empty_word_is_no_case(load: Any, value: Any) -> None:
    assert read(load(CASES), t=value, event="Play").type == UserEvent.TYPE_UNSPECIFIED


@pytest.mark.parametrize(
    ("document", "user"),
    [
        ({"payload": EVENT | {"u": "inside"}, "u": "around"}, "inside"),
        ({"payload": {"t": "view", "at": 5}, "u": "around"}, "around"),
        (EVENT, "u1"),
        (EVENT | {"payload": None}, "u1"),
    ],
)
def test_an_event_may_stand_below_a_root(load: Any, document: dict[str, Any], user: str) -> None:
    mapper = MessageMapper(load("root = 'payload'\n" + BASE))
    assert mapper.event_in(document).user_id == user


def test_rows_with_a_word_are_left_out(load: Any, tmp_path: Path) -> None:
    mapping = load(BASE + "[leave_out]\nt = ['ping', 7]".replace("7", "'7'"))
    (tmp_path / "f").write_text("".join(json.dumps(EVENT | {"t": word}) + "\n" for word in ("ping", 7, "view", None)))
    reader = EventReader([tmp_path / "f"], mapping=mapping)
    assert len(list(reader)) == 2
    assert reader.left_out == 2


def test_a_declared_type_is_not_unknown_to_a_reader(load: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("".join(json.dumps(EVENT | {"t": word}) + "\n" for word in ("Play", "stop")))
    reader = EventReader([tmp_path / "f"], mapping=load(BASE), declared=["play"])
    assert len(list(reader)) == 2
    assert reader.unknown_types.counts == {"stop": 1}


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("by = 't'\n" + BASE, "by and when belong together"),
        (BASE + "[when.a.columns]\nuserId = 'x'", "by and when belong together"),
        ("by = 't'\n" + BASE + "[when]\na = 7", "when.a: must be a table"),
        ("by = 't'\n" + BASE + "[when.a]\nby = 'x'", "when.a: unknown key 'by'"),
        ("by = 't'\n" + BASE + "[when.a]\ntime_unit = 'x'", "when.a: time_unit must be"),
        ("by = 't'\n" + BASE + "[when.a]\ntime_zone = 'x'", "time_zone 'x' is not known"),
        ("by = 't'\n" + BASE + "[when.a.columns]\nitem = 'x'", "when.a: unknown field in columns 'item'"),
        ("root = 'a'\nevents = 'b'\n" + BASE, "root and events exclude each other"),
        (BASE + "itemId = {last = ['a']}", "itemId in columns must be the name of a column"),
        (BASE + "itemId = {first = []}", "itemId in columns must be the name of a column"),
        (BASE + "properties = 7", "properties in columns, constants or values must be a table"),
        (BASE + "properties.x = 7", "properties.x in columns must be the name of a column"),
        (BASE + "[constants]\ncategory = 2026-01-01", "category in constants must be a text, a number"),
        (BASE + "[types]\na = ' '", "'a' in types must be an event type"),
        (BASE + "[values.item]\na = 'x'", "unknown field in values 'item'"),
        (BASE + "[values.type]\na = 'x'", "type in values is no table of words; use types"),
        (BASE + "[values.eventTimeMs]\na = 1", "eventTimeMs in values is no table of words; it is a time"),
        (BASE + "[values]\ncategory = 7", "category in values must be a table"),
        (BASE + "[values.category]\na = [1]", "category in values must be a table"),
        (BASE + "[leave_out]\na = 'x'", "'a' in leave_out must be a list of words"),
        ("properties_of = [1]\n" + BASE, "properties_of must be a list of columns"),
    ],
)
def test_a_mapping_that_is_none_says_what_is_wrong(load: Any, toml: str, named: str) -> None:
    with pytest.raises(InputError, match=re.escape(named)):
        load(toml)
