"""Probes of freshness: events of users of their own, and how long until the gRPC server has scores that contain them.

One thread publishes at even distances, whatever happens to the probes before. Another asks for all probes under way in
one call every few milliseconds, so the price of asking hardly depends on how many there are.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from console.publishing import EventPublisher
from console.settings import StackSettings
from driftline.client import ScoresClient
from driftline.client.errors import ScoresError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.units import wall_clock_ms

ASK_EVERY_S = 0.004  # the resolution of the measurement, with the call itself
FIRST_ASK_S = 0.005  # nothing is readable sooner
GIVE_UP_S = 20.0  # a probe that takes longer counts with this much
USERS = 2_000


class Probe(NamedTuple):
    """An event: when it was handed to Kafka's client, in epoch milliseconds, and what came of it after how long."""

    sent_ms: int
    took_ms: float  # until it could be read
    folded_ms: float  # until the job began to fold its block; 0 where it was given up


@dataclass
class Probing:
    """Probes a stack: `a_second` of them for `seconds`."""

    settings: StackSettings
    a_second: int
    seconds: float
    _waiting: dict[str, tuple[int, float]] = field(default_factory=dict)  # sent: epoch ms, monotonic s
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _sent_all: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[Probe]:
        """Probe, and return every probe in the order in which they ended."""
        probes: list[Probe] = []
        with EventPublisher(self.settings) as publisher, ScoresClient(self.settings.grpc_address) as client:
            sender = threading.Thread(target=self._send, args=(publisher,))
            sender.start()
            while not self._sent_all.is_set() or self._waiting:
                probes += self._ask(client)
                time.sleep(ASK_EVERY_S)
            sender.join()
        return probes

    def _send(self, publisher: EventPublisher) -> None:
        began_s = time.monotonic()
        try:
            for number in range(int(self.seconds * self.a_second)):
                time.sleep(max(0.0, began_s + number / self.a_second - time.monotonic()))
                user_id, now_ms = f"probe{number % USERS}", wall_clock_ms()
                event = UserEvent(
                    event_id=f"probe{number}-{now_ms}", user_id=user_id, type=UserEvent.VIEW, event_time_ms=now_ms
                )
                with self._guard:
                    self._waiting[user_id] = now_ms, time.monotonic()
                publisher.send(user_id, event.SerializeToString(), now_ms)
        finally:
            self._sent_all.set()

    def _ask(self, client: ScoresClient) -> list[Probe]:
        asked_s = time.monotonic()
        with self._guard:
            waiting = {user: sent for user, sent in self._waiting.items() if asked_s - sent[1] >= FIRST_ASK_S}
        if not waiting:
            return []
        try:
            results = client.batch(list(waiting), fields=["as_of_event_time_ms", "written_at_ms"])
        except ScoresError:  # not readable yet, whatever the reason
            results = []
        now_s = time.monotonic()
        found = {result.user_id: result.scores for result in results if result.scores}
        ended = {}
        for user_id, (sent_ms, sent_s) in waiting.items():
            scores = found.get(user_id)
            if scores is not None and scores.as_of_event_time_ms >= sent_ms:
                ended[user_id] = Probe(sent_ms, (now_s - sent_s) * 1_000, scores.written_at_ms - sent_ms)
            elif now_s - sent_s >= GIVE_UP_S:
                ended[user_id] = Probe(sent_ms, GIVE_UP_S * 1_000, 0)
        with self._guard:
            for user_id in ended:
                del self._waiting[user_id]
        return list(ended.values())
