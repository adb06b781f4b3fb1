"""Classifies errors of Redis: those to retry, those that an operator must act on, and bugs of ours."""

from __future__ import annotations

import re
import ssl

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
# Some of them are ConnectionErrors, but retrying is no use: login, rights or certificate must be corrected.
_REFUSED_CLASSES = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
)
# Before the login Redis takes no command of more than ten parts, and says so in words of its own.
_REFUSED = re.compile(r"(?:^|-)(?:NOAUTH|WRONGPASS|NOPERM) |Protocol error: unauthenticated ")
_REMEDY = "Waiting does not heal this: correct redis_url or redis_password_file, or what Redis allows this user"


def is_refused(error: BaseException) -> bool:
    """Whether Redis is there and refuses us, or we refuse its certificate: a person must change something."""
    if isinstance(error, _REFUSED_CLASSES):
        return True
    if isinstance(error, redis.ResponseError):
        return _REFUSED.search(str(error)) is not None
    return isinstance(error, redis.ConnectionError) and _is_distrust(error)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: Redis is unreachable, starting, full, read-only or too slow."""
    if is_refused(error):
        return False
    if isinstance(error, redis.ResponseError) and _NOT_NOW.search(str(error)):
        return True
    return isinstance(error, _NOT_NOW_CLASSES)


def is_outage(error: BaseException) -> bool:
    """Whether Redis is unavailable or refuses us; any other error is a bug of ours."""
    return is_transient(error) or is_refused(error)


def unavailable(error: redis.RedisError, name: str) -> ServiceUnavailable | None:
    """What to raise for an outage of the Redis called `name`; None where the error is a bug."""
    if is_refused(error):
        return ServiceUnavailable(f"Redis at {name} {_refusal(error)}: {error}. {_REMEDY}")
    return ServiceUnavailable(f"Redis at {name} cannot be used: {error}") if is_transient(error) else None


def _refusal(error: redis.RedisError) -> str:
    if _is_distrust(error):
        return "is not trusted: its certificate is of another authority or for another name"
    return "refuses the user or password, or a command of that user"


def _is_distrust(error: BaseException) -> bool:
    """Whether it arose from a certificate that failed the check; redis-py makes a plain ConnectionError of that."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
