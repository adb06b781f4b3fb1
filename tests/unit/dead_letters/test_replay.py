"""What is sent of dead letters, and what becomes of those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from console.dead_letters.mending import Mend, Mended, as_it_is
from console.dead_letters.records import DeadLetter, Original, Selection
from console.dead_letters.replay import GONE, Outgoing, Replay, Report, paced, selected
from driftline.errors import InputError, ServiceUnavailable
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event, parse_event
from driftline.values.framing import ValuesFormat
from jobs.pipeline import decoder_of
from tests.builders import HOUR, NOW, T0, job_settings, message
from tests.schema_registry import answer, running
from tests.topic_values import AVRO_EVENT, SEGMENT_MAPPING, framed_avro, framed_protobuf, segment_call
from tests.unit.dead_letters.builders import GOOD, letter
from udfs.rejects import Reason


def run(
    *letters: DeadLetter,
    mend: Mend = as_it_is,
    original: Original | None = None,
    encoding: ValuesFormat = "protobuf",
    refusing: bytes = b"",
    **settings: Any,
) -> tuple[Report, list[Outgoing]]:
    sent: list[Outgoing] = []

    def send(event: Outgoing) -> None:
        if event.value == refusing:
            message = "the topic does not take it"
            raise InputError(message)
        sent.append(event)

    one = Replay(
        mend=mend,
        complete=lambda letter: letter.with_original(original),
        send=send,
        decoder=decoder_of(job_settings(events_format=encoding, **settings)),
        now_ms=lambda: NOW,
    )
    report = Report()
    for each in letters:
        one.take(each, report)
    assert report.matched == report.sent + report.skipped + report.failed
    return report, sent


def test_an_event_goes_out_under_its_user_s_key_with_a_mark() -> None:
    report, sent = run(letter(key=b"somebody else", offset=7))
    assert sent == [Outgoing("u1", GOOD, T0, [("driftline.replayed_from", b"events.dead-letter:0:7")])]
    assert (report.matched, report.sent, report.events, report.doubtful) == (1, 1, 1, {})


def test_the_timestamp_is_that_of_the_record_where_it_is_known() -> None:
    known = run(letter(), original=Original(b"u1", GOOD, T0 + 9))
    assert known[1][0].timestamp_ms == T0 + 9
    impossible = run(letter(), original=Original(b"u1", GOOD, T0 // 1_000))  # seconds: the job would see a skewed clock
    assert impossible[1][0].timestamp_ms == T0


def test_what_was_left_behind_is_read_or_gone() -> None:
    large = letter(Reason.TOO_LARGE, value=None)
    assert run(large)[0].failures[GONE].places == ["0:0"]
    assert run(large, original=Original(b"u1", GOOD, T0))[0].sent == 1


def test_events_are_written_in_the_topic_s_format() -> None:
    event = message("u1")
    as_event: Mend = lambda _: [event]  # noqa: E731
    assert parse_event(run(letter(), mend=as_event, encoding="json")[1][0].value) == event
    assert UserEvent.FromString(run(letter(), mend=as_event)[1][0].value) == event
    document = format_event(event).encode()
    assert run(letter(value=document), encoding="json")[1][0].value == document


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (b"\xff\xff", "is no UserEvent in protobuf"),
        (message("").SerializeToString(), "the event has no userId, which is the record's key"),
        (message("u1", event_time_ms=0).SerializeToString(), "the event has no eventTimeMs above 0"),
        (message("u1", event_id="").SerializeToString(), "MISSING_FIELD: event_id is missing"),
        (message("u1", value=1e13).SerializeToString(), "INVALID_VALUE: value must be within"),
        (None, "has no value"),
    ],
)
def test_what_is_no_event_is_named_and_not_sent(value: bytes | None, cause: str) -> None:
    report, sent = run(letter(Reason.UNDECODABLE, value=value, offset=3))
    assert not sent
    ((found, failure),) = report.failures.items()
    assert found.startswith(cause)
    assert (failure.count, failure.places) == (1, ["0:3"])


def test_json_that_is_no_event_says_why() -> None:
    (cause,) = run(letter(value=b'{"userId":'), encoding="json")[0].failures
    assert cause.startswith("is no UserEvent in json: is not JSON")


def test_what_is_framed_or_in_other_words_goes_out_as_it_came() -> None:
    event = message("u1")
    framed, call = framed_protobuf(event), segment_call(event)
    segment: dict[str, Any] = {"encoding": "json", "events_mapping": SEGMENT_MAPPING}
    assert run(letter(value=framed), events_framing="confluent")[1][0].value == framed
    report, (sent,) = run(letter(value=call), **segment)
    assert (sent.user_id, sent.value, sent.timestamp_ms, report.doubtful) == ("u1", call, T0, {})
    (cause,) = run(letter(value=b'{"type":"alias"}'), **segment)[0].failures
    assert cause == "is no UserEvent in json: the mapping leaves it out"
    (cause,) = run(letter(), mend=lambda _: [event], **segment)[0].failures
    assert cause.startswith("cannot be written: the values of the topic are framed, of Avro, or in words of a mapping")


def test_avro_is_read_by_its_schema_and_an_outage_ends_the_replay() -> None:
    value = framed_avro(message("u1"))
    with running() as registry:
        avro: dict[str, Any] = {"events_framing": "confluent", "schema_registry_url": registry.url}
        registry.answers["/schemas/ids/7"] = answer(AVRO_EVENT)
        registry.trouble = [(401, b"{}")]
        with pytest.raises(ServiceUnavailable, match="HTTP 401"):
            run(letter(value=value), encoding="avro", **avro)
        assert run(letter(value=value), encoding="avro", **avro)[1][0].value == value
        (cause,) = run(letter(value=framed_avro(message("u1"), 99)), encoding="avro", **avro)[0].failures
        assert cause == "is no UserEvent in avro: is of a schema that the registry does not have"


def test_causes_and_places_are_bounded() -> None:
    counter = iter(range(1_000))

    def mend(letter: DeadLetter) -> Sequence[Mended]:
        message = f"cause {next(counter)}"
        raise InputError(message)

    report, _ = run(*[letter(offset=number) for number in range(100)], mend=mend)
    assert len(report.failures) == 51
    assert report.failed == 100
    assert len(report.failures["(other causes)"].places) == 5


def test_nothing_and_several_events_of_one_dead_letter() -> None:
    assert run(letter(), mend=lambda _: ())[0].skipped == 1
    report, sent = run(letter(), mend=lambda _: [message("u1"), message("u2")])
    assert (report.sent, report.events) == (1, 2)
    assert [one.user_id for one in sent] == ["u1", "u2"]


def test_of_several_events_none_is_sent_if_one_is_none() -> None:
    report, sent = run(letter(), mend=lambda _: [message("u1"), b"\xff"])
    assert (report.failed, sent) == (1, [])


def test_what_the_topic_refuses_failed() -> None:
    report, _ = run(letter(), letter(value=message("u2").SerializeToString()), refusing=GOOD)
    assert (report.sent, report.failures["the topic does not take it"].count) == (1, 1)


def test_what_the_job_would_reject_again_is_sent_and_warned_of() -> None:
    ahead = message("u1", event_time_ms=T0 + HOUR).SerializeToString()
    refused = message("undefined").SerializeToString()
    report, sent = run(letter(value=ahead), original=Original(b"u1", ahead, T0))
    assert (len(sent), report.doubtful) == (1, {"CLOCK_SKEW": 1})
    assert run(letter(value=refused))[0].doubtful == {"REFUSED_ID": 1}


def test_the_first_are_selected_and_no_more_are_read() -> None:
    letters = iter([letter(Reason.LATE), *(letter(offset=number) for number in range(9))])
    found = selected(letters, Selection(reasons=frozenset({"KEY_MISMATCH"})), 2)
    assert [one.place.offset for one in found] == [0, 1]
    assert next(letters).place.offset == 2


def test_a_rate_is_kept() -> None:
    now_s = [0.0]

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    letters = [letter()] * 11
    assert len(list(paced(letters, 5.0, sleep=sleep, clock=lambda: now_s[0]))) == 11
    assert now_s[0] == pytest.approx(2.0)
    assert len(list(paced(letters, None, sleep=sleep, clock=lambda: now_s[0]))) == 11
    assert now_s[0] == pytest.approx(2.0)
