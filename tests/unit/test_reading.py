"""One reader of files: the same events whatever they are written in, and plain words for what cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from console.publishing import EventPublisher, publish_events
from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event
from driftline.mapping.spec import Mapping
from driftline.settings import Format
from history.documents import text_of
from history.json_documents import documents_of
from history.reading import EventReader, keyed

Record = tuple[str, bytes, int]


class Sink:
    """Takes what is published."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    @property
    def published(self) -> int:
        return len(self.records)

    def send(self, user_id: str, value: bytes, timestamp_ms: int) -> None:
        self.records.append((user_id, value, timestamp_ms))


def published(reader: EventReader, encoding: Format = "protobuf") -> list[Record]:
    sink = Sink()
    publish_events(cast("EventPublisher", sink), reader, encoding)
    return sink.records


def line(user: str = "u1", time_ms: int = 5, event_id: str = "e1") -> bytes:
    return f'{{"eventId":"{event_id}","userId":"{user}","type":"VIEW","eventTimeMs":"{time_ms}"}}\n'.encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events"


def written(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).map(str.strip).filter(bool)
EVENTS = st.lists(
    st.builds(
        UserEvent,
        event_id=TEXT,
        user_id=TEXT,
        type=st.sampled_from([1, 2, 3, 4, 7, 10]),
        event_time_ms=st.integers(1, 2**48),
        item_id=TEXT,
        category=st.just("") | TEXT,
        value=st.none() | st.floats(-1e6, 1e6).map(lambda value: round(value, 2)),
        properties=st.dictionaries(st.sampled_from(["coupon", 'a "b"', "]"]), TEXT, max_size=2),
    ),
    min_size=1,
    max_size=5,
)
COLUMNS = ("eventId", "userId", "type", "eventTimeMs", "itemId", "category", "value")
PROPERTIES = ("coupon", 'a "b"', "]")
PLAIN_MAPPING = Mapping(columns={name: name for name in COLUMNS}, properties=list(PROPERTIES))


def as_csv(events: Sequence[UserEvent]) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow([*COLUMNS, *PROPERTIES])
    for event in events:
        document = json.loads(format_event(event))
        rows.writerow([document.get(name, "") for name in COLUMNS] + [event.properties.get(p, "") for p in PROPERTIES])
    return text.getvalue().encode()


@given(
    events=EVENTS,
    layout=st.sampled_from(["lines", "objects", "array", "pretty", "one line", "csv"]),
    crlf=st.booleans(),
    bom=st.booleans(),
    blanks=st.booleans(),
    packed=st.sampled_from(["no", "gzip", "members", "zstd"]),
    escaped=st.booleans(),
)
def test_the_same_events_publish_the_same_records_whatever_they_are_written_in(  # noqa: PLR0917
    tmp_path_factory: pytest.TempPathFactory,
    events: list[UserEvent],
    layout: str,
    crlf: bool,
    bom: bool,
    blanks: bool,
    packed: str,
    escaped: bool,
) -> None:
    documents = [json.loads(format_event(event)) for event in events]
    end = "\r\n" if crlf else "\n"
    if layout == "csv":
        data = as_csv(events)
    elif layout == "lines":
        data = "".join(json.dumps(d, ensure_ascii=escaped) + end * (1 + blanks) for d in documents).encode()
    elif layout == "objects":
        data = "".join(json.dumps(d, ensure_ascii=escaped, indent=2) + "\n" * (1 + blanks) for d in documents).encode()
        data = data.replace(b"\n", end.encode())
    else:
        data = json.dumps(documents, indent=2 if layout == "pretty" else None, ensure_ascii=escaped).encode()
        data = (
            (end.encode() * blanks + data.replace(b"\n", end.encode()) + end.encode()) if layout != "one line" else data
        )
    data = b"\xef\xbb\xbf" * bom + data
    if packed == "gzip":
        data = gzip.compress(data)
    elif packed == "members":
        half = len(data) // 2
        data = gzip.compress(data[:half]) + gzip.compress(data[half:])
    elif packed == "zstd":
        data = zstandard.compress(data)
    file = written(tmp_path_factory.mktemp("any") / "events", data)
    reader = EventReader([file], mapping=PLAIN_MAPPING if layout == "csv" else None, check=keyed)
    assert published(reader) == [(e.user_id, e.SerializeToString(), e.event_time_ms) for e in events]


@given(EVENTS, st.integers(1, 7))
def test_an_array_is_cut_alike_wherever_the_pieces_end(events: list[UserEvent], size: int) -> None:
    class Dripping(io.BytesIO):
        def read1(self, _: int | None = -1) -> bytes:
            return super().read1(size)

    documents = [json.loads(format_event(event)) for event in events]
    text = text_of(cast("Any", Dripping(json.dumps(documents).encode() + b"\n" + line())))
    assert [json.loads(document.data) for document in documents_of(text)] == [*documents, json.loads(line())]


@given(EVENTS, st.data())
def test_a_line_that_was_cut_off_costs_no_other(
    tmp_path_factory: pytest.TempPathFactory, events: list[UserEvent], data: st.DataObject
) -> None:
    lines = [format_event(event) + "\n" for event in events]
    at = data.draw(st.integers(0, len(lines)))
    whole = format_event(data.draw(EVENTS)[0])
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    text = "".join([*lines[:at], cut + "\n", *lines[at:]])
    reader = EventReader([written(tmp_path_factory.mktemp("cut") / "events", text.encode())], skip_bad=True)
    assert [event for event, _ in reader] == events
    assert reader.bad == 1


