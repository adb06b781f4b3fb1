"""Values of a topic by a mapping are the events that a file of them holds."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import parse_event
from driftline.mapping.spec import Mapping, given_in
from driftline.values.reading import JsonValues
from history.documents import Document
from history.reading import EventReader
from history.rows import rows_of
from tests.unit.test_mapping import MAPPINGS, ROOT

SHAPES = ("segment", "cloudevents", "debezium", "flat-json")
SONG: dict[str, Any] = {
    "time_unit": "s",
    "columns": {"userId": "who", "type": "what", "eventTimeMs": "at", "value": ["n", "p"], "properties": {"k": "x.y"}},
}


def mapper(**changed: Any) -> JsonValues:
    return JsonValues(Mapping.of(SONG | changed), framed=False)


def event(document: dict[str, Any], **changed: Any) -> UserEvent:
    return mapper(**changed).event(json.dumps(document).encode())


def documents(name: str) -> list[bytes]:
    text, found = (ROOT / "tests" / "samples" / f"{name}.json").read_text(), []
    while text := text.strip():
        document, end = json.JSONDecoder().raw_decode(text)
        text = text[end:]
        found += document if isinstance(document, list) else [document]
    return [json.dumps(document).encode() for document in found]


@pytest.mark.parametrize("name", SHAPES)
def test_a_topic_and_a_file_hold_the_same_events(name: str, tmp_path: Path) -> None:
    mapping = Mapping.load(MAPPINGS / f"{name}.toml")
    from_topic = JsonValues(mapping, framed=False)
    found = 0
    for value in documents(name):
        (tmp_path / "one").write_bytes(value)
        reader = EventReader([tmp_path / "one"], mapping=mapping, skip_bad=True)
        try:
            (from_file,) = [event for event, _ in reader]
        except ValueError:
            pytest.fail("a document became several events")
        except InputError:
            assert (reader.bad, reader.left_out) in {(1, 0), (0, 1)}
            with pytest.raises(ValueError, match=r".") as caught:
                from_topic.event(value)
            assert (str(caught.value) == "the mapping leaves it out") == bool(reader.left_out)
            continue
        assert from_topic.event(value) == from_file
        found += 1
    assert found > 4


@pytest.mark.parametrize("name", SHAPES)
def test_a_mapping_travels_as_data(name: str) -> None:
    given = given_in(MAPPINGS / f"{name}.toml")
    assert Mapping.of(json.loads(json.dumps(given))) == Mapping.load(MAPPINGS / f"{name}.toml")


def test_an_event_without_an_id_has_one_of_its_content() -> None:
    document = {"who": 7, "what": "view", "at": 5}
    assert event(document).event_id == event(document).event_id
    assert event(document).event_id != event(document | {"x": 1}).event_id
    assert event(document).event_id.startswith("row-")


def test_a_word_that_is_no_type_is_kept_for_declared_types() -> None:
    found = event({"who": "u", "what": "Song Played", "at": 5})
    assert (found.type, found.name, found.type_word) == (UserEvent.CUSTOM, "Song Played", "Song Played")
    found = event({"who": "u", "what": "Song Played", "at": 5}, types={"song_played": "play"})
    assert (found.type, found.name, found.type_word) == (UserEvent.CUSTOM, "play", "play")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"[]", "is not a JSON object but a list"),
        (b"\xff", "is not UTF-8"),
        (b'{"x":' + b"[" * 100_000, "nested too deeply"),
        (b'{"list":[{},{}]}', "holds 2 events; a record is one"),
        (b'{"list":[]}', "holds 0 events; a record is one"),
        (b'{"list":[1]}', "holds in list what is not an object"),
        (b'{"who":"u","what":"view","at":5,"skip":"yes"}', "the mapping leaves it out"),
        (b'{"who":"u","what":"view","at":"31337x"}', "eventTimeMs must be a number of s"),
        (b'{"who":{"a":"31337"},"what":"view","at":1}', "column 'who' must hold one value"),
        (b'{"who":"\\ud800","what":"view","at":1}', "half of a surrogate pair"),
    ],
)
def test_what_is_no_event_says_why_and_nothing_of_it(value: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        mapper(events="list", leave_out={"skip": ["yes"]}).event(value)
    assert "31337" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["y", "a", "b"]), inner, max_size=3),
    max_leaves=6,
)


@given(document=st.dictionaries(st.sampled_from(["who", "what", "at", "n", "p", "x", "list"]), JSON))
def test_any_json_is_an_event_or_a_value_error(document: dict[str, Any]) -> None:
    for mapping in (mapper(), mapper(root="x"), mapper(events="list", properties_of=["x"], whole_numbers=["n"])):
        try:
            found = mapping.event(json.dumps(document).encode())
        except ValueError:
            continue
        assert found.event_id


@given(document=st.dictionaries(st.sampled_from(["who", "what", "at", "n", "p", "x"]), JSON | st.just("u1")))
def test_a_value_is_what_its_line_in_a_file_is(document: dict[str, Any]) -> None:
    mapping = Mapping.of(SONG | {"properties": ["x"], "properties_of": [], "types": {"u1": "song"}})
    line = json.dumps(document).encode()
    (row,) = rows_of(io.BufferedReader(io.BytesIO(line)), mapping, set())
    try:
        from_topic = JsonValues(mapping, framed=False).event(line)
    except ValueError as error:
        assert row is not None
        with pytest.raises(ValueError, match=re.escape(str(error))):
            parsed(row)
        return
    assert row is not None
    assert parsed(row) == from_topic


def parsed(row: Document | tuple[Document, ValueError]) -> UserEvent:
    """The event of a file's row, or the error that it is."""
    if isinstance(row, Document):
        return parse_event(row.data)
    raise row[1]
