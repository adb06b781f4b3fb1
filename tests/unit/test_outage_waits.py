"""How long an outage of Redis or Kafka the configuration outlasts, computed from what is configured."""

from __future__ import annotations

import re

import pytest

from console.local.flink_conf import CONF_SOURCE, read_conf
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_store import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

WEEKEND_H_MIN = 60  # from Friday evening to Monday morning
CANCEL_WATCHDOG_S = 180  # Flink's default: a task that does not end after it takes the TaskManager with it
_STRATEGY = "restart-strategy.exponential-delay."
_UNITS_S = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+) ?(ms|s|min|h)", text)
    assert found, text
    return int(found[1]) * _UNITS_S[found[2]]


@pytest.fixture(scope="module")
def conf() -> dict[str, str]:
    found = read_conf(CONF_SOURCE)
    assert found["restart-strategy.type"] == "exponential-delay"
    return found


def survived_s(conf: dict[str, str], attempt_s: float) -> float:
    """From the first failure to the last restart, where jitter makes every wait as short as it can."""
    wait_s, longest_s = seconds(conf[_STRATEGY + "initial-backoff"]), seconds(conf[_STRATEGY + "max-backoff"])
    shortest = 1 - float(conf[_STRATEGY + "jitter-factor"])
    total_s = 0.0
    for _ in range(int(conf[_STRATEGY + "attempts-before-reset-backoff"])):
        total_s += wait_s * shortest + attempt_s
        wait_s = min(wait_s * float(conf[_STRATEGY + "backoff-multiplier"]), longest_s)
    return total_s


def test_an_outage_over_a_long_weekend_does_not_end_the_job(conf: dict[str, str]) -> None:
    retry_s = ScoreEventsSettings.load().redis_retry_s
    at_once_h, waiting_h = survived_s(conf, 0) / 3600, survived_s(conf, retry_s) / 3600
    print(f"survives {at_once_h:.0f} h where attempts fail at once, {waiting_h:.0f} h where each waits {retry_s:g} s")
    assert at_once_h >= WEEKEND_H_MIN


def test_the_bound_stays_for_bugs(conf: dict[str, str]) -> None:
    assert survived_s(conf, 60) / 86_400 < 14


def test_the_job_is_back_soon_after_redis(conf: dict[str, str]) -> None:
    assert seconds(conf[_STRATEGY + "max-backoff"]) <= 60


def test_an_attempt_is_no_good_time(conf: dict[str, str]) -> None:
    """Else every attempt would begin the count anew, and a bug would never end the job."""
    longest_s = ScoreEventsSettings.load().redis_retry_s + CONNECT_TIMEOUT_S + READ_TIMEOUT_S
    assert longest_s * 5 < seconds(conf[_STRATEGY + "reset-backoff-threshold"])


def test_a_wait_for_redis_ends_before_flink_gives_up(conf: dict[str, str]) -> None:
    longest_s = ScoreEventsSettings.load().redis_retry_s + CONNECT_TIMEOUT_S + READ_TIMEOUT_S
    assert longest_s < seconds(conf["execution.checkpointing.timeout"]) < CANCEL_WATCHDOG_S
