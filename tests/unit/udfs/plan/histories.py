"""Hypothesis strategies: histories of one user as messages, and the ways in which they may arrive."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from driftline.event.v1.event_pb2 import UserEvent
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0

DISORDER_MS = 60 * SECOND
GAP_MS = 30 * MINUTE
USER_TTL_MS = 20 * DAY
# A new year, and shortly before clocks are changed: Berlin, Lord Howe (by half an hour), St. John's (at 00:01).
STARTS_MS = (T0, 1_774_745_990_000, 1_775_314_790_000, 1_162_089_030_000)
PAUSES_MS = (
    0,
    0,
    1,
    DISORDER_MS,
    DISORDER_MS + 1,
    GAP_MS - 1,
    GAP_MS,
    GAP_MS + 1,
    2 * DAY,
    USER_TTL_MS,
    USER_TTL_MS + 1,
)
BORDERS_MS = (5 * MINUTE, 30 * MINUTE, HOUR, 6 * HOUR, DAY)  # of hops; midnights and hours of all zones are among them
TEXTS = ("a", "b", "a", "ab", "c", "", "null", " ")
_GIVEN = {
    "string": TEXTS,
    "number": ("1", "2.5", "-1.25", "0", "3", "40", " 1.5 ", "", "none", "many"),
    "money": ("1", "2.5", "10", "0", "-0.5", "", "null"),
    "bool": ("true", "False", "yes", "0", "1", "", "perhaps"),
    "strings": ("a", "a,b", '["b", "c"]', '["a", 1, null, ""]', " , ", "[]", "", "undefined", "[{}]", "d, e,a"),
}
_MOMENTS = {
    "ms": ("1767225600000", "1767225600001", "0", "", "soon"),
    "s": ("1767225600", "1767225600.25", "-1", "", "soon", "1e15"),
    "iso": (
        "2026-01-01T00:00:00Z",
        "2025-12-31 23:59:59.5 UTC",
        "2026-02-01T02:00:00+02:00",
        "",
        "2026-02-30T00:00:00Z",
    ),
}
_NUMBERS = dict(UserEvent.Type.items())
_CHANNELS = (UserEvent.CHANNEL_UNSPECIFIED, UserEvent.WEB, UserEvent.MOBILE)
_COINS = ("", "EUR", "EUR", " eur ", "JPY", "bitcoin")
_BLEMISHED = ("", "null", "none", "many", "perhaps", "soon", "2026-02-30T00:00:00Z", "[{}]", "1e15")


@st.composite
def histories(draw: st.DrawFn, events: dict[str, Any], size_max: int = 16, forget: bool = True) -> list[UserEvent]:
    """One user's messages in the order of (time, id), ids distinct.

    Args:
        draw: of hypothesis.
        events: as declared.
        size_max: how many, at most.
        forget: whether some may erase what was before.
    """
    now_ms = draw(st.sampled_from(STARTS_MS))
    types = [*events, *events, "VIEW", "PURCHASE", "REFUND", "CLICK", "SURVEY_RESPONSE", "other"]
    types = draw(st.lists(st.sampled_from(types), min_size=1, max_size=3))  # few, so that features take many of them
    hows = draw(st.lists(st.sampled_from(range(5)), min_size=1, max_size=3))
    messages = []
    for number in range(draw(st.one_of(st.integers(1, size_max), st.integers(size_max // 2, size_max)))):
        now_ms = draw(_later(now_ms, draw(st.sampled_from(hows))))
        kind = "FORGET" if forget and draw(st.integers(0, 40)) == 0 else draw(st.sampled_from(types))
        message = draw(_messages(kind, events.get(kind, {})))
        message.event_time_ms = now_ms
        message.event_id = f"e{draw(st.integers(0, 9))}-{number}"
        messages.append(message)
    return sorted(messages, key=lambda each: (each.event_time_ms, each.event_id))


@st.composite
def _later(draw: st.DrawFn, now_ms: int, how: int) -> int:
    if how == 0:
        border_ms = draw(st.sampled_from(BORDERS_MS))
        return now_ms - now_ms % border_ms + border_ms + draw(st.sampled_from([-1, 0, 1])) * (now_ms % border_ms > 0)
    if how == 1:
        return now_ms + draw(st.sampled_from(PAUSES_MS))
    return now_ms + draw(st.integers(0, (3 * MINUTE, 3 * HOUR, 30 * HOUR)[how - 2]))


@st.composite
def _messages(draw: st.DrawFn, kind: str, declared: dict[str, Any]) -> UserEvent:
    message = UserEvent(user_id="me", channel=draw(st.sampled_from(_CHANNELS)), category=draw(st.sampled_from(TEXTS)))
    message.item_id = draw(st.sampled_from(TEXTS))
    if kind in _NUMBERS:
        message.type = _NUMBERS[kind]
    else:
        message.type = UserEvent.CUSTOM
        message.name = draw(st.sampled_from(_spellings(declared.get("name", kind))))
        if draw(st.integers(0, 4)) == 0:
            message.type_word, message.name = message.name, "whatever"
    if kind == "SURVEY_RESPONSE" or draw(st.booleans()):
        message.value = draw(st.sampled_from([1.0, 2.5, -1.25, 0.0, 40.0, 3.0]))
    message.currency = draw(st.sampled_from(_COINS))
    message.properties["coin"] = draw(st.sampled_from(_COINS))
    valid = draw(st.integers(0, 3)) > 0
    for name, field in declared.get("fields", {}).items():
        texts = _MOMENTS[field.get("unit", "ms")] if field["type"] == "timestamp" else _GIVEN[field["type"]]
        text = draw(st.sampled_from(texts))
        if valid and text in _BLEMISHED:
            text = texts[0]
        _put(message, field.get("from", f"properties.{name}"), text)
    return message


def _spellings(name: str) -> list[str]:
    return [name, name, name.upper(), name.replace(" ", "_")]


def _put(message: UserEvent, source: str, text: str) -> None:
    """Put a field's text where it is read from; a value and a channel stay as they are."""
    if source.startswith("properties."):
        if text != "":
            message.properties[source.removeprefix("properties.")] = text
    elif source in {"item_id", "category"}:
        setattr(message, source, text)


@st.composite
def arrivals(draw: st.DrawFn, history: Sequence[UserEvent]) -> list[UserEvent]:
    """The history shuffled within the disorder bound, with some messages repeated after their first arrival."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    # What arrives by (time + a delay of at most the bound) finds nothing that is newer by more than the bound.
    shuffled = sorted(history, key=lambda each: (each.event_time_ms + rng.randint(0, DISORDER_MS), rng.random()))
    share = draw(st.sampled_from([0.0, 0.3]))
    for each in [each for each in history if rng.random() < share]:
        at = next(i for i, other in enumerate(shuffled) if other is each)
        shuffled.insert(rng.randint(at + 1, len(shuffled)), each)
    return shuffled
