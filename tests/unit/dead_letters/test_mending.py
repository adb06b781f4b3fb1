"""What makes events of dead letters: bytes, a mapping, a function."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.dead_letters.mending import Mend, MendError, as_it_is, by_function, by_mapping
from driftline.errors import InputError, SettingError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.mapping.spec import Mapping
from tests.unit.dead_letters.builders import GOOD, letter

MAPPING = Mapping(
    columns={"userId": "who", "type": "what", "eventTimeMs": "when"},
    leave_out_where_empty=["who"],
    events="batch",
)


def function(tmp_path: Path, body: str) -> Mend:
    file = tmp_path / "mend.py"
    file.write_text(f"from driftline.event.v1.event_pb2 import UserEvent\n\ndef mend(letter):\n    {body}\n")
    return by_function(f"{file}:mend")


def test_bytes_stay_as_they_are() -> None:
    assert as_it_is(letter()) == [GOOD]
    with pytest.raises(MendError, match="tombstone"):
        as_it_is(letter(value=None))


def test_a_mapping_makes_events_of_json() -> None:
    value = b'{"batch":[{"who":"u1","what":"view","when":5},{"who":"u2","what":"cart","when":6},{"what":"view"}]}'
    events = by_mapping(MAPPING)(letter(value=value))
    assert [(one.user_id, one.type, one.event_time_ms) for one in events if isinstance(one, UserEvent)] == [
        ("u1", UserEvent.VIEW, 5),
        ("u2", UserEvent.ADD_TO_CART, 6),
    ]
    assert all(isinstance(one, UserEvent) and one.event_id.startswith("row-") for one in events)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (GOOD, "binary|not JSON"),
        (b"secret,cells\n1,2\n", "the value is not JSON"),
        (b'{"who":"secret"', "is not JSON"),
        (b'{"who":"secret","what":"view","when":"soon"}', "eventTimeMs must be a number of ms"),
        (b"\xff\xfe{", "UTF-16"),
        (None, "no value"),
    ],
)
def test_what_a_mapping_cannot_read_is_named_without_its_payload(value: bytes | None, why: str) -> None:
    with pytest.raises(MendError, match=why) as caught:
        by_mapping(MAPPING)(letter(value=value))
    assert "secret" not in str(caught.value)


def test_a_function_returns_an_event_or_bytes_or_nothing(tmp_path: Path) -> None:
    assert function(tmp_path, "return letter.value")(letter()) == [GOOD]
    assert function(tmp_path, "return UserEvent(user_id=letter.reason)")(letter()) == [
        UserEvent(user_id="KEY_MISMATCH")
    ]
    assert function(tmp_path, "return None")(letter()) == ()


def test_what_a_function_raises_is_named_by_kind_and_line_alone(tmp_path: Path) -> None:
    with pytest.raises(MendError) as caught:
        function(tmp_path, "raise KeyError(letter.key)")(letter(key=b"secret"))
    assert str(caught.value) == "mend raised KeyError in line 4 of mend.py"
    with pytest.raises(MendError, match="mend returned dict, not bytes, UserEvent or None"):
        function(tmp_path, "return {}")(letter())


@pytest.mark.parametrize("named", ["mend.py", "mend:mend", "mend.py:", ":mend", "mend.py:not-a-name"])
def test_a_function_is_named_by_file_and_name(named: str) -> None:
    with pytest.raises(SettingError, match=r"FILE\.py:FUNCTION"):
        by_function(named)


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        by_function(f"{tmp_path}/missing.py:mend")
    (tmp_path / "broken.py").write_text("import nothing_like_that\n")
    with pytest.raises(InputError, match="cannot be run: ModuleNotFoundError"):
        by_function(f"{tmp_path}/broken.py:mend")
    (tmp_path / "empty.py").write_text("mend = 1\n")
    with pytest.raises(InputError, match="has no function mend"):
        by_function(f"{tmp_path}/empty.py:mend")
