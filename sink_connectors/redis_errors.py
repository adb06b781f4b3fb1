"""Which of Redis's errors time heals, and how an unusable Redis is reported."""

from __future__ import annotations

import re

import redis

from driftline.errors import ServiceUnavailable

# Replies of a Redis that is there but cannot serve now; an older one puts them in the middle of a script's error.
_NOT_NOW = re.compile(r"(?:^|-)(?:READONLY|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|OOM) ")
_NOT_NOW_CLASSES = (
    redis.ConnectionError,  # BusyLoadingError is one
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
)
_REFUSED = (redis.AuthenticationError, redis.exceptions.AuthorizationError)  # ConnectionErrors, but time heals nothing


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: Redis is away, starting, full, read-only or too slow."""
    if isinstance(error, _REFUSED):
        return False
    if isinstance(error, redis.ResponseError) and _NOT_NOW.search(str(error)):
        return True
    return isinstance(error, _NOT_NOW_CLASSES)


def is_outage(error: BaseException) -> bool:
    """Whether Redis is away or refuses us; any other error is a bug of ours."""
    return is_transient(error) or isinstance(error, _REFUSED)


def unavailable(error: redis.RedisError, name: str) -> ServiceUnavailable | None:
    """What to raise for an outage of the Redis called `name`; None where the error is a bug."""
    return ServiceUnavailable(f"Redis at {name} cannot be used: {error}") if is_outage(error) else None
