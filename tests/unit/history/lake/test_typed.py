"""Typed columns say what a record says, or why it is no event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from driftline.limits import TIME_MS_MAX
from history.lake.layout import FIELD_PREFIX, TYPED, folder_of, schema_of
from history.lake.typed import HEAL_ORDER, Record, Typer, declared_kinds, filed_ms
from jobs.pipeline import decoder_of
from jobs.plans import plan_for
from tests.builders import DAY, HOUR, NOW, T0, job_settings, message
from udfs.event import CUSTOM, FORGET, PURCHASE
from udfs.heal_orders import MARK
from udfs.rejects import InvalidEventError

DECODER = decoder_of(job_settings())
PLAIN = Typer(DECODER)
DECLARED = """
project: {name: tunes}
events:
  listen:
    fields:
      seconds: {type: number}
      genre: {type: string}
      tags: {type: strings}
      extra: {type: number}
  skip:
    fields:
      extra: {type: string}
  PURCHASE:
    fields:
      coupon: {type: string}
features: {views: {count: VIEW}}
"""


@pytest.fixture
def typer(tmp_path: Path) -> Typer:
    (tmp_path / "tunes").mkdir()
    (tmp_path / "tunes" / "tunes.yaml").write_text(DECLARED)
    settings = job_settings(declarations=tmp_path / "tunes")
    return Typer(decoder_of(settings), plan_for(settings).data["events"])


def typed(typer: Typer, sent: UserEvent, **record: Any) -> dict[str, Any]:
    """What is not null in the row of an event's record."""
    given: dict[str, Any] = {
        "key": sent.user_id.encode(),
        "payload": sent.SerializeToString(),
        "record_time_ms": sent.event_time_ms,
        "now_ms": NOW,
    }
    row = typer.row(**(given | record))
    return {name: value for name, value in zip(typer.names, row, strict=True) if value is not None}


def test_an_event_is_its_fields_as_they_were_sent() -> None:
    sent = message(
        type=PURCHASE,
        item_id="sku-1",
        category="schuhe 👟",
        value=-9.5,
        currency="EUR",
        channel=UserEvent.WEB,
        name="kauf",
        properties={"größe": "42", "leer": ""},
    )
    assert typed(PLAIN, sent) == {
        "user_id": "u1",
        "event_id": "at-0",
        "type": "PURCHASE",
        "event_time_ms": T0,
        "item_id": "sku-1",
        "category": "schuhe 👟",
        "value": -9.5,
        "currency": "EUR",
        "channel": "WEB",
        "name": "kauf",
        "properties": {"größe": "42", "leer": ""},
    }


def test_what_an_event_lacks_is_null() -> None:
    assert typed(PLAIN, message()).keys() == {"user_id", "event_id", "type", "event_time_ms"}
    assert typed(PLAIN, message(value=0.0))["value"] == 0.0  # it was sent
    assert PLAIN.names == TYPED.names


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"payload": None}, "UNDECODABLE"),
        ({"payload": b"\xff\xff"}, "UNDECODABLE"),
        ({"payload": b"x" * 300_000}, "TOO_LARGE"),
        ({"key": None}, "KEY_MISMATCH"),
        ({"key": b"u2"}, "KEY_MISMATCH"),
        ({"record_time_ms": T0 - HOUR}, "CLOCK_SKEW"),
        ({"payload": message(user_id="null").SerializeToString(), "key": b"null"}, "REFUSED_ID"),
        ({"payload": MARK + b"anything"}, HEAL_ORDER),
    ],
)
def test_a_record_that_is_no_event_says_why_and_nothing_else(record: dict[str, Any], reason: str) -> None:
    assert typed(PLAIN, message(), **record) == {"reason": reason}


def test_an_unknown_type_is_custom() -> None:
    assert typed(PLAIN, message(type=77))["type"] == "CUSTOM"
    assert typed(PLAIN, message(type=CUSTOM, name="x", channel=77)) == typed(PLAIN, message(type=CUSTOM, name="x"))