def test_many_objects_that_never_end_are_as_many_bad_lines(file: Path) -> None:
    reader = EventReader([written(file, b'{"a": [\n' * 20_000 + b' "x",\n' * 20_000 + line())], skip_bad=True)
    assert len(list(reader)) == 1
    assert reader.bad == 40_000


def test_an_array_a_line_is_read_however_many_there_are(file: Path) -> None:
    arrays = b"".join(b"[" + line(event_id=f"{n}").strip() + b"]\n" for n in range(3_000))
    assert len(list(EventReader([written(file, arrays + line())]))) == 3_001


def test_lines_for_a_json_topic_keep_their_bytes(file: Path) -> None:
    odd = b' {"user_id": "u", "eventTimeMs": 5, "extra": [1]} '
    assert published(EventReader([written(file, odd + b"\r\n")]), "json") == [("u", odd, 5)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "line 3: is not JSON"),
        (b'{"eventTimeMs":"5"}', "line 3: has no userId"),
        (b'{"userId":"u"}', "line 3: has no eventTimeMs"),
        (b'{"userId":"u","eventTimeMs":-1}', "line 3: has no eventTimeMs above 0"),
        (b'"' + b"x" * 16_000_000, "line 3: is longer than 15,728,640 bytes"),
    ],
)
def test_the_first_bad_line_stops_and_is_named(file: Path, bad: bytes, reason: str) -> None:
    written(file, line() + line() + bad + b"\n" + line())
    with pytest.raises(InputError) as caught:
        published(EventReader([file], check=keyed))
    assert f"{file}, {reason}" in str(caught.value)
    assert "Published were the 2 events before it" in str(caught.value)
    lenient = EventReader([file], check=keyed, skip_bad=True)
    assert len(published(lenient)) == 3
    assert (lenient.good, lenient.bad) == (3, 1)
    [said] = lenient.summary()
    assert said.startswith(f"lines left out because they are no events: 1 (first: {reason}")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (line().decode().encode("utf-16"), "is UTF-16"),
        (line().decode().encode("utf-16-le"), "is UTF-16"),
        (line().decode().encode("utf-16-be"), "is UTF-16"),
        (gzip.compress(line().decode().encode("utf-16")), "is UTF-16"),
        (b"PK\x03\x04" + bytes(40), "is a zip archive"),
        (b"BZh9" + bytes(40), "is compressed with bzip2"),
        (b"PAR1" + bytes(40), "is Parquet"),
        (gzip.compress(gzip.compress(line())), "is compressed twice"),
        (gzip.compress(line())[:4] + b"\xff" * 20, "has damaged gzip data"),
        (gzip.compress(line())[:-6] + b"\0" * 6, "has damaged gzip data"),
        (b"[" + line().strip(), "ends in the middle of its JSON array"),
        (b"", "held no events"),
        (b"\n\n \r\n", "held no events"),
        (b"[]", "held no events"),
    ],
)
def test_what_cannot_be_read_is_said_plainly(file: Path, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        published(EventReader([written(file, data)], check=keyed))
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_file_that_was_cut_off_publishes_what_came_before_and_says_so(file: Path, pack: Any) -> None:
    packed = pack(b"".join(line(event_id=f"{number * 7919 % 10_007}") for number in range(5_000)))
    sink = Sink()
    with pytest.raises(
        InputError, match=r"(gzip|zstd) data: it was cut off. Published were the [\d,]+ events before it"
    ):
        publish_events(
            cast("EventPublisher", sink), EventReader([written(file, packed[: len(packed) * 2 // 3])]), "json"
        )
    assert 0 < len(sink.records) < 5_000


def test_a_run_in_which_no_line_was_good_is_a_failure(file: Path) -> None:
    with pytest.raises(InputError, match=r"nothing in .* was an event: 2 are no events \(first: line 1: "):
        published(EventReader([written(file, b"x\ny\n")], skip_bad=True))


def test_several_files_and_the_standard_input_are_read_in_order(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = written(tmp_path / "other", gzip.compress(line(event_id="b")))

    class Stdin:
        buffer = io.BytesIO(line(event_id="c"))

    monkeypatch.setattr(sys, "stdin", Stdin)
    reader = EventReader([written(file, line(event_id="a")), other, Path("-")])
    places = [(event.event_id, reader.place) for event, _ in reader]
    assert places == [("a", f"{file}, line 1"), ("b", f"{other}, line 1"), ("c", "the standard input, line 1")]


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        list(EventReader([file]))


def test_unknown_types_are_counted_by_name_with_the_nearest_that_is_known(file: Path) -> None:
    words = ["purchse", "purchse", "remove_from_cart", *(f"other-{number}" for number in range(200))]
    data = b"".join(line().replace(b"VIEW", word.encode()) for word in words)
    reader = EventReader([written(file, data)])
    assert len(list(reader)) == 203
    (warning,) = reader.summary()
    assert "folded as CUSTOM: 203" in warning
    assert "'purchse' 2 (near PURCHASE)" in warning
    assert len(reader.unknown_types.counts) == 101  # with the rest
    assert len(warning) < 400


def test_csv_without_a_mapping_is_told_of_mappings(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("user,type\nu,VIEW\n")
    for skip_bad in (False, True):
        with pytest.raises(
            InputError, match=r"is not JSON.*; for CSV, a mapping says which column is what: --mapping FILE"
        ):
            list(EventReader([file], skip_bad=skip_bad))
