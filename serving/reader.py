"""Reads stored scores for the server: from which namespace, in which batches, and what is served during an outage."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from cachetools import TTLCache

from serving.guard import RedisGuard, StoreUnavailable
from serving.health import Health
from serving.loader import Loader
from serving.observer import BreakerState, Observer
from serving.settings import ServeSettings
from serving.source import KEYS_MAX, Command, ScoreSource, open_source
from sink_connectors.redis_memory import RedisMemory
from sink_connectors.score_value import (
    DEFAULT_NAMESPACE,
    LIVE_KEY,
    VERSION_BYTES,
    catalogue_key,
    user_key,
    user_keys,
    version_of,
)


class Found(NamedTuple):
    """What is known of one user. Without scores (none yet, or forgotten) the message is empty."""

    version: bytes  # sorts as the writes did (`version_of`)
    message: bytes  # a serialized UserScores as it is stored (driftline/score_message.py)
    stale: bool = False


class ScoreReader:
    """The scores of the live namespace, of a pinned one, or of the one that a call names.

    Used by one event loop. Every method raises StoreUnavailable within the setting redis_timeout_ms of a Redis that
    does not answer, and at once where that is known already.
    """

    def __init__(self, source: ScoreSource, settings: ServeSettings, observer: Observer | None = None) -> None:
        self._source = source
        self._pinned = settings.namespace
        self._live: str | None = None
        self.observer = observer or Observer()
        self._guard = RedisGuard(
            failures=settings.breaker_failures,
            reset_s=settings.breaker_reset_ms / 1000,
            refused_s=settings.login_retry_ms / 1000,
            observer=self.observer,
        )
        self._loader = Loader(self._read_values, keys_max=KEYS_MAX)
        self._seen = _last_seen(settings) if settings.serve_stale else None

    @classmethod
    def connect(cls, settings: ServeSettings, observer: Observer | None = None) -> ScoreReader:
        """A reader of the Redis of the settings; no connection is made yet. Raises SettingError on a bad URL."""
        source = open_source(
            settings.redis_address,
            timeout_s=settings.redis_timeout_ms / 1000,
            read_from_replicas=settings.read_from_replicas,
            cut_off_s_max=settings.replica_cut_off_s_max,
        )
        return cls(source, settings, observer)

    @property
    def namespace(self) -> str | None:
        """The namespace that is read; None until Redis has first told which one is live."""
        return self._pinned or self._live

    @property
    def breaker(self) -> BreakerState:
        """Whether reads go to Redis now."""
        return self._guard.state

    @property
    def health(self) -> Health:
        """How calls are answered while Redis does not answer."""
        return Health.STALE if self._seen is not None and self._seen.currsize else Health.DOWN

    async def poll(self) -> None:
        """Ask Redis which namespace is live. Returns only if Redis answers, so it serves as a ping too."""
        reply = await self._guard.read(self._source.probe(LIVE_KEY), users=0)
        self._live = reply.decode() if reply else DEFAULT_NAMESPACE

    async def look_at_memory(self) -> list[RedisMemory]:
        """What each Redis says of its memory, for logs and metrics; raises nothing."""
        found = await self._source.memory()
        if found:
            self.observer.memory_seen(
                used_percent=max(memory.used_percent for memory in found),
                evicted_keys=sum(memory.evicted_keys for memory in found),
            )
        return found

    async def read_one(self, user_id: str, namespace: str | None = None) -> Found:
        """One user; reads at the same time are gathered into one of Redis."""
        key = user_key(await self.resolved(namespace), user_id)
        try:
            value = await self._loader.load(key)
        except StoreUnavailable:
            if (seen := self._remembered([key])) is None:
                raise
            return seen[0]
        found = _found(value)
        if self._seen is not None:
            self._remember(key, found)
        return found

    async def read(self, user_ids: Sequence[str], namespace: str | None = None) -> list[Found]:
        """Many users, in this order. While Redis is unavailable, all of them stale, or StoreUnavailable."""
        if not user_ids:
            return []
        chosen = await self.resolved(namespace)
        keys = user_keys(chosen, user_ids)
        try:
            values = await self._read_values(keys)
        except StoreUnavailable:
            if (seen := self._remembered(keys)) is None:
                raise
            return seen
        found = list(map(_found, values))
        if self._seen is not None:
            for key, scores in zip(keys, found, strict=True):
                self._remember(key, scores)
        return found

    async def versions(self, user_ids: Sequence[str], namespaces: Sequence[str | None]) -> list[bytes]:
        """The versions of these users, each in its namespace; empty where there is nothing, not even a tombstone."""
        live = self.namespace or await self._first_namespace()
        keys = [user_key(name or live, user_id) for user_id, name in zip(user_ids, namespaces, strict=True)]
        return list(map(version_of, await self._guard.read(self._source.heads(keys), users=len(keys))))

    async def read_catalogue(self, namespace: str) -> bytes | None:
        """What a job has told of a namespace (`driftline.catalogue_message`); None where none has."""
        (document,) = await self._guard.read(self._source.values([catalogue_key(namespace)]), users=0)
        return document

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to commands of one key each, in chunks; raises StoreUnavailable during an outage."""
        replies: list[Any] = []
        for start in range(0, len(commands), KEYS_MAX):
            replies += await self._guard.read(self._source.ask(commands[start : start + KEYS_MAX]), users=0)
        return replies

    async def resolved(self, namespace: str | None) -> str:
        """The namespace that is read where a call names this one, or none."""
        return namespace or self.namespace or await self._first_namespace()

    async def close(self) -> None:
        """Close the connections."""
        await self._source.close()

    async def _read_values(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._guard.read(self._source.values(keys), users=len(keys))

    async def _first_namespace(self) -> str:
        """A server that started during an outage of Redis must not read an older namespace than the live one."""
        await self.poll()
        return cast("str", self.namespace)

    def _remember(self, key: str, found: Found) -> None:
        """Also that there is nothing: a forgotten user's scores are gone from here too."""
        cast("TTLCache[str, Found]", self._seen)[key] = found._replace(stale=True)

    def _remembered(self, keys: Sequence[str]) -> list[Found] | None:
        """The last that was seen of every one of these keys; None where one was never seen."""
        if self._seen is None:
            return None
        found = [self._seen.get(key) for key in keys]
        if None in found:
            return None
        self.observer.served_stale(users=len(found))
        return cast("list[Found]", found)


def _last_seen(settings: ServeSettings, clock: Callable[[], float] = time.monotonic) -> TTLCache[str, Found]:
    return TTLCache(settings.stale_entries_max, settings.stale_age_s_max, timer=clock)


def _found(value: bytes | None) -> Found:
    if value is None:
        return Found(b"", b"")
    if len(value) < VERSION_BYTES:
        message = f"a stored value has {len(value)} bytes; its version alone takes {VERSION_BYTES}"
        raise ValueError(message)
    return Found(version_of(value), value[VERSION_BYTES:])
