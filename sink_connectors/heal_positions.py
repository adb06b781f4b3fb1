"""Where the next run of healing begins on the late topic: a hash in Redis, a field a partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import redis

from driftline.errors import SettingError
from driftline.redis_url import without_password
from sink_connectors.redis_address import open_client
from sink_connectors.redis_errors import unavailable
from sink_connectors.score_store import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, RETRY_S, retrying
from sink_connectors.score_value import check_namespace, heal_key

T = TypeVar("T")


class HealPositions:
    """The positions of one namespace. Every call raises ServiceUnavailable after `retry_s` without Redis."""

    def __init__(self, client: redis.Redis, *, name: str, namespace: str, retry_s: float) -> None:
        self._client = client
        self._name = name
        self._key = heal_key(namespace)
        self._retrying = retrying(retry_s)

    @classmethod
    def connect(cls, url: str, *, namespace: str, retry_s: float = RETRY_S) -> HealPositions:
        """Those in the Redis at `url`; no connection is made yet. Raises SettingError on a bad argument."""
        try:
            check_namespace(namespace)
        except ValueError as error:
            raise SettingError(str(error)) from None
        client = open_client(url, connect_timeout_s=CONNECT_TIMEOUT_S, read_timeout_s=READ_TIMEOUT_S)
        return cls(client, name=without_password(url), namespace=namespace, retry_s=retry_s)

    def get(self, topic: str) -> dict[int, int]:
        """The next offset of each partition of the late topic; empty before the first run, or of another topic."""
        found = self._call(lambda: cast("dict[bytes, bytes]", self._client.hgetall(self._key)))
        if found.pop(b"topic", b"").decode() != topic:
            return {}
        return {int(partition): int(offset) for partition, offset in found.items()}

    def put(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Remember them."""
        fields: dict[str, str | int] = {"topic": topic, **{str(one): offset for one, offset in offsets.items()}}

        def put() -> None:
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.delete(self._key)
                pipeline.hset(self._key, mapping=fields)
                pipeline.execute()

        self._call(put)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, action: Callable[[], T]) -> T:
        try:
            return self._retrying(action)
        except redis.RedisError as error:
            raise unavailable(error, self._name) or error from None
