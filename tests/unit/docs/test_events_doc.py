"""docs/events.md lists the words that are known, all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from driftline.jsonlines import format_event, parse_event
from driftline.mapping.device_clock import DeviceClock
from driftline.mapping.keys import KINDS
from driftline.mapping.spec import Mapping
from driftline.words import CHANNEL_SPELLINGS, TYPE_SPELLINGS
from udfs.decode import validate
from udfs.event import PURCHASE
from udfs.refused import EVENT_PLACEHOLDERS, USER_PLACEHOLDERS
from udfs.rejects import InvalidEventError

DOC = Path(__file__).parents[3] / "docs" / "events.md"


def test_the_words_are_those_of_the_code() -> None:
    rows = dict(line.strip("|").split("|")[:2] for line in DOC.read_text().splitlines() if line.startswith("| "))
    documented = {name.strip(): words.strip() for name, words in rows.items()}
    for name, words in (TYPE_SPELLINGS | CHANNEL_SPELLINGS).items():
        assert documented[name] == (", ".join(words) or "its own name only")


def test_the_sample_is_a_complete_event() -> None:
    (sample,) = re.findall(r"^```json\n(.+)\n```$", DOC.read_text(), re.MULTILINE)
    message = parse_event(sample.encode())
    assert format_event(message) == sample
    assert validate(message).type == PURCHASE


def test_the_mapping_that_it_shows_is_one() -> None:
    whole, cases, clock = re.findall(r"^```toml\n(.+?)^```$", DOC.read_text(), re.MULTILINE | re.DOTALL)
    given = tomllib.loads(whole)
    assert Mapping.of(given | tomllib.loads(cases)).cases["track"].columns["type"] == "event"
    assert set(KINDS) - {*given, "when", "by"} == {"root"}
    assert Mapping.of(given | tomllib.loads(clock)).clock() == DeviceClock(
        "originalTimestamp", "sentAt", "receivedAt", 60_000
    )


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ('{"userId":"u","type":"VIEW","eventTimeMs":1}', "event_id"),
        ('{"eventId":"e","type":"VIEW","eventTimeMs":1}', "user_id"),
        ('{"eventId":"e","userId":"u","eventTimeMs":1}', "type"),
        ('{"eventId":"e","userId":"u","type":"VIEW"}', "event_time_ms"),
        ('{"eventId":"e","userId":"u","type":"CUSTOM","eventTimeMs":1}', "name"),
        ('{"eventId":"e","userId":"u","type":"SURVEY_RESPONSE","eventTimeMs":1}', "value"),
    ],
)
def test_what_it_calls_required_is(line: str, missing: str) -> None:
    with pytest.raises(InvalidEventError, match=f"^{missing} is missing"):
        validate(parse_event(line.encode()))


def test_the_ids_that_are_refused_are_those_of_the_code() -> None:
    section = DOC.read_text().partition("## Ids that stand for nobody")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    documented = {
        of: {word for row in rows if of in row[1] for word in re.findall(r"`([^`]+)`", row[0])}
        for of in ("users", "events")
    }
    assert documented == {"users": USER_PLACEHOLDERS, "events": EVENT_PLACEHOLDERS}
    assert all(len(row[2].split()) > 3 for row in rows)
