"""Freshness: its statistics, and one probe against a server that answers when the test says."""

from __future__ import annotations

import threading

import pytest

from console.demo.freshness import GIVE_UP_S, Freshness, FreshnessLog, Handover, Prober, quantile
from console.demo.traffic import Sent
from driftline.errors import ServiceUnavailable


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.505, 51), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_quantile_is_the_smallest_value_that_covers_the_share(share: float, value: int) -> None:
    assert quantile(range(1, 101), share) == value


def test_one_probe_is_every_quantile() -> None:
    log = FreshnessLog()
    log.add(60.0)
    assert log.all() == log.recent() == Freshness(1, 60.0, 60.0, 60.0, 60.0, 0)


def test_without_probes_there_is_nothing() -> None:
    assert FreshnessLog().all() == Freshness()


def test_recent_forgets_old_probes_and_all_does_not() -> None:
    log = FreshnessLog()
    log.add(5_000.0)
    for took_ms in range(1, 101):
        log.add(float(took_ms))
    assert log.recent() == Freshness(101, 50.0, 99.0, 100.0, 100.0, 0)
    assert log.all().max_ms == 5_000.0


class Server:
    """Readable from a given time on; its clock moves when the prober sleeps."""

    def __init__(self, readable_s: float, *, down_until_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.readable_s = readable_s
        self.down_until_s = down_until_s

    def as_of_ms(self, user_id: str) -> int:
        assert user_id == "u1"
        if self.now_s < self.down_until_s:
            raise ServiceUnavailable
        return 1_000 if self.now_s >= self.readable_s else 999

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def probed(server: Server) -> Freshness:
    log = FreshnessLog()
    Prober(as_of_ms=server.as_of_ms, log=log, clock=lambda: server.now_s, sleep=server.sleep).probe(
        Sent("u1", event_time_ms=1_000, sent_s=0.0)
    )
    return log.all()


def test_a_probe_takes_until_the_scores_contain_the_event() -> None:
    assert probed(Server(readable_s=0.06)).last_ms == pytest.approx(60, abs=4)


def test_a_server_that_is_unavailable_is_waited_for() -> None:
    assert probed(Server(readable_s=0.0, down_until_s=0.5)).last_ms == pytest.approx(500, abs=4)


def test_a_lost_event_counts_with_all_the_time_that_was_waited() -> None:
    fresh = probed(Server(readable_s=1e9))
    assert (fresh.probes, fresh.given_up, fresh.max_ms) == (1, 1, GIVE_UP_S * 1_000)


def test_the_handover_gives_the_next_event_and_none_from_before() -> None:
    handover = Handover()
    handover.offer(Sent("u1", 1, 0.0))
    assert handover.take(timeout_s=0.01) is None
    taken: list[Sent | None] = []
    taker = threading.Thread(target=lambda: taken.append(handover.take(timeout_s=10)))
    taker.start()
    while taker.is_alive():
        handover.offer(Sent("u2", 2, 0.0))
    assert taken == [Sent("u2", 2, 0.0)]


def test_the_prober_ends_when_it_is_asked_to() -> None:
    ending = threading.Event()
    prober = Prober(as_of_ms=lambda _: 0, log=FreshnessLog())
    thread = threading.Thread(target=prober.run, args=(Handover(), ending))
    thread.start()
    ending.set()
    thread.join(5)
    assert not thread.is_alive()
