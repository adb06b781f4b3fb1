"""Files of public formats through the mappings of docs/mappings, against a count of the cells themselves."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.mapping.spec import Mapping
from history.reading import EventReader, keyed
from tests import sample_counts
from tests.unit.test_reading import published

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "docs" / "mappings"


def samples() -> list[tuple[str, Path]]:
    """The samples here, and the real files where SAMPLE_FILES names the folder that they are in."""
    found = [(path.stem, path) for path in sorted((ROOT / "tests" / "samples").iterdir()) if path.suffix != ".md"]
    folder = os.environ.get("SAMPLE_FILES")
    return found + [(path.parent.name, path) for path in sorted(Path(folder).glob("*/*"))] if folder else found


def read_all(reader: EventReader) -> list[UserEvent]:
    """The events, also none at all, which is an error to the reader."""
    events = []
    try:
        events += [event for event, _ in reader]
    except InputError:
        assert not reader.good
    return events


@pytest.mark.parametrize(("name", "file"), samples())
def test_a_public_format_reads_as_its_cells_say(name: str, file: Path) -> None:
    facts = sample_counts.facts_of(name, sample_counts.rows_of(file))
    reader = EventReader([file], mapping=Mapping.load(MAPPINGS / f"{name}.toml"), check=keyed, skip_bad=True)
    events = read_all(reader)
    good = [fact for fact in facts if fact and fact.user and fact.time_ms]
    assert [
        (e.user_id, UserEvent.Type.Name(e.type), e.event_time_ms, Decimal(str(e.value)).normalize()) for e in events
    ] == [(fact.user, fact.kind, fact.time_ms, fact.value.normalize()) for fact in good]
    assert (reader.left_out, reader.bad) == (facts.count(None), len(facts) - facts.count(None) - len(good))
    ids = {(fact.id, event.event_id) for fact, event in zip(good, events, strict=True)}
    assert len(ids) == len({one for one, _ in ids}) == len({other for _, other in ids})


def test_every_mapping_has_a_sample() -> None:
    assert (
        {path.stem for path in MAPPINGS.glob("*.toml")} == {name for name, _ in samples()} == set(sample_counts.FACTS)
    )


def test_a_repeated_row_is_a_duplicate_and_every_other_row_is_not() -> None:
    file = ROOT / "tests" / "samples" / "rees46.csv"
    ids = Counter(e.event_id for e, _ in EventReader([file], mapping=Mapping.load(MAPPINGS / "rees46.toml")))
    assert sorted(ids.values()) == [1, 1, 1, 1, 2]


@pytest.fixture
def mapped(tmp_path: Path) -> Callable[[str, bytes], list[UserEvent]]:
    def read(toml: str, data: bytes) -> list[UserEvent]:
        (tmp_path / "m.toml").write_text(toml)
        (tmp_path / "f.csv").write_bytes(data)
        reader = EventReader([tmp_path / "f.csv"], mapping=Mapping.load(tmp_path / "m.toml"), check=keyed)
        published(reader)
        return [event for event, _ in reader]

    return read


BASE = '[columns]\nuserId = "u"\ntype = "t"\neventTimeMs = "at"\n'
DATA = b"u,t,at\nu1,view,1569888000\n"
JSON = """
events = "list"
properties = ["page"]
[columns]
userId = "who.u"
type = "t"
eventTimeMs = "at"
value = ["n", "p"]
"""


@pytest.mark.parametrize(
    ("unit", "cell", "time_ms"),
    [
        ("s", "1569888000", 1_569_888_000_000),
        ("s", "1569888000.25", 1_569_888_000_250),
        ("ms", "1569888000000", 1_569_888_000_000),
        ("us", "1650950229000001", 1_650_950_229_000),
        ("ns", "1650950229000001999", 1_650_950_229_000),
        ("text", "2019-10-01T00:00:00Z", 1_569_888_000_000),
    ],
)
def test_times_are_converted_from_the_unit_that_is_named(
    mapped: Callable[[str, bytes], list[UserEvent]], unit: str, cell: str, time_ms: int
) -> None:
    (event,) = mapped(f'time_unit = "{unit}"\n' + BASE, f"u,t,at\nu1,view,{cell}\n".encode())
    assert event.event_time_ms == time_ms


@pytest.mark.parametrize(
    ("toml", "data", "reason"),
    [
        (BASE + 'itemId = "sku"\n', DATA, r"has no column 'sku', which the mapping names; it has: u, t, at"),
        (BASE, b"u,t,at,u\nu1,view,1,u2\n", "has the column 'u', which the mapping names, more than once"),
        (BASE + 'item = "u"\n', DATA, "unknown field in columns 'item'"),
        ("colums = {}\n" + BASE, DATA, "unknown key 'colums'"),
        ("time_unit = 's'\n[columns]\nuserId = 'u'\n", DATA, "must name type"),
        ("time_unit = 'minutes'\n" + BASE, DATA, "time_unit must be"),
        ("time_zone = 'Mars'\n" + BASE, DATA, "time_zone 'Mars' is not known"),
        ("columns = 7\n", DATA, "columns must be a dict"),
        (BASE + "[types]\nview = 7\n", DATA, "'view' in types must be an event type, or the name of one of your own"),
        ("nonsense", DATA, "is not TOML"),
        ("time_unit = 'text'\n" + BASE, DATA, "line 2: eventTimeMs must be a time like"),
        ("time_unit = 'text'\n" + BASE, b"u,t,at\nu,view,2019-10-01 00:00:00\n", "must be a time with its zone"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\nu1,view\n", "line 2: has 2 cells; the first line has 3"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\nu1,view,soon\n", "line 2: eventTimeMs must be a number of s"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\nu1,view,1e999\n", "line 2: eventTimeMs must be a number of s"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\n,view,1569888000\n", "line 2: has no userId"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\n\xe9,view,1569888000\n", "is not UTF-8"),
        ("whole_numbers = ['u']\n" + BASE, b"u,t,at\n1.5,view,1\n", "column 'u' must hold whole numbers"),
        (BASE + "value = ['u', 't']\n", b"u,t,at\n1.5,view,1\n", "value must be a number"),
        (BASE, b"u,t,at\n", "held no events"),
        ("[columns]\nuserId = 7\n", DATA, "userId in columns must be the name of a column, or a list of them"),
        ("[columns]\nuserId = []\n", DATA, "userId in columns must be the name of a column"),
        ("[columns]\nuserId = ['u', 7]\n", DATA, "userId in columns must be the name of a column"),
        ("properties = [7]\n" + BASE, DATA, "properties must be a list of columns"),
        (JSON, b'{"t":"view","at":1}\n', "line 1: has no userId"),
        (JSON, b'{"who":{"u":{}},"t":"view","at":1}\n', "line 1: column 'who.u' must hold one value, not a list or"),
        (JSON, b'{"who":{"u":1.5},"t":"view","at":1}\n', "userId must be a string or a whole number, not a number"),
        (JSON, b'{"who":{"u":1},"t":"view","at":[1]}\n', "column 'at' must hold one value"),
        (JSON, b'{"who":{"u":1},"t":"view","at":"soon"}\n', "eventTimeMs must be a number of ms"),
        (JSON, b'{"list":{}}\n', "line 1: list must be a list"),
        (JSON, b'{"list":[1]}\n', "line 1: holds in list what is not an object"),
        (JSON, b'{"list":[]}\n', "held no events"),
        (JSON, b"[[]]", "element 1: is not a JSON object but a list"),
        (JSON, b"{" * 100_000 + b"\n", "line 1: is not JSON"),
        (JSON, b'{"a":' + b"[" * 100_000 + b"}\n", "line 1: is not JSON that can be read: nested too deeply"),
    ],
)
def test_what_does_not_fit_is_named(
    mapped: Callable[[str, bytes], list[UserEvent]], toml: str, data: bytes, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        mapped(toml, data)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"who": {"u": 7}, "t": "view", "at": 5}, {"user_id": "7"}),
        ({"who.u": "a", "who": {"u": "b"}, "t": "view", "at": "5"}, {"user_id": "a"}),
        ({"who": {"u": "a"}, "list": [{"t": "view", "at": 5}]}, {"user_id": "a"}),
        ({"who": {"u": "a"}, "list": [{"who": {"u": "b"}, "t": "view", "at": 5.0}]}, {"user_id": "b"}),
        ({"who": {"u": 17850.0}, "t": "view", "at": 5, "n": "3", "p": 1.1}, {"user_id": "17850", "value": 3.3}),
        ({"who": {"u": "a"}, "t": "view", "at": 5, "n": None, "p": 1}, {}),
        (
            {"who": {"u": "a"}, "t": "view", "at": 5, "page": {"a": [True, None]}},
            {"properties": {"page": '{"a":[true,null]}'}},
        ),
        ({"who": {"u": "a"}, "t": "view", "at": 5, "page": False}, {"properties": {"page": "false"}}),
        ({"who": {"u": "a"}, "t": "view", "at": 5, "unread": {"x": "\ud800"}}, {}),
    ],
)
def test_json_is_read_by_its_keys(
    mapped: Callable[[str, bytes], list[UserEvent]], document: dict[str, Any], expected: dict[str, Any]
) -> None:
    (event,) = mapped(JSON, json.dumps(document, indent=1).encode())
    assert event.event_id.startswith("row-")
    wanted = UserEvent(event_id=event.event_id, type=UserEvent.VIEW, event_time_ms=5, **{"user_id": "a"} | expected)
    assert event == wanted


def test_a_repeated_json_event_is_a_duplicate_and_another_is_not(
    mapped: Callable[[str, bytes], list[UserEvent]],
) -> None:
    around = {
        "who": {"u": "a"},
        "list": [{"t": "view", "at": 5}, {"t": "view", "at": 5}, {"t": "view", "at": 5, "x": 1}],
    }
    other = {"who": {"u": "b"}, "list": [{"t": "view", "at": 5}]}
    ids = [event.event_id for event in mapped(JSON, json.dumps([around, other]).encode())]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_what_no_json_document_had_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(JSON)
    (tmp_path / "f").write_text('{"who":{"u":"a"},"t":"view","at":5,"n":1}')
    reader = EventReader([tmp_path / "f"], mapping=Mapping.load(tmp_path / "m.toml"))
    assert len(list(reader)) == 1
    assert reader.summary() == ["warning: no event had what the mapping names: p, page"]


UNITS = [
    ("", '{"t":"view","at":1767603600}', "seconds (2026-01-05) where time_unit is ms"),
    ("time_unit = 's'", '{"t":"view","at":1767603600000}', "milliseconds (2026-01-05) where time_unit is s"),
    ("time_unit = 'us'", '{"t":"view","at":1767603600000}', "milliseconds (2026-01-05) where time_unit is us"),
    ("time_unit = 'text'", '{"t":"view","at":"1970-01-21T10:00:00Z"}', ""),
    ("", '{"t":"view","at":1767603600000}', ""),
    ("", '{"t":"view","at":5}', ""),
    ("", '{"t":"forget","at":1767603600}', ""),
]


@pytest.mark.parametrize(("unit", "event", "looks"), UNITS)
def test_a_file_in_another_unit_than_the_mapping_says_is_warned_of(
    tmp_path: Path, unit: str, event: str, looks: str
) -> None:
    (tmp_path / "m.toml").write_text(unit + "\n[columns]\nuserId = 'u'\ntype = 't'\neventTimeMs = 'at'\n")
    (tmp_path / "f").write_text((event.replace("{", '{"u":"u1",') + "\n") * 2)
    reader = EventReader([tmp_path / "f"], mapping=Mapping.load(tmp_path / "m.toml"))
    assert len(list(reader)) == 2
    said = f"warning: events with a time in another unit, which the job refuses: 2 (the first looks like {looks})"
    assert reader.summary() == ([said] if looks else [])


def test_a_file_without_a_mapping_is_in_milliseconds(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('{"eventId":"e","userId":"u1","type":"VIEW","eventTimeMs":1767603600000000}')
    reader = EventReader([tmp_path / "f"])
    assert len(list(reader)) == 1
    (line,) = reader.summary()
    assert line.endswith(": 1 (the first looks like microseconds (2026-01-05), and must be in milliseconds)")
