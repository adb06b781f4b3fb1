"""Placeholder ids and ids that an operator has listed are refused; a FORGET is carried out for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.errors import SettingError
from driftline.jsonlines import format_event
from driftline.state.v1.state_pb2 import ShardState
from history.reading import EventReader
from jobs.pipeline import decoder_of, refused_ids_of
from tests.builders import NOW, T0, block, fold_block, job_settings, message, processor, scores_of, timelines
from training.examples import read_history
from udfs.event import FORGET
from udfs.refused import EVENT_PLACEHOLDERS, USER_PLACEHOLDERS
from udfs.rejects import InvalidEventError, Reason


def refused(user_id: str = "u1", event_id: str = "e1", kind: int = 1, **settings: Any) -> str:
    """The field that a record is refused for; empty where it is an event."""
    decoder = decoder_of(job_settings(**settings))
    record = message(user_id, event_id=event_id, type=kind).SerializeToString()
    try:
        decoder.decode(user_id.encode(), record, T0, NOW)
    except InvalidEventError as error:
        assert error.reason is Reason.REFUSED_ID
        return str(error).split()[0]
    return ""


def cases(draw: st.DrawFn, word: str) -> str:
    """The word in a spelling that a producer may use."""
    cased = "".join(draw(st.sampled_from([char.lower(), char.upper()])) for char in word)
    around = draw(st.sampled_from(["", " ", '"', "'", "\n", '" ']))
    return around + cased + around[::-1]


@given(st.data())
def test_a_placeholder_is_refused_in_any_case_with_quotes_and_blanks(data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(sorted(USER_PLACEHOLDERS)))
    assert refused(user_id=data.draw(st.composite(cases)(word))) == "user_id"
    word = data.draw(st.sampled_from(sorted(EVENT_PLACEHOLDERS)))
    assert refused(event_id=data.draw(st.composite(cases)(word))) == "event_id"


@pytest.mark.parametrize("text", [" ", '""', "' '"])
def test_an_id_of_blanks_and_quotes_is_refused(text: str) -> None:
    assert refused(user_id=text) == "user_id"
    assert refused(event_id=text) == "event_id"


@pytest.mark.parametrize(
    "user_id",
    ["null-1", "u0", "00", "Nullman", "nan.smith", "guest42", "1", "-2", "00000000-0000-0000-0000-00000000000a"],
)
def test_an_id_that_only_resembles_one_is_an_id(user_id: str) -> None:
    assert refused(user_id=user_id) == ""
    assert refused(event_id=user_id) == ""


@pytest.mark.parametrize("event_id", ["0", "-1", "guest", "unknown"])
def test_what_may_name_an_event_of_a_user_does(event_id: str) -> None:
    assert refused(user_id=event_id) == "user_id"
    assert refused(event_id=event_id) == ""


def test_a_hot_id_is_put_beside_the_placeholders_or_in_their_place() -> None:
    both: dict[str, Any] = {"refused_ids": "@placeholders, Bot-7,crawler"}
    assert [refused(user_id, **both) for user_id in ("bot-7", "CRAWLER", "null", "u1")] == ["user_id"] * 3 + [""]
    alone: dict[str, Any] = {"refused_ids": "bot-7"}
    assert [refused(user_id, **alone) for user_id in ("bot-7", "null", " ")] == ["user_id", "", ""]
    assert refused(event_id="bot-7", **both) == ""


def test_empty_lists_refuse_nothing() -> None:
    off: dict[str, Any] = {"refused_ids": "", "refused_event_ids": ""}
    assert [refused(user_id=word, event_id=word, **off) for word in sorted(USER_PLACEHOLDERS)] == [""] * len(
        USER_PLACEHOLDERS
    )


def test_a_misspelt_list_is_an_error_and_an_id_that_begins_so_is_none() -> None:
    with pytest.raises(SettingError, match="@placeholders where it has @placeholder"):
        job_settings(refused_ids="@placeholder,bot")
    assert refused("@bot", refused_ids="@bot") == "user_id"


@given(st.sampled_from(sorted(USER_PLACEHOLDERS)), st.sampled_from(sorted(EVENT_PLACEHOLDERS)))
def test_a_forget_is_carried_out_whatever_the_ids(user_id: str, event_id: str) -> None:
    assert refused(user_id, event_id, FORGET) == ""


def test_what_a_placeholder_had_before_it_was_refused_can_be_erased() -> None:
    users, shard = timelines(), ShardState()
    before = fold_block(processor(refused_ids=""), block(message("null")), shard, users, NOW)
    assert scores_of(before)["null"] is not None
    records = block(message("null", 1), message("null", 2, type=FORGET), message("null", 3))
    after = fold_block(processor(), records, shard, users, NOW)
    assert scores_of(after) == {"null": None}
    assert (shard.accepted, shard.dead_letter) == (2, 2)


def test_a_reject_says_which_list_and_nothing_of_the_ids() -> None:
    decoder = decoder_of(job_settings(refused_ids="31337", refused_event_ids="31337"))
    for ids, setting in ((("31337", "e1"), "refused_ids"), (("u1", "31337"), "refused_event_ids")):
        record = message(ids[0], event_id=ids[1]).SerializeToString()
        with pytest.raises(InvalidEventError) as caught:
            decoder.decode(ids[0].encode(), record, T0, NOW)
        assert setting in str(caught.value)
        assert "1337" not in str(caught.value)


def test_the_cause_is_told_before_that_of_a_key_which_the_producer_made_of_nothing() -> None:
    decoder = decoder_of(job_settings())
    with pytest.raises(InvalidEventError) as caught:
        decoder.decode(None, message("undefined").SerializeToString(), T0, NOW)
    assert caught.value.reason is Reason.REFUSED_ID


HISTORY: list[dict[str, Any]] = [
    {"userId": "null", "eventId": "a"},
    {"userId": 0, "eventId": "b"},
    {"userId": "Null", "eventId": "c"},
    {"userId": "u1", "eventId": "undefined"},
    {"userId": "u1", "eventId": "d"},
    {"userId": "null", "eventId": "null", "type": "FORGET"},
]


def history(folder: Path) -> EventReader:
    file = folder / "history.jsonl"
    file.write_text("".join(json.dumps({"type": "VIEW", "eventTimeMs": T0} | fields) + "\n" for fields in HISTORY))
    return EventReader([file], refused=refused_ids_of(job_settings()))


def test_files_are_warned_of_by_id(tmp_path: Path) -> None:
    reader = history(tmp_path)
    assert len(list(reader)) == len(HISTORY)
    assert reader.summary() == [
        "warning: events that the job refuses for their userId (refused_ids): 3 ('0' 1, 'Null' 1, 'null' 1)",
        "warning: events that the job refuses for their eventId (refused_event_ids): 1 ('undefined' 1)",
    ]


def test_training_leaves_out_what_the_job_refuses(tmp_path: Path) -> None:
    users, left_out = read_history(history(tmp_path), decoder_of(job_settings()), NOW)
    assert left_out.counts == {"REFUSED_ID": 4}
    assert {user_id: len(events) for user_id, events in users.items()} == {"u1": 1, "null": 1}


@given(st.text(max_size=20), st.text(max_size=20))
def test_files_job_and_training_agree(user_id: str, event_id: str) -> None:
    sent = message(user_id, event_id=event_id)
    reader = EventReader([], refused=refused_ids_of(job_settings()))
    reader._count(sent)
    try:
        decoder_of(job_settings()).event_of(sent, T0, NOW)
        reason = ""
    except InvalidEventError as error:
        reason = error.reason.value
    if user_id and event_id:
        assert bool(reader.summary()) == (reason == "REFUSED_ID")
    assert format_event(sent)
