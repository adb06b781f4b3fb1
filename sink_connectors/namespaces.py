"""The namespaces of a Redis: which there are, how large they are, switching back, and dropping one.

What is of one namespace alone is in score_store.py.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TypeVar, cast

import redis

from driftline.errors import InputError
from driftline.limits import NAMESPACE
from driftline.redis_url import without_password
from sink_connectors.live_namespace import previous, switch
from sink_connectors.redis_address import open_client
from sink_connectors.redis_errors import unavailable
from sink_connectors.score_store import BATCH_MAX, CONNECT_TIMEOUT_S, READ_TIMEOUT_S
from sink_connectors.score_value import (
    DEFAULT_NAMESPACE,
    LIVE_KEY,
    catalogue_key,
    heal_key,
    job_key,
    offsets_key,
    progress_key,
    replay_key,
    submission_key,
    user_key_prefix,
)
from sink_connectors.segment_lists import segment_prefix, segments_key

SAMPLE_MAX = 200  # users of a namespace whose memory is asked for
LOCK_S = 120.0  # without a page of a drop, after which a job may be submitted again

_MARK = files("sink_connectors").joinpath("mark_dropping.lua").read_text()
_KEY = re.compile(rf"driftline:({NAMESPACE}):(?:(job|progress)|(\{{.*\}}))".encode(), re.DOTALL)

T = TypeVar("T")


@dataclass(frozen=True)
class Survey:
    """What a pass over the keys has found; not a snapshot."""

    names: Sequence[str]  # sorted, of the namespaces that a job has claimed or reported progress of
    users: Mapping[str, int] | None = None  # by namespace; None: not counted
    sampled: Mapping[str, Sequence[bytes]] = field(default_factory=dict)  # keys of some users, by namespace


class RedisNamespaces:
    """Looks at the namespaces of one Redis; every call raises ServiceUnavailable where it cannot be used."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._client = client
        self._name = name

    @classmethod
    def connect(cls, url: str) -> RedisNamespaces:
        """Those of the Redis at `url`; no connection is made yet. Raises SettingError, also on a Redis Cluster."""
        client = open_client(url, connect_timeout_s=CONNECT_TIMEOUT_S, read_timeout_s=READ_TIMEOUT_S)
        return cls(client, without_password(url))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def live(self) -> str:
        """The namespace that servers read."""
        reply = self._call(lambda: cast("bytes | None", self._client.get(LIVE_KEY)))
        return reply.decode() if reply else DEFAULT_NAMESPACE

    def previous(self) -> str:
        """The namespace that was live before the last switch; empty where there was none."""
        return self._call(lambda: previous(self._client))

    def roll_back(self, to: str, *, instead_of: str) -> None:
        """Make `to` the live one instead of the one that is live now, which becomes the one to go back to.

        Raises:
            InputError: `to` has been dropped or is being dropped, or somebody else has promoted meanwhile.
        """
        self._call(lambda: switch(self._client, to, instead_of=instead_of))

    def survey(self, *, count: bool, seen: Callable[[int, int], object]) -> Survey:
        """Find the namespaces by the hashes that jobs write, and count users on the way.

        Args:
            count: whether to count; without it Redis sends hashes alone, but still looks at every key.
            seen: told after every page how many keys Redis has looked at, about, and how many it has.
        """
        names: set[str] = set()
        users: Counter[str] = Counter()
        sampled: defaultdict[str, list[bytes]] = defaultdict(list)
        for keys in self._pages("driftline:*", kind=None if count else "hash", seen=seen):
            for key in keys:
                found = _KEY.fullmatch(key)
                if found is None:
                    continue
                name = found[1].decode()
                if found[2]:
                    names.add(name)
                    continue
                users[name] += 1
                if len(sampled[name]) < SAMPLE_MAX:  # keys come in the order of their hashes: as good as at random
                    sampled[name].append(key)
        return Survey(sorted(names), users if count else None, sampled)

    def memory_bytes(self, keys: Sequence[bytes | str]) -> list[int]:
        """What each of the keys takes with its value; without those that are gone. Empty where Redis does not say."""

        def ask() -> list[object]:
            with self._client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.memory_usage(key)
                return pipeline.execute(raise_on_error=False)

        return [reply for reply in self._call(ask) if isinstance(reply, int)] if keys else []

    def values(self, keys: Sequence[bytes]) -> list[bytes]:
        """The values of at most SAMPLE_MAX users; without those that are gone."""
        replies = self._call(lambda: cast("list[bytes | None]", self._client.mget(keys))) if keys else []
        return [reply for reply in replies if reply is not None]

    def is_dropping(self, namespace: str) -> bool:
        """Whether somebody began to drop it, and nobody has ended that."""
        return bool(self._call(lambda: self._client.hexists(job_key(namespace), "dropping")))

    def replay_note(self, namespace: str) -> bytes:
        """What a replay into it was asked for (replay_notes.py); empty where there was none."""
        return self._call(lambda: cast("bytes | None", self._client.get(replay_key(namespace)))) or b""

    def is_recorded(self, namespace: str) -> bool:
        """Whether a job has claimed it or reported progress of it, and it has not been dropped."""
        return bool(self._call(lambda: self._client.exists(job_key(namespace), progress_key(namespace))))

    def count(self, namespace: str, seen: Callable[[int, int], object]) -> int:
        """How many users have a value in it, tombstones included."""
        return sum(map(len, self._pages(f"{user_key_prefix(namespace)}*}}", seen=seen)))

    def drop(self, namespace: str, *, force: bool, now_ms: int) -> Iterator[int]:
        """Delete its users and the lists of segments page by page, then what jobs have recorded.

        May be left, and begun again, at any point.

        Yields:
            How many users each page had; Redis serves others between any two commands.

        Raises:
            InputError: it is the live one and `force` is false, or a job is being submitted into it.
        """
        with self._alone(namespace) as stay_alone:
            arguments = namespace, DEFAULT_NAMESPACE, str(int(force)), str(now_ms)
            if not self._call(lambda: self._client.eval(_MARK, 2, LIVE_KEY, job_key(namespace), *arguments)):
                message = f"namespace {namespace} is the live one"
                raise InputError(message)
            users, lists = user_key_prefix(namespace).encode(), segment_prefix(namespace).encode()
            for keys in self._pages(f"driftline:{namespace}:*"):
                values = [key for key in keys if key.startswith(users)]
                dropped = values + [key for key in keys if key.startswith(lists)]
                for start in range(0, len(dropped), BATCH_MAX):
                    self._unlink(dropped[start : start + BATCH_MAX])
                stay_alone()
                yield len(values)
            # The job hash with the mark goes last, and with the rest: until then it is known what is half done.
            recorded = [progress_key(namespace), offsets_key(namespace), segments_key(namespace)]
            recorded += [catalogue_key(namespace), heal_key(namespace), replay_key(namespace)]
            self._unlink([*recorded, job_key(namespace)])

    def _unlink(self, keys: Sequence[bytes | str]) -> None:
        self._call(lambda: self._client.unlink(*keys))

    @contextmanager
    def _alone(self, namespace: str) -> Iterator[Callable[[], None]]:
        """Let no job be submitted into the namespace until the block ends; call what is yielded every LOCK_S."""
        lock = self._client.lock(submission_key(namespace), timeout=LOCK_S, blocking=False)
        taken = f"a job is being submitted into namespace {namespace}, or another command drops it; wait for it"
        if not self._call(lock.acquire):
            raise InputError(taken)

        def stay() -> None:
            try:
                self._call(lock.reacquire)
            except redis.exceptions.LockError:
                raise InputError(taken) from None

        try:
            yield stay
        finally:
            with suppress(redis.RedisError):  # it ends by itself
                lock.release()

    def _pages(
        self, pattern: str, *, kind: str | None = None, seen: Callable[[int, int], object] = lambda *_: None
    ) -> Iterator[list[bytes]]:
        """The keys that match, in pages; one may come twice. A cursor means nothing to another Redis: no retries."""
        cursor, pages = -1, 0
        with closing(cast("redis.Redis", self._client.client())) as connection:  # type: ignore[no-untyped-call]
            size = self._call(lambda: cast("int", connection.dbsize()))
            while cursor != 0:
                at = max(cursor, 0)
                reply = self._call(lambda at=at: connection.scan(at, match=pattern, count=BATCH_MAX, _type=kind))  # type: ignore[misc]
                cursor, keys = cast("tuple[int, list[bytes]]", reply)
                pages += 1
                yield keys
                seen(min(pages * BATCH_MAX, size), size)

    def _call(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except redis.RedisError as error:
            raise unavailable(error, self._name) or error from None
