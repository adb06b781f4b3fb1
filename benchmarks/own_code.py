"""Own code beside the library that would replace it: processor time in turns (decision 30).

    python3.11 -m venv /tmp/libraries
    /tmp/libraries/bin/pip install protobuf==5.29.6 msgspec structlog python-dateutil
    taskset -c 0 /tmp/libraries/bin/python -m benchmarks.own_code

The environment is one of its own: Driftline needs none of the last three. Reading and writing JSON is measured over
lines in the contract's form, and reading over lines as an SDK sends them, too. Of the ways to read, only the first and
the last refuse a key that is given twice.
"""

from __future__ import annotations

import json
import logging
import os
import random
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import Any

import msgspec
import structlog
from dateutil.parser import isoparse

from driftline.catalogue import FEATURE_SET
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import event_of, format_event, load_object, parse_event
from driftline.score_message import with_features
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.times import parse_time_ms
from serving import logs
from udfs import score_bytes
from udfs.plan.reading import Reading
from udfs.profile import LAST_MS, SESSION_EVENTS, SESSION_PURCHASES, SESSION_START_MS, Profile
from udfs.score_bytes import Scorable

LINES, ROUNDS = 2_000, 25
FIELDS: dict[str, Any] = {"client": "shop", "method": "ExplainScores", "code": "OK", "user": "0f3a"}
NAMES, SCORES = ["churn_risk", "engagement", "purchase_propensity"], [0.25, 0.5, 0.75]
SHARES = [("shoes", 0.5), ("hats", 0.3), ("books", 0.2)]
FEATURES, VERSION, NOW_MS = struct.pack("<40f", *range(40)), "20260101T000000-abc", 1_760_000_000_000
Text = str | int | float | None  # ids may be numbers

READING = Reading(FEATURES, [], SHARES, [], [])
_WRITER = score_bytes.ScoreWriter(FEATURE_SET, "", NAMES, {"a": VERSION}, 1, NOW_MS)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_TYPES = {number: name for name, number in UserEvent.Type.items()}
_CHANNELS = {number: name for name, number in UserEvent.Channel.items()}


_FORM: dict[str, Any] = {
    **dict.fromkeys(("event_id", "user_id", "item_id", "category", "currency", "name", "type_word"), Text),
    **{"type": str | int | None, "channel": str | int | None, "event_time_ms": Text, "value": str | float | None},
    "properties": dict[str, Any] | None,
}  # as far as types can say it
_fields = [(name, wanted, None) for name, wanted in _FORM.items()]
_form = msgspec.json.Decoder(msgspec.defstruct("Form", _fields, rename="camel"))


def read_by_form(line: bytes) -> UserEvent:
    """Msgspec for the form, then the rules; takes the last of a key that is given twice."""
    return event_of(msgspec.structs.asdict(_form.decode(line)))


def read_counted(line: bytes) -> UserEvent:
    """Msgspec where there is a colon for each key and no other, so that none is given twice; else as today."""
    try:
        document = _decode(line)
    except msgspec.DecodeError:
        return parse_event(line)
    if document.__class__ is dict and line.count(b":") == _keys(document):
        return event_of(document)
    return parse_event(line)


def _keys(document: dict[str, Any]) -> int:
    """How many keys there are; -1 where a list may hold more."""
    keys = len(document)
    for value in document.values():
        if value.__class__ is dict:
            keys += _keys(value)
        elif value.__class__ is list:
            return -1
    return keys


def write(event: UserEvent) -> str:
    """Msgspec for the text. Writes 1e-7 and 1e21 where Python writes 1e-07 and 1e+21, and null for NaN."""
    fields: dict[str, Any] = {"eventId": event.event_id, "userId": event.user_id}
    fields["type"] = _TYPES.get(event.type, event.type)
    fields["eventTimeMs"] = str(event.event_time_ms)
    if event.item_id:
        fields["itemId"] = event.item_id
    if event.category:
        fields["category"] = event.category
    if event.HasField("value"):
        fields["value"] = event.value
    if event.currency:
        fields["currency"] = event.currency
    if event.channel:
        fields["channel"] = _CHANNELS.get(event.channel, event.channel)
    if event.name:
        fields["name"] = event.name
    if event.properties:
        fields["properties"] = dict(sorted(event.properties.items()))
    written: bytes = _encode(fields)
    return written.decode()


def contract_line(number: int) -> bytes:
    """A line in the contract's form; every third has properties, every sixth a colon in a text."""
    chosen = random.choice(["VIEW", "CLICK", "ADD_TO_CART", "PURCHASE"])
    fields: dict[str, Any] = {"eventId": f"e{number:08d}-{random.getrandbits(64):016x}", "userId": f"u{number % 997}"}
    fields |= {"type": chosen, "eventTimeMs": str(1_760_000_000_000 + number), "itemId": f"i{number % 5000}"}
    fields |= {"category": random.choice(["shoes", "hats", "books"])}
    if chosen == "PURCHASE":
        fields |= {"value": round(random.random() * 100, 2), "currency": "EUR"}
    fields["channel"] = "WEB"
    if number % 3 == 0:
        fields["properties"] = {"campaign": "spring", "page": "home" if number % 2 else "https://example.org/x"}
    return json.dumps(fields, separators=(",", ":")).encode()


