"""Reads stored scores for the server: one MGET a request, of the namespace that is live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from driftline.errors import SettingError
from sink_connectors.redis_errors import without_password
from sink_connectors.score_value import DEFAULT_NAMESPACE, LIVE_KEY, decode_value, user_key

TIMEOUT_S = 1.0  # of connecting, of an answer and of waiting for a free connection, each
CONNECTIONS_MAX = 64


class ScoreReader:
    """The scores of the live namespace, or of a pinned one.

    Used by one event loop. Every method raises redis.RedisError when Redis does not answer within TIMEOUT_S. A broken
    connection is replaced once, at once; nothing else is retried, because the caller's time is short.
    """

    def __init__(self, client: Redis, *, pinned: str = "") -> None:
        self._client = client
        self._pinned = pinned
        self._live: str | None = None

    @classmethod
    def connect(cls, url: str, *, namespace: str = "") -> ScoreReader:
        """A reader of the Redis at `url`; no connection is made yet. A namespace pins it. Raises SettingError."""
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS_MAX,
                timeout=TIMEOUT_S,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
                retry_on_error=[RedisConnectionError],
            )
        except ValueError as error:
            message = f"Redis at {without_password(url)}: {error}"
            raise SettingError(message) from None
        return cls(Redis.from_pool(pool), pinned=namespace)

    @property
    def namespace(self) -> str | None:
        """The namespace that is read; None until Redis has first told which one is live."""
        return self._pinned or self._live

    async def poll(self) -> None:
        """Ask Redis which namespace is live. Returns only if Redis answers, so it serves as a ping too."""
        reply = cast("bytes | None", await self._client.get(LIVE_KEY))
        self._live = reply.decode() if reply else DEFAULT_NAMESPACE

    async def read(self, user_ids: Sequence[str]) -> list[bytes | None]:
        """The serialized UserScores of these users, in this order; None for a user without scores."""
        if not user_ids:
            return []
        if self.namespace is None:
            await self.poll()
        namespace = cast("str", self.namespace)
        replies = await self._client.mget([user_key(namespace, user_id) for user_id in user_ids])
        return [decode_value(reply).scores or None if reply is not None else None for reply in replies]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()
