"""Freshness, measured: from handing an event to Kafka's client until gRPC gives scores that contain it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from console.demo.traffic import Sent
from driftline.errors import ServiceUnavailable

PROBE_EVERY_S = 0.2
POLL_S = 0.003  # the resolution of the measurement
GIVE_UP_S = 10.0  # a probe that takes longer counts with this much
_RECENT_PROBES = 100  # of which the view shows the quantiles
_PROBES_MAX = 100_000  # kept for the summary: more than five hours


class Freshness(NamedTuple):
    """Quantiles of probes, in milliseconds; all 0 without probes."""

    probes: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    last_ms: float = 0.0
    given_up: int = 0


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed; `ordered` ascends and is not empty."""
    return ordered[max(ceil(share * len(ordered)) - 1, 0)]


class FreshnessLog:
    """The probes so far; one thread adds, others read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._probes_ms: deque[float] = deque(maxlen=_PROBES_MAX)
        self._given_up = 0

    def add(self, took_ms: float, *, given_up: bool = False) -> None:
        """Note one probe."""
        with self._lock:
            self._probes_ms.append(took_ms)
            self._given_up += given_up

    def values_ms(self) -> list[float]:
        """Every probe, in the order they ended."""
        with self._lock:
            return list(self._probes_ms)

    def all(self) -> Freshness:
        """Over every probe."""
        with self._lock:
            return self._freshness(list(self._probes_ms))

    def recent(self) -> Freshness:
        """Over the last ones."""
        with self._lock:
            return self._freshness(list(self._probes_ms)[-_RECENT_PROBES:])

    def _freshness(self, probes_ms: list[float]) -> Freshness:
        if not probes_ms:
            return Freshness()
        ordered = sorted(probes_ms)
        return Freshness(
            len(self._probes_ms),
            quantile(ordered, 0.5),
            quantile(ordered, 0.99),
            ordered[-1],
            probes_ms[-1],
            self._given_up,
        )


class Handover:
    """Hands a just published event from the traffic to the prober, when that one asks for it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._asked = False
        self._sent: Sent | None = None

    def offer(self, sent: Sent) -> None:
        """Called for every published event; costs nothing while nobody asks."""
        if self._asked:
            with self._condition:
                self._sent, self._asked = sent, False
                self._condition.notify()

    def take(self, timeout_s: float) -> Sent | None:
        """The next event that is published, None if none is in time."""
        with self._condition:
            self._sent, self._asked = None, True
            self._condition.wait_for(lambda: self._sent is not None, timeout_s)
            self._asked = False
            return self._sent


@dataclass(frozen=True, kw_only=True)
class Prober:
    """Measures one event after another.

    Attributes:
        as_of_ms: asks the server for the event time that a user's scores are as of; 0 for a user without scores. May
            raise ServiceUnavailable, which counts as not readable yet.
        log: where the results go.
    """

    as_of_ms: Callable[[str], int]
    log: FreshnessLog
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def run(self, handover: Handover, ending: threading.Event) -> None:
        """Probe until `ending`; the probe that is under way is finished."""
        while not ending.is_set():
            sent = handover.take(PROBE_EVERY_S)
            if sent is not None:
                self.probe(sent)
                ending.wait(PROBE_EVERY_S)

    def probe(self, sent: Sent) -> None:
        """Poll until the event is readable. It is newer than all before of its user, so only it moves their scores."""
        while not self._readable(sent):
            if self.clock() - sent.sent_s >= GIVE_UP_S:
                self.log.add(GIVE_UP_S * 1_000, given_up=True)
                return
            self.sleep(POLL_S)
        self.log.add((self.clock() - sent.sent_s) * 1_000)

    def _readable(self, sent: Sent) -> bool:
        try:
            return self.as_of_ms(sent.user_id) >= sent.event_time_ms
        except ServiceUnavailable:
            return False
