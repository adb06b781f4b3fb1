"""Watched users: one poll of their versions for all streams of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress

import grpc

from serving.guard import StoreUnavailable
from serving.reader import Found, ScoreReader
from serving.requests import Refused
from serving.settings import ServeSettings
from serving.shares import Shares

LOOK_USERS_MAX = 500  # versions asked for at a time: calls get their turn between two looks


class Watch:
    """The users of one stream, and what it has not been sent yet: at most the newest value of each."""

    def __init__(self, user_ids: Sequence[str], namespace: str | None) -> None:
        self.user_ids = user_ids
        self.namespace = namespace
        self._sent: dict[str, Found] = {}
        self._pending: dict[str, Found] = {}
        self._news = asyncio.Event()
        self._ended = False

    def offer(self, user_id: str, found: Found) -> None:
        """Have it sent, if it is news to this stream."""
        if is_news(self._pending.get(user_id) or self._sent.get(user_id), found):
            self._pending[user_id] = found
            self._news.set()

    def start_over(self) -> None:
        """Another namespace is live: its versions cannot be compared with those that were sent."""
        self._sent.clear()
        self._pending.clear()

    def end(self) -> None:
        """The server stops."""
        self._ended = True
        self._news.set()

    async def changes(self) -> AsyncIterator[tuple[str, Found]]:
        """News of the users, for as long as the caller listens. Raises Refused when the server stops."""
        while not self._ended:
            while self._pending:
                user_id = next(iter(self._pending))
                found = self._sent[user_id] = self._pending.pop(user_id)
                yield user_id, found
            self._news.clear()
            if not self._ended:
                await self._news.wait()
        raise Refused(grpc.StatusCode.UNAVAILABLE, "the server stops; watch again")


def is_news(sent: Found | None, found: Found) -> bool:
    """Whether a stream that was sent the one should be sent the other: never an older score after a newer one."""
    if sent is None:
        return True
    if not found.message:
        return bool(sent.message)
    return found.version > sent.version


class WatchHub:
    """Looks at the versions of all watched users again and again, and reads what changed. Used by one event loop."""

    def __init__(self, reader: ScoreReader, settings: ServeSettings) -> None:
        self._reader = reader
        self._poll_s = settings.watch_poll_ms / 1000
        self._users_max = settings.watched_users_max
        self._shares = Shares("watched users", settings.client_watched_users_max, "client_watched_users_max")
        self._reads_s_max = settings.watch_reads_s_max
        self._users = 0
        self._watches: dict[tuple[str | None, str], set[Watch]] = {}
        self._versions: dict[tuple[str | None, str], bytes] = {}
        self._live: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def users(self) -> int:
        """How many users are watched, counted once a stream."""
        return self._users

    @property
    def pause_s(self) -> float:
        """How long the hub waits between two looks at all users: each costs Redis a command a user."""
        return max(self._poll_s, len(self._watches) / self._reads_s_max)

    @contextmanager
    def watching(self, user_ids: Sequence[str], namespace: str | None, client: str = "") -> Iterator[Watch]:
        """A watch of these users, different ones. Raises Refused beyond the bounds of the worker and of the client."""
        if self._users + len(user_ids) > self._users_max:
            message = f"this worker watches {self._users:,} users, and at most {self._users_max:,}"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self._shares.take(client, len(user_ids))
        watch = Watch(user_ids, namespace)
        self._users += len(user_ids)
        for user_id in user_ids:
            self._watches.setdefault((namespace, user_id), set()).add(watch)
        if self._closed:
            watch.end()
        elif self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield watch
        finally:
            self._leave(watch)
            self._shares.give_back(client, len(user_ids))

    async def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._end_all()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _leave(self, watch: Watch) -> None:
        self._users -= len(watch.user_ids)
        for user_id in watch.user_ids:
            key = (watch.namespace, user_id)
            self._watches[key].discard(watch)
            if not self._watches[key]:
                del self._watches[key]
                self._versions.pop(key, None)

    async def _run(self) -> None:
        try:
            while self._watches:
                await asyncio.sleep(self.pause_s)
                with suppress(StoreUnavailable):  # the next look finds what was written meanwhile
                    await self._look()
        except Exception:
            self._end_all()  # a stream that no one feeds must not look alive
            raise
        finally:
            self._task = None

    def _end_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.end()

    async def _look(self) -> None:
        self._follow_live()
        keys = list(self._watches)
        for start in range(0, len(keys), LOOK_USERS_MAX):
            await self._look_at(keys[start : start + LOOK_USERS_MAX])

    def _follow_live(self) -> None:
        if self._live is not None and self._live != self._reader.namespace:
            for key, watches in self._watches.items():
                if key[0] is None:
                    self._versions.pop(key, None)
                    for watch in watches:
                        watch.start_over()
        self._live = self._reader.namespace

    async def _look_at(self, keys: Sequence[tuple[str | None, str]]) -> None:
        versions = await self._reader.versions([user_id for _, user_id in keys], [name for name, _ in keys])
        changed: dict[str | None, list[str]] = {}
        for key, version in zip(keys, versions, strict=True):
            if self._versions.get(key) != version:
                changed.setdefault(key[0], []).append(key[1])
        for namespace, user_ids in changed.items():
            for user_id, found in zip(user_ids, await self._reader.read(user_ids, namespace), strict=True):
                if not found.stale:
                    self._offer((namespace, user_id), found)

    def _offer(self, key: tuple[str | None, str], found: Found) -> None:
        if key not in self._watches:
            return  # nobody is left who watched it
        self._versions[key] = found.version
        for watch in self._watches[key]:
            watch.offer(key[1], found)
