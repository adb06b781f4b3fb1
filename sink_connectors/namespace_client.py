"""What small stores of a namespace have in common: a client of one Redis, whose calls are repeated for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, TypeVar

import redis

from driftline.errors import SettingError
from driftline.redis_url import without_password
from sink_connectors.redis_address import open_client
from sink_connectors.redis_errors import unavailable
from sink_connectors.score_store import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, RETRY_S, retrying
from sink_connectors.score_value import DEFAULT_NAMESPACE, check_namespace

T = TypeVar("T")


class NamespaceClient:
    """A client for the keys of one namespace. Every call raises ServiceUnavailable after `retry_s` without Redis."""

    def __init__(self, client: redis.Redis, *, name: str, namespace: str, retry_s: float) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._retrying = retrying(retry_s)

    @classmethod
    def connect(cls, url: str, *, namespace: str = DEFAULT_NAMESPACE, retry_s: float = RETRY_S) -> Self:
        """One of the Redis at `url`; no connection is made yet. Raises SettingError on a bad argument."""
        try:
            check_namespace(namespace)
        except ValueError as error:
            raise SettingError(str(error)) from None
        client = open_client(url, connect_timeout_s=CONNECT_TIMEOUT_S, read_timeout_s=READ_TIMEOUT_S)
        return cls(client, name=without_password(url), namespace=namespace, retry_s=retry_s)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, action: Callable[[], T]) -> T:
        try:
            return self._retrying(action)
        except redis.RedisError as error:
            raise unavailable(error, self._name) or error from None
