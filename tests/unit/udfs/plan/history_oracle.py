"""Which events count after each message, and which segments a user is in: what is a matter of history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from driftline.event.v1.event_pb2 import UserEvent
from tests.unit.udfs.plan.histories import USER_TTL_MS
from tests.unit.udfs.plan.message_oracle import Happened, RefusedError, happened
from tests.unit.udfs.plan.plan_oracle import View, duration_ms


def histories_of(messages: Iterable[UserEvent], events: dict[str, Any]) -> list[list[Happened]]:
    """The events that count after each message, which come in the order of (time, id); a repeat is the same again."""
    found: list[list[Happened]] = []
    history: list[Happened] = []
    forgotten_ms = 0
    for message in messages:
        if message.type == UserEvent.FORGET:
            forgotten_ms = message.event_time_ms
            history = []
        elif message.event_time_ms > forgotten_ms:  # what has happened in the same millisecond is forgotten, too
            history = _with(history, message, events)
        found.append(history)
    return found


def _with(history: list[Happened], message: UserEvent, events: dict[str, Any]) -> list[Happened]:
    try:
        new = happened(message, events)
    except RefusedError:
        return history
    if history and new.time_ms - history[-1].time_ms > USER_TTL_MS:
        return [new]
    return [*history, new]


DEFAULT_AGES = ("1h", "6h", "1d", "3d", "7d", "14d", "30d", "60d")


class Memberships:
    """Segments, event after event, with a look at each age in between."""

    def __init__(self, declared: dict[str, Any]) -> None:
        self._declared = declared
        formulas = {name: score["expr"] for name, score in declared["scores"].items()}
        self._formulas = {name: text for name, text in formulas.items() if name not in declared["features"]}
        self._ages_ms = [duration_ms(age) for age in declared["project"].get("ages", DEFAULT_AGES)]
        self._since: dict[str, int] = {}
        self._before: Sequence[Happened] = []

    def after(self, history: Sequence[Happened], view: View) -> dict[str, int]:
        """Who the user is a member of after one more event, and since when; `history` may have begun anew."""
        if not self._before or history[0] is not self._before[0]:
            self._since = {}
        else:
            self._since = self.at(history[-1].time_ms - self._before[-1].time_ms - 1)
        self._before = history
        self._since = self._looked(self._since, view)
        return self._since

    def at(self, age_ms: int) -> dict[str, int]:
        """Who the user is a member of when nothing has come for so long."""
        since = self._since
        for each_ms in self._ages_ms:
            if each_ms <= age_ms and self._declared["segments"]:
                since = self._looked(since, View(self._declared, self._before, each_ms))
        return since

    def _looked(self, before: dict[str, int], view: View) -> dict[str, int]:
        since = dict(before)
        now_ms = view.as_of_ms
        for name, segment in self._declared["segments"].items():
            enter = segment.get("enter") or segment["when"]
            if name not in since:
                if view.expression(enter, self._formulas):
                    since[name] = now_ms
                continue
            stays = now_ms - since[name] < duration_ms(segment.get("min_stay", "0s"))
            leave = segment.get("leave") or f"!({enter})"
            if not stays and view.expression(leave, self._formulas):
                del since[name]
        return {name: since[name] for name in self._declared["segments"] if name in since}
