from __future__ import annotations

import pytest
import redis
from redis.exceptions import BusyLoadingError, OutOfMemoryError

from sink_connectors.redis_errors import is_transient, unavailable

TRANSIENT = [
    redis.ConnectionError("Connection refused"),
    redis.TimeoutError("Timeout reading from socket"),
    BusyLoadingError("Redis is loading the dataset in memory"),
    redis.ReadOnlyError("You can't write against a read only replica."),
    OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    redis.ResponseError("MASTERDOWN Link with MASTER is down"),
    redis.ResponseError("BUSY Redis is busy running a script."),
    redis.ResponseError("ERR Error running script (call to f_1): @user_script:29: -READONLY You can't write"),
]
BUGS = [
    redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    redis.ResponseError("ERR Error running script: attempt to index READONLY"),
    redis.DataError("Invalid input"),
    ValueError("no"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=str)
def test_time_heals(error: redis.RedisError) -> None:
    assert is_transient(error)
    assert str(unavailable(error, "redis://r")) == f"Redis at redis://r cannot be used: {error}"


@pytest.mark.parametrize("error", BUGS, ids=str)
def test_bugs_stay_bugs(error: redis.RedisError) -> None:
    assert not is_transient(error)
    assert unavailable(error, "redis://r") is None


def test_refused_credentials_are_reported_but_not_retried() -> None:
    error = redis.AuthenticationError("invalid username-password pair")
    assert not is_transient(error)
    assert unavailable(error, "redis://r") is not None
