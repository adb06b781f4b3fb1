"""A device's clock is corrected by when an event was sent and received, where a mapping says so."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.errors import InputError
from driftline.mapping.device_clock import corrected_ms
from driftline.mapping.messages import MessageMapper
from driftline.mapping.spec import Mapping
from driftline.times import parse_time_ms
from driftline.units import DAY_MS, HOUR_MS, MINUTE_MS
from history.reading import EventReader
from tests.unit.test_mapping import MAPPINGS, ROOT

AT_MS = 1_767_603_600_000  # 2026-01-05T09:00:00Z
CLOCK = {"time": "at", "sent": "sent", "received": "got"}
GIVEN: dict[str, Any] = {"columns": {"userId": "u", "type": "t", "eventTimeMs": "at"}, "device_clock": CLOCK}
EVENT = {"eventId": "e", "u": "u1", "t": "view", "at": AT_MS}
times_ms = st.integers(1, 4_102_444_800_000)


def read_ms(given: Any = None, **changed: Any) -> int:
    return MessageMapper(Mapping.of(GIVEN | (given or {}))).event_in(EVENT | changed).event_time_ms


@pytest.mark.parametrize("ahead_ms", [0, 1, HOUR_MS, -HOUR_MS, 400 * DAY_MS, -AT_MS + HOUR_MS])
def test_a_clock_that_is_off_by_the_same_all_along_is_put_right(ahead_ms: int) -> None:
    device_ms = AT_MS + ahead_ms
    assert read_ms(at=device_ms, sent=device_ms + MINUTE_MS, got=AT_MS + MINUTE_MS) == AT_MS


@given(times_ms, st.integers(0, 30 * DAY_MS), times_ms)
def test_the_formula_is_that_of_collectors(device_ms: int, waited_ms: int, received_ms: int) -> None:
    sent_ms = device_ms + waited_ms
    assert corrected_ms(device_ms, sent_ms, received_ms, 0) == received_ms - (sent_ms - device_ms)


@given(times_ms, times_ms, times_ms, st.integers(0, HOUR_MS))
def test_nothing_is_dated_after_it_was_received_unless_the_clock_counts_as_right(
    device_ms: int, sent_ms: int, received_ms: int, tolerance_ms: int
) -> None:
    found = corrected_ms(device_ms, sent_ms, received_ms, tolerance_ms)
    if found is not None:
        assert found <= received_ms + tolerance_ms
        assert sent_ms >= device_ms
    else:
        assert sent_ms < device_ms


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"sent": AT_MS + HOUR_MS},
        {"got": AT_MS + HOUR_MS},
        {"sent": None, "got": AT_MS + HOUR_MS},
        {"sent": " ", "got": AT_MS + HOUR_MS},
        {"sent": AT_MS - 1, "got": AT_MS + HOUR_MS},  # the clock was set between
        {"sent": 0, "got": AT_MS + HOUR_MS},
        {"sent": AT_MS, "got": 0},
        {"sent": AT_MS, "got": -62_135_596_800_000},  # the zero time of Go
    ],
)
def test_where_the_three_do_not_go_together_the_time_is_as_the_columns_say(changed: dict[str, Any]) -> None:
    assert read_ms(**changed) == AT_MS


def test_the_columns_may_say_another_time_than_the_device() -> None:
    given = {"columns": {"userId": "u", "type": "t", "eventTimeMs": {"first": ["fixed", "at"]}}}
    assert read_ms(given, fixed=AT_MS - 7) == AT_MS - 7
    assert read_ms(given, fixed=AT_MS - 7, sent=AT_MS, got=AT_MS + 5) == AT_MS + 5


@pytest.mark.parametrize(("late_ms", "moved_ms"), [(0, 0), (1_000, 0), (1_001, 1_001), (-1_000, 0), (-1_001, -1_001)])
def test_a_clock_within_the_tolerance_is_right(late_ms: int, moved_ms: int) -> None:
    given = {"device_clock": CLOCK | {"tolerance_ms": 1_000}}
    assert read_ms(given, sent=AT_MS + HOUR_MS, got=AT_MS + HOUR_MS + late_ms) == AT_MS + moved_ms


def test_a_repeat_keeps_its_time_within_the_tolerance_and_not_by_the_bare_formula() -> None:
    attempts = [{"sent": AT_MS + 10, "got": AT_MS + 200}, {"sent": AT_MS + 9_000, "got": AT_MS + 9_450}]
    assert len({read_ms(**attempt) for attempt in attempts}) == 2
    given = {"device_clock": CLOCK | {"tolerance_ms": MINUTE_MS}}
    assert {read_ms(given, **attempt) for attempt in attempts} == {AT_MS}


@pytest.mark.parametrize(
    ("unit", "device", "sent", "received"),
    [
        ("s", 1_767_600_000, "1767600060", 1_767_603_660.5),
        ("us", 1_767_600_000_000_000, 1_767_600_060_000_000, 1_767_603_660_500_999),
        ("text", "2026-01-05 09:00:00", "2026-01-05T08:01:00Z", "2026-01-05T09:01:00.500999Z"),
    ],
)
def test_all_three_are_in_the_unit_and_zone_of_the_mapping(unit: str, device: Any, sent: Any, received: Any) -> None:
    given = {"time_unit": unit, "time_zone": "Europe/Berlin"}
    assert read_ms(given, at=device, sent=sent, got=received) == AT_MS + 500


def test_a_section_has_its_own_columns() -> None:
    given = {"by": "t", "when": {"view": {"device_clock": {"sent": "flushed"}}}}
    changed = {"sent": AT_MS, "flushed": AT_MS + 2, "got": AT_MS + 10}
    assert read_ms(given, **changed) == AT_MS + 8
    assert read_ms(given, t="click", **changed) == AT_MS + 10


def test_times_may_stand_around_a_list_of_events() -> None:
    mapper = MessageMapper(Mapping.of(GIVEN | {"events": "batch"}))
    document = {"batch": [EVENT], "sent": AT_MS + 1, "got": AT_MS + 3}
    assert mapper.event_in(document).event_time_ms == AT_MS + 2


def test_the_columns_of_a_file_are_needed(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(f"u,t,at,sent\nu1,view,{AT_MS},{AT_MS}\n")
    with pytest.raises(InputError, match="has no column 'got', which the mapping names"):
        list(EventReader([tmp_path / "f.csv"], mapping=Mapping.of(GIVEN)))
    (tmp_path / "f.csv").write_text(f"u,t,at,sent,got\nu1,view,{AT_MS},{AT_MS},{AT_MS + 9}\nu1,view,{AT_MS},,\n")
    events = [event for event, _ in EventReader([tmp_path / "f.csv"], mapping=Mapping.of(GIVEN))]
    assert [event.event_time_ms for event in events] == [AT_MS + 9, AT_MS]


@pytest.mark.parametrize("column", ["sent", "got"])
def test_what_is_no_time_is_named_without_its_text(column: str) -> None:
    name = {"sent": "sent", "got": "received"}[column]
    with pytest.raises(ValueError, match=f"{name} of device_clock must be a number of ms") as caught:
        read_ms(**{"sent": AT_MS, "got": AT_MS, column: "31337x"})
    assert "31337" not in str(caught.value)


@pytest.mark.parametrize(
    ("clock", "named"),
    [
        ({"time": "at"}, "device_clock must name sent, received"),
        (CLOCK | {"sent": 7}, "sent in device_clock must be the name of a column"),
        (CLOCK | {"received": ""}, "received in device_clock must be the name of a column"),
        (CLOCK | {"got": "x"}, "unknown key in device_clock 'got'; known are: received, sent, time, tolerance_ms"),
        (CLOCK | {"tolerance_ms": -1}, "tolerance_ms in device_clock must be a whole number"),
        (CLOCK | {"tolerance_ms": 0.5}, "tolerance_ms in device_clock must be a whole number"),
        (CLOCK | {"tolerance_ms": True}, "tolerance_ms in device_clock must be a whole number"),
        ("at", "device_clock must be a dict"),
    ],
)
def test_a_clock_that_is_none_says_what_is_wrong(clock: Any, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        Mapping.of(GIVEN | {"device_clock": clock})


def test_a_section_that_leaves_its_clock_unfinished_is_named() -> None:
    given = {key: value for key, value in GIVEN.items() if key != "device_clock"}
    with pytest.raises(ValueError, match=r"when\.x: device_clock must name sent, received"):
        Mapping.of(given | {"by": "t", "when": {"x": {"device_clock": {"time": "at"}}}})


def test_a_clock_travels_as_data() -> None:
    given = GIVEN | {"device_clock": CLOCK | {"tolerance_ms": 1_000}}
    mapping = Mapping.of(json.loads(json.dumps(given)))
    assert mapping == Mapping.of(given)
    assert mapping.names() == ["u", "t", "at", "sent", "got"]


def offered(name: str, tmp_path: Path) -> Mapping:
    """A mapping of docs/mappings with the correction that stands in it as a comment."""
    text = (MAPPINGS / f"{name}.toml").read_text()
    head, _, block = text.partition("# [device_clock]")
    lines = block.split("\n\n")[0].splitlines()
    (tmp_path / "m.toml").write_text(
        head
        + "[device_clock]\n"
        + "\n".join(line.removeprefix("# ") for line in lines[1:])
        + block[len("\n".join(lines)) :]
    )
    return Mapping.load(tmp_path / "m.toml")


def test_calls_of_segment_are_corrected_as_segment_does(tmp_path: Path) -> None:
    mapper = MessageMapper(offered("segment", tmp_path))
    call = json.loads((ROOT / "tests" / "samples" / "segment.json").read_text().splitlines()[1])
    timestamp = parse_time_ms(call["timestamp"])
    assert mapper.event_in(call).event_time_ms == timestamp  # a right clock
    # The phone is 2 h 13 min behind; it kept the call for 30 s. `timestamp` is what Segment would have computed.
    times = {
        "originalTimestamp": "2026-01-05T07:00:19.512Z",
        "sentAt": "2026-01-05T07:00:49.510Z",
        "receivedAt": "2026-01-05T09:13:53.785Z",
    }
    assert mapper.event_in(call | times).event_time_ms == parse_time_ms("2026-01-05T09:13:23.787Z")
    assert mapper.event_in(call | times | {"sentAt": None}).event_time_ms == timestamp


def test_events_of_snowplow_are_corrected_as_enrich_does(tmp_path: Path) -> None:
    mapping = offered("snowplow", tmp_path)
    head, *rows = (ROOT / "tests" / "samples" / "snowplow.csv").read_text().splitlines()
    derived_at, collector_at = (head.split(",").index(f"{name}_tstamp") for name in ("derived", "collector"))
    lines = [head + ",dvce_created_tstamp,dvce_sent_tstamp"]
    wanted = []
    for number, row in enumerate(rows):
        cells = row.split(",")
        waited_ms = parse(cells[collector_at]) - parse(cells[derived_at])
        off_ms = (number + 1) * HOUR_MS  # of this row's device
        created, sent = parse(cells[derived_at]) + off_ms, parse(cells[derived_at]) + off_ms + waited_ms
        lines.append(f"{row},{written(created)},{written(sent)}")
        if cells[head.split(",").index("domain_userid")]:
            wanted.append(parse(cells[derived_at]))
    (tmp_path / "f.csv").write_text("\n".join(lines) + "\n")
    reader = EventReader([tmp_path / "f.csv"], mapping=mapping)
    assert [event.event_time_ms for event, _ in reader] == wanted
    assert len(wanted) > 5


def parse(text: str) -> int:
    return parse_time_ms(text + "Z")


def written(time_ms: int) -> str:
    return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).replace(tzinfo=None))
