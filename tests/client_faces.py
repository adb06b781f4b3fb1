"""One call, and one watch, by either face of the client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from driftline import client as c
from driftline.client import AsyncScoresClient, Result, ScoresClient

# ask(target, method, *arguments, client={...}, **options): one call by a new client.
Ask = Callable[..., Any]


def _blocking(target: str, method: str, *arguments: Any, client: Any = None, **options: Any) -> Any:
    with ScoresClient(target, **(client or {})) as made:
        return getattr(made, method)(*arguments, **options)


def _asynchronous(target: str, method: str, *arguments: Any, client: Any = None, **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncScoresClient(target, **(client or {})) as made:
            return await getattr(made, method)(*arguments, **options)

    return asyncio.run(run())


FACES: dict[str, Ask] = {"sync": _blocking, "async": _asynchronous}


class Watching:
    """A watch of either face, in a thread."""

    def __init__(self, face: str, target: str, user_ids: list[str], **options: Any) -> None:
        self.seen: list[Result] = []
        self.error: BaseException | None = None
        self.close: Callable[[], None] = lambda: None
        run = self._blocking if face == "sync" else self._asynchronous
        self._thread = threading.Thread(target=run, args=(target, user_ids, options))
        self._thread.start()

    def versions(self) -> list[int]:
        return [result.scores.accepted_events if result.scores else 0 for result in self.seen]

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        self.close()
        self._thread.join(10)
        assert self.ended()

    def _blocking(self, target: str, user_ids: list[str], options: Any) -> None:
        client = ScoresClient(target, **options)
        self.close = client.close
        try:
            self.seen.extend(client.watch(user_ids))
        except c.ScoresError as error:
            self.error = error
        finally:
            client.close()

    def _asynchronous(self, target: str, user_ids: list[str], options: Any) -> None:
        asyncio.run(self._run(target, user_ids, options))

    async def _run(self, target: str, user_ids: list[str], options: Any) -> None:
        loop = asyncio.get_running_loop()
        async with AsyncScoresClient(target, **options) as client:
            self.close = lambda: asyncio.run_coroutine_threadsafe(client.close(), loop).result(10)
            try:
                async for result in client.watch(user_ids):
                    self.seen.append(result)
            except c.ScoresError as error:
                self.error = error
            self.close = lambda: None