def sdk_line(number: int) -> bytes:
    """The same with a usual spelling, a time as text, a number as an id, and objects that are not read."""
    fields = json.loads(contract_line(number))
    fields |= {"type": random.choice(["Product Viewed", "add_to_cart", "Order Completed"]), "itemId": number}
    fields |= {"eventTimeMs": f"2019-10-01T02:00:{number % 60:02d}+02:00"}
    fields["context"] = {"ip": "127.0.0.1", "library": {"name": "js", "version": "1.2"}, "page": {"title": "x"}}
    return json.dumps(fields).encode()


def message_by_hand(user: Scorable) -> bytes:
    """A user's scores as udfs/score_bytes.py writes them."""
    return _WRITER.write(user, READING, SCORES)


def message_by_class(user: Scorable) -> bytes:
    """The same by the generated class, its fields assigned one by one."""
    message, v = UserScores(), user.profile.values
    message.user_id = user.user_id
    for name, value in zip(NAMES, SCORES, strict=True):
        message.scores[name] = value
    for category, share in SHARES:
        affinity = message.affinities.add()
        affinity.category, affinity.share = category, share
    session, start_ms, last_ms = message.session, int(v[SESSION_START_MS]), int(v[LAST_MS])
    session.session_id = f"{user.user_id}:{start_ms}"
    session.start_time_ms, session.last_event_time_ms = start_ms, last_ms
    session.events, session.purchases = int(v[SESSION_EVENTS]), int(v[SESSION_PURCHASES])
    message.feature_set, message.model_version = FEATURE_SET, VERSION
    message.as_of_event_time_ms, message.accepted_events = last_ms, user.accepted
    message.generation, message.written_at_ms = 1, NOW_MS
    return with_features(FEATURES, message.SerializeToString(deterministic=True))


def scorable(number: int) -> Scorable:
    """A user with a session."""
    profile = Profile()
    profile.values[SESSION_START_MS], profile.values[LAST_MS] = float(NOW_MS - 60_000), float(NOW_MS - number)
    profile.values[SESSION_EVENTS], profile.values[SESSION_PURCHASES] = 7.0, 1.0
    return Scorable(f"u{number:06d}", profile, 130, {})


def in_turns(title: str, ways: Mapping[str, Callable[[Any], object]], inputs: Iterable[Any]) -> None:
    """Print the median of the microseconds that one input takes each way."""
    given = list(inputs)
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way in sorted(ways, reverse=bool(number % 2)):
            call, begin_s = ways[way], time.process_time()
            for one in given:
                call(one)
            spent[way].append((time.process_time() - begin_s) * 1e6 / len(given))
    print(title)
    for way, us in spent.items():
        print(f"  {way:<38}{median(us):7.2f} us  ({min(us):.2f} to {max(us):.2f})")


def main() -> None:
    """Measure and print."""
    random.seed(7)
    lines = [contract_line(number) for number in range(LINES)]
    sent = [sdk_line(number) for number in range(LINES)]
    events = [parse_event(line) for line in lines]
    assert events == [read_by_form(line) for line in lines]  # noqa: S101  (what is compared does the same)
    assert [parse_event(line) for line in sent] == [read_counted(line) for line in sent]  # noqa: S101
    assert [format_event(event) for event in events] == [write(event) for event in events]  # noqa: S101
    readers = {"today": parse_event, "msgspec for the form, then the rules": read_by_form}
    readers["msgspec, keys counted"] = read_counted
    in_turns("reading, contract's form", readers, lines)
    in_turns("reading, as an SDK sends it", readers, sent)
    in_turns("of it JSON alone", {"json with our hooks": load_object, "msgspec, untyped": _decode}, lines)
    in_turns("writing", {"today": format_event, "msgspec": write}, events)
    users = [scorable(number) for number in range(LINES)]
    assert [message_by_hand(user) for user in users] == [message_by_class(user) for user in users]  # noqa: S101
    kind = "interpreted" if str(score_bytes.__file__).endswith(".py") else "compiled"
    messages = {f"udfs/score_bytes.py, {kind}": message_by_hand, "generated class": message_by_class}
    in_turns("a user's scores as bytes", messages, users)
    times = {"driftline.times": parse_time_ms, "dateutil's isoparse": isoparse}
    in_turns("a time with its zone", times, ["2019-10-01T02:00:00+02:00"] * LINES)
    with open(os.devnull, "w") as nowhere:
        logs.configure(stream=nowhere)
        ours = logging.getLogger("serving.audit")
        theirs = structlogged(logging.StreamHandler(nowhere))
        writers: dict[str, Callable[[Any], object]] = {
            "serving.logs": lambda event: logs.log_event(ours, event, **FIELDS),
            "structlog over logging": lambda event: theirs.info(event, **FIELDS),
        }
        in_turns("a line of the log", writers, ["explained"] * LINES)


def structlogged(handler: logging.Handler) -> Any:
    """A logger of structlog that writes what serving.logs writes, behind logging, which other libraries log to."""
    p, std = structlog.processors, structlog.stdlib
    last = [std.ProcessorFormatter.remove_processors_meta, p.JSONRenderer()]
    handler.setFormatter(std.ProcessorFormatter(processors=last))
    log = logging.getLogger("structlogged")
    log.propagate = False
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    first = [std.add_log_level, std.add_logger_name, p.TimeStamper(fmt="iso", utc=True), p.format_exc_info]
    chain = [*first, std.ProcessorFormatter.wrap_for_formatter]
    return structlog.wrap_logger(log, processors=chain, wrapper_class=std.BoundLogger)


if __name__ == "__main__":
    main()