def test_an_order_to_erase_is_filed_by_the_time_as_of_which_it_is_obeyed() -> None:
    sent = message(type=FORGET, event_time_ms=5)
    assert typed(PLAIN, sent, record_time_ms=T0)["event_time_ms"] == T0


def test_declared_fields_have_columns_of_their_own(typer: Typer) -> None:
    assert typer.declared == {
        "seconds": "number",
        "genre": "text",
        "tags": "text",
        "extra": "text",  # a number in one type and a text in another
        "coupon": "text",
    }
    properties = {"seconds": "12.5", "genre": "jazz", "tags": "a,b", "extra": "3"}
    found = typed(typer, message(type=CUSTOM, name="Listen", properties=properties))
    assert found["type"] == "listen"
    assert {name: value for name, value in found.items() if name.startswith(FIELD_PREFIX)} == {
        "field_seconds": 12.5,
        "field_genre": "jazz",
        "field_tags": "a,b",
        "field_extra": "3.0",
    }
    assert typed(typer, message(type=PURCHASE, value=1, properties={"coupon": "c"}))["field_coupon"] == "c"
    assert not [name for name in typed(typer, message()) if name.startswith(FIELD_PREFIX)]
    assert typed(typer, message(type=CUSTOM, name="listen", properties={"seconds": "x"})) == {"reason": "INVALID_VALUE"}


def test_a_plan_without_declared_fields_adds_no_columns() -> None:
    assert declared_kinds(plan_for(job_settings()).data["events"]) == {}


def test_records_become_a_table_of_the_layout(typer: Typer) -> None:
    sent = message(type=PURCHASE, value=2, properties={"a": "b", "coupon": "c"})
    records = [
        Record(3, 7, T0 + 5, b"u1", sent.SerializeToString(), {"trace": b"\x00\xff", "none": None}),
        Record(3, 8, T0 + 6, None, None, {}),
    ]
    table = typer.table(records, NOW)
    assert table.schema.equals(schema_of(typer.declared))
    assert table.num_rows == 2
    first, second = table.to_pylist()
    assert first["headers"] == [("trace", b"\x00\xff"), ("none", None)]
    assert first["properties"] == [("a", "b"), ("coupon", "c")]
    assert (first["partition"], first["offset"], first["record_time_ms"]) == (3, 7, T0 + 5)
    assert (first["key"], first["payload"], first["field_coupon"]) == (b"u1", sent.SerializeToString(), "c")
    assert (second["payload"], second["headers"], second["reason"]) == (None, [], "UNDECODABLE")


def test_a_record_is_filed_by_its_event_s_time_or_else_by_its_own() -> None:
    assert filed_ms(T0, T0 + DAY) == T0
    assert filed_ms(None, T0 + DAY) == T0 + DAY
    assert folder_of(filed_ms(None, T0 + HOUR)) == "event_date=2026-01-01/event_hour=01"
    assert folder_of(filed_ms(None, -1)) == "event_date=1970-01-01/event_hour=00"
    assert folder_of(filed_ms(None, 1 << 62)) == folder_of(TIME_MS_MAX)


@given(st.lists(st.tuples(st.none() | st.binary(max_size=6), st.none() | st.binary(max_size=40)), max_size=8))
def test_any_record_has_a_row_and_a_reason_or_an_event(records: list[tuple[bytes | None, bytes | None]]) -> None:
    keys, payloads = [key for key, _ in records], [payload for _, payload in records]
    columns = PLAIN.columns(keys, payloads, [T0] * len(records), NOW)
    assert list(columns) == PLAIN.names
    assert {len(column) for column in columns.values()} <= {len(records)}
    for (key, payload), reason, user_id in zip(records, columns["reason"], columns["user_id"], strict=True):
        try:
            found, _ = DECODER.decode(key, payload, T0, NOW)
        except InvalidEventError as error:
            assert (reason, user_id) == (error.reason.value, None)
        else:
            assert (reason, user_id) == (None, found)
