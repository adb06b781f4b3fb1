"""Signals: the first one ends the traffic, the next one everything, and cleaning up is not interrupted."""

from __future__ import annotations

import signal

import pytest

from console.demo.stop_signals import StopSignals


def test_the_first_signal_stops_the_traffic() -> None:
    with StopSignals() as signals, signals.deferred() as requested:
        signal.raise_signal(signal.SIGINT)
        assert requested.is_set()


def test_the_second_signal_ends_everything() -> None:
    with StopSignals() as signals, signals.deferred():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_outside_the_traffic_the_first_signal_ends_everything_and_no_other_is_heard() -> None:
    with StopSignals():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGINT)


def test_after_the_traffic_a_signal_ends_what_is_left() -> None:
    with StopSignals() as signals:
        with signals.deferred():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_cleans_up_is_not_interrupted() -> None:
    with StopSignals() as signals:
        signals.ignore()
        signal.raise_signal(signal.SIGINT)


def test_the_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignals():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
