"""The store of scores: what a job writes, and what the commands read.

ScoreStore is the contract, RedisScoreStore keeps it in Redis; in_memory_store.py has one for tests.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import redis
import tenacity

from driftline.errors import ServiceUnavailable, SettingError
from driftline.limits import USER_TTL_DAYS
from driftline.redis_url import without_password
from driftline.units import DAY_MS, MIB
from sink_connectors.live_namespace import previous, switch
from sink_connectors.redis_address import open_client
from sink_connectors.redis_errors import is_refused, is_transient, unavailable
from sink_connectors.redis_memory import RedisMemory
from sink_connectors.score_value import (
    DEFAULT_NAMESPACE,
    LIVE_KEY,
    StoredScores,
    check_namespace,
    decode_value,
    hold_key,
    job_key,
    offsets_key,
    progress_key,
    submission_key,
    user_key,
    user_key_prefix,
)
from sink_connectors.segment_lists import (
    SegmentWrite,
    Sweeps,
    declare,
    declared,
    script_arguments,
    segment_key,
    segment_prefix,
    segments_key,
    with_digest,
)

TTL_S = USER_TTL_DAYS * DAY_MS / 1000  # as long as a job keeps the state of an idle user
RETRY_S = 30.0
CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 5.0
BATCH_MAX = 1_000  # users a command: Redis serves no one else meanwhile, for some 5 ms
BATCH_BYTES_MAX = MIB  # of their values; what is sent waits in the memory of Redis, too
BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 1.0
HELD_S_MAX = 60.0  # as long as no promotion holds a namespace
_HELD_POLL_S = 0.02
_HELD = -1  # the answer of write_scores.lua

_SCRIPT = files("sink_connectors").joinpath("write_scores.lua").read_bytes()  # also from a zip that Flink ships
_CLAIM = files("sink_connectors").joinpath("claim_namespace.lua").read_text()
_SCRIPT_SHA = hashlib.sha1(_SCRIPT, usedforsecurity=False).hexdigest()  # the name that EVALSHA knows it by

_SKIPPED = "skipped"
_TYPES = b"types:"  # before the shard, in the hash of offsets

T = TypeVar("T")

_log = logging.getLogger(__name__)


def do_nothing() -> None:
    """Return at once."""


class Progress(NamedTuple):
    """Absolute totals of one shard since its state began; they add up to the events read."""

    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    dead_letter: int = 0

    @property
    def events(self) -> int:
        """How many events were read."""
        return sum(self)

    @classmethod
    def total(cls, shards: Iterable[Progress]) -> Progress:
        """The sum of each counter over the shards."""
        accepted = duplicate = late = dead_letter = 0
        for shard in shards:
            accepted += shard.accepted
            duplicate += shard.duplicate
            late += shard.late
            dead_letter += shard.dead_letter
        return cls(accepted, duplicate, late, dead_letter)

    def encode(self) -> str:
        """Four decimal numbers, joined by spaces."""
        return " ".join(map(str, self))

    @classmethod
    def decode(cls, text: bytes) -> Progress:
        """The inverse of encode."""
        return cls(*map(int, text.split()))


class ShardReport(NamedTuple):
    """What a shard says of itself with every block."""

    totals: Progress
    shards: int = 0  # how many there are; 0: not known, as are the offsets
    offsets: bytes = b""  # how far each partition was read, packed by udfs.offsets
    unknown_types: Mapping[str, int] | None = None  # events by unknown type; None writes nothing

    def encode_offsets(self) -> bytes:
        """The number of shards (8 bytes, little-endian), then the packed offsets; empty where they are not known."""
        return self.shards.to_bytes(8, "little") + self.offsets if self.shards else b""

    def encode_unknown_types(self) -> str:
        """An object of JSON; empty without any."""
        return json.dumps(self.unknown_types, sort_keys=True) if self.unknown_types else ""

    @classmethod
    def decode(cls, totals: bytes, offsets: bytes | None, unknown_types: bytes | None = None) -> ShardReport:
        """The inverse of Progress.encode, encode_offsets and encode_unknown_types."""
        known = offsets or bytes(8)
        named = json.loads(unknown_types) if unknown_types else None
        return cls(Progress.decode(totals), int.from_bytes(known[:8], "little"), known[8:], named)


class Claim(NamedTuple):
    """What a subtask tells of its job before it writes: its shards, each with its generation and totals."""

    shards: int  # of the whole job
    generations: Mapping[int, int]  # by shard, of the subtask alone
    progress: Mapping[int, Progress]  # of the same shards
    job_id: str = ""  # Flink's
    unproven: bool = False  # the job was restored, and no state here tells with how many shards it was made
    offsets: Mapping[int, bytes] = MappingProxyType({})  # of the same shards, packed by udfs.offsets; absent: not known
    unknown_types: Mapping[int, Mapping[str, int]] = MappingProxyType({})  # of the same shards

    def report(self, shard: int) -> ShardReport:
        """What the shard says of itself."""
        packed = self.offsets.get(shard)
        unknown_types = self.unknown_types.get(shard) or None
        return ShardReport(self.progress[shard], 0 if packed is None else self.shards, packed or b"", unknown_types)


class Recorded(NamedTuple):
    """What is known of the jobs of a namespace."""

    generation: int = 0  # the latest that has written, or was about to; 0: none, or of a release that did not record it
    shards: int = 0
    job_ids: tuple[str, ...] = ()  # newest first


class Written(NamedTuple):
    """What became of the values of a write; those in neither were replays."""

    accepted: int  # set
    outranked: int  # refused: a job of a later generation wrote the stored value


class ScoreStore(Protocol):
    """The scores and the progress of one namespace."""

    def write(
        self,
        values: Sequence[tuple[str, bytes]],
        progress: tuple[int, ShardReport] | None,
        meanwhile: Callable[[], object] = do_nothing,
        members: SegmentWrite | None = None,
    ) -> Written:
        """Store encoded values by user id, and the totals of the shard that they came from.

        A value is accepted if its version is newer than the stored one (`score_value.is_newer`); accepting it also
        renews the user's time to live, unless it has an age and there is a value already. A batch may hold several
        values of one user: the newest wins, whatever their order. Called by the job for every block; blocks until the
        store has answered, so nothing is left to flush. Replays are harmless. Progress is never visible before the
        values of its batch. With a value that is accepted, and at the same moment, its user's place in the lists of
        segments becomes that of `members`. User ids are not checked here. `meanwhile` is called once, while the store
        works, for what would else wait for the answer; what it raises is raised, and may leave the values written.

        Raises:
            ServiceUnavailable: The store could not be reached for `retry_s`; some of a batch may be written.
        """

    def read(self, user_ids: Sequence[str]) -> list[StoredScores | None]:
        """The values of these users, in this order; None where there is none. A tombstone is a value."""

    def user_ids(self) -> Iterator[str]:
        """The ids of all users with a value, in no order; one may come twice. Not a snapshot."""

    def scan(self) -> Iterator[tuple[str, StoredScores]]:
        """All users and their values, as user_ids() finds them."""

    def read_progress(self) -> dict[int, Progress]:
        """The totals of every shard that has written, by shard."""

    def read_reports(self) -> dict[int, ShardReport]:
        """The totals and the offsets of every shard that has written, of one moment, by shard."""

    def forget_skipped(self) -> None:
        """Forget the ranges of note_skipped: a job that begins from nothing does without none."""

    def note_skipped(self, skipped: Mapping[int, tuple[int, int]]) -> None:
        """Remember ranges of offsets (by partition: the first, and the one behind the last) that no job will read."""

    def read_skipped(self) -> dict[int, list[tuple[int, int]]]:
        """The ranges of note_skipped by partition, in no order."""

    def claim(self, claim: Claim) -> Recorded | None:
        """Record the generations of a subtask's shards, and set their progress; called before their first write.

        Returns:
            None, or what is recorded where a job of a later generation has the namespace; then nothing has changed.

        Raises:
            ServiceUnavailable: as write().
        """

    def recorded(self) -> Recorded:
        """What claims have recorded."""

    def declare_segments(self, definitions: Mapping[str, str]) -> int:
        """Make these the declared segments (definition by name), and forget the members of others.

        Returns:
            How often the set of names has changed, for Rows.
        """

    def segments(self) -> dict[str, str]:
        """The declared segments: definition by name."""

    def segment_members(self, segment: str) -> Iterator[tuple[str, int]]:
        """The members of a segment and since when, in no order; one may come twice. Not a snapshot."""

    def live_namespace(self) -> str:
        """The namespace that servers read; it need not be that of this store."""

    def promote(self, namespace: str) -> None:
        """Make `namespace` the live one, and remember the one before, by one atomic step.

        Raises:
            ValueError: on a bad name.
            InputError: the namespace is being dropped.
        """

    def previous_namespace(self) -> str:
        """The namespace that was live before the last promotion of another; empty where there was none."""

    def memory(self) -> RedisMemory | None:
        """What Redis says of its memory; None where there is none, or it does not say. One attempt; raises nothing."""


def retrying(retry_s: float) -> tenacity.Retrying:
    """Return what repeats a call that failed transiently, for at most `retry_s`; then its error is raised."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_transient),
        wait=tenacity.wait_random_exponential(multiplier=BACKOFF_FIRST_S, max=BACKOFF_MAX_S),
        stop=tenacity.stop_before_delay(retry_s),
        reraise=True,
    )


class RedisScoreStore:
    """A ScoreStore in Redis.

    Connects at the first call. Transient trouble is retried for `retry_s`, plus at most the time-outs of one attempt,
    then raised as ServiceUnavailable; every call is idempotent. Threads may share a store: writes take turns on one
    connection. In PyFlink's thread mode close() is not always called: keep one store a process; all that an abandoned
    one holds is idle sockets, which end with it.

    A connection on which Redis answered with an error is not used again, and the next one looks up the name, or asks
    the Sentinels, anew: after a failover the old primary may live on as a replica that refuses every write, and whose
    connections nobody ends. After ServiceUnavailable no connection is left open, and `failed` is set.
    """

    def __init__(self, client: redis.Redis, *, name: str, namespace: str, ttl_s: float, retry_s: float) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._ttl_ms = round(ttl_s * 1000)
        self._prefix = user_key_prefix(namespace)
        self._progress_key = progress_key(namespace)
        self._offsets_key = offsets_key(namespace)
        self._hold_key = hold_key(namespace)
        # Not the pool's: taking one from the pool polls the socket, which costs more than packing a block of 40 users.
        self._connection: Any = client.connection_pool.make_connection()
        self._turn = threading.Lock()
        self._sweeps = Sweeps()
        self.failed = False
        self._retrying = retrying(retry_s)

    @classmethod
    def connect(
        cls, url: str, *, namespace: str = DEFAULT_NAMESPACE, ttl_s: float = TTL_S, retry_s: float = RETRY_S
    ) -> RedisScoreStore:
        """A store of the Redis at `url`; no connection is made yet. Raises SettingError on a bad argument."""
        try:
            check_namespace(namespace)
        except ValueError as error:
            raise SettingError(str(error)) from None
        client = open_client(url, connect_timeout_s=CONNECT_TIMEOUT_S, read_timeout_s=READ_TIMEOUT_S)
        return cls(client, name=without_password(url), namespace=namespace, ttl_s=ttl_s, retry_s=retry_s)

    def write(
        self,
        values: Sequence[tuple[str, bytes]],
        progress: tuple[int, ShardReport] | None,
        meanwhile: Callable[[], object] = do_nothing,
        members: SegmentWrite | None = None,
    ) -> Written:
        """See ScoreStore. A round trip for every BATCH_MAX values or BATCH_BYTES_MAX; progress goes with the last."""
        if members is not None and not members.segments:
            members = None
        *first, last = _batches(values)
        parts: list[Written] = []
        start = 0
        for batch in first:
            part = members and members.part(start, start + len(batch))
            parts.append(self._write_batch(batch, None, do_nothing, part, begins=not start))
            start += len(batch)
        part = members and members.part(start, start + len(last))
        parts.append(self._write_batch(last, progress, meanwhile, part, begins=not start))
        if len(parts) == 1:
            return parts[0]
        return Written(sum(part.accepted for part in parts), sum(part.outranked for part in parts))

    def read(self, user_ids: Sequence[str]) -> list[StoredScores | None]:
        """See ScoreStore. One MGET for every BATCH_MAX ids."""
        found: list[StoredScores | None] = []
        for start in range(0, len(user_ids), BATCH_MAX):
            keys = [user_key(self._namespace, user_id) for user_id in user_ids[start : start + BATCH_MAX]]
            replies = cast("list[bytes | None]", self._retry(functools.partial(self._client.mget, keys)))
            found.extend(decode_value(reply) if reply is not None else None for reply in replies)
        return found

    def user_ids(self) -> Iterator[str]:
        """See ScoreStore. Any trouble is ServiceUnavailable at once: a cursor means nothing to a restarted Redis."""
        for page in self._user_id_pages():
            yield from page

    def scan(self) -> Iterator[tuple[str, StoredScores]]:
        """See ScoreStore. Reads a page of users at a time; raises like user_ids()."""
        for page in self._user_id_pages():
            for user_id, stored in zip(page, self.read(page), strict=True):
                if stored:  # None if it expired since it was listed
                    yield user_id, stored

    def read_progress(self) -> dict[int, Progress]:
        """See ScoreStore."""
        replies = self._retry(lambda: cast("dict[bytes, bytes]", self._client.hgetall(self._progress_key)))
        return {int(shard): Progress.decode(text) for shard, text in replies.items()}

    def read_reports(self) -> dict[int, ShardReport]:
        """See ScoreStore."""

        def read() -> list[dict[bytes, bytes]]:
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.hgetall(self._progress_key)
                pipeline.hgetall(self._offsets_key)
                return cast("list[dict[bytes, bytes]]", pipeline.execute())

        totals, offsets = self._retry(read)
        return {
            int(shard): ShardReport.decode(text, offsets.get(shard), offsets.get(_TYPES + shard))
            for shard, text in totals.items()
        }

    def forget_skipped(self) -> None:
        """See ScoreStore."""
        fields = [
            f"{_SKIPPED}:{partition}:{first}:{end}"
            for partition, spans in self.read_skipped().items()
            for first, end in spans
        ]
        if fields:
            self._retry(lambda: cast("int", self._client.hdel(self._offsets_key, *fields)))

    def note_skipped(self, skipped: Mapping[int, tuple[int, int]]) -> None:
        """See ScoreStore. Fields beside those of the shards: skipped:PARTITION:FIRST:BEHIND_LAST."""
        fields = {f"{_SKIPPED}:{partition}:{first}:{end}": "" for partition, (first, end) in skipped.items()}
        if fields:
            self._retry(lambda: cast("int", self._client.hset(self._offsets_key, mapping=fields)))

    def read_skipped(self) -> dict[int, list[tuple[int, int]]]:
        """See ScoreStore."""
        found: dict[int, list[tuple[int, int]]] = {}
        for field in self._retry(lambda: cast("list[bytes]", self._client.hkeys(self._offsets_key))):
            kind, *numbers = field.decode().split(":")
            if kind == _SKIPPED:
                partition, first, end = map(int, numbers)
                found.setdefault(partition, []).append((first, end))
        return found

    def claim(self, claim: Claim) -> Recorded | None:
        """See ScoreStore."""
        arguments: list[Any] = [str(claim.shards), str(int(claim.unproven)), claim.job_id]
        arguments.append(segment_prefix(self._namespace))
        for shard, generation in claim.generations.items():
            report = claim.report(shard)
            arguments += [str(shard), str(generation), report.totals.encode(), report.encode_offsets()]
            arguments.append(report.encode_unknown_types())
        keys = job_key(self._namespace), self._progress_key, self._offsets_key, segments_key(self._namespace)
        reply = self._retry(lambda: cast("list[int]", self._client.eval(_CLAIM, len(keys), *keys, *arguments)))
        return Recorded(reply[0], reply[1]) if reply else None

    def recorded(self) -> Recorded:
        """See ScoreStore."""
        reply = self._retry(lambda: cast("dict[bytes, bytes]", self._client.hgetall(job_key(self._namespace))))
        generations = [int(value) for field, value in reply.items() if field.isdigit()]
        job_ids = reply.get(b"jobs", b"").decode().split()
        return Recorded(max(generations, default=0), int(reply.get(b"shards", 0)), tuple(job_ids))

    def declare_segments(self, definitions: Mapping[str, str]) -> int:
        """See ScoreStore."""
        return self._retry(lambda: declare(self._client, self._namespace, definitions))

    def segments(self) -> dict[str, str]:
        """See ScoreStore."""
        return self._retry(lambda: declared(self._client, self._namespace))

    def segment_members(self, segment: str) -> Iterator[tuple[str, int]]:
        """See ScoreStore. Raises as user_ids()."""
        fields = self._retry(lambda: cast("list[bytes]", self._client.hkeys(job_key(self._namespace))))
        try:
            for shard in sorted(int(field) for field in fields if field.isdigit()):
                key = segment_key(self._namespace, segment, shard)
                for user_id, since_ms in self._client.zscan_iter(key, count=BATCH_MAX):
                    yield user_id.decode(), int(since_ms)
        except redis.RedisError as error:
            raise self._given_up(error) from None

    def live_namespace(self) -> str:
        """See ScoreStore."""
        reply = self._retry(lambda: cast("bytes | None", self._client.get(LIVE_KEY)))
        return reply.decode() if reply else DEFAULT_NAMESPACE

    def promote(self, namespace: str) -> None:
        """See ScoreStore."""
        check_namespace(namespace)
        self._retry(lambda: switch(self._client, namespace))

    def previous_namespace(self) -> str:
        """See ScoreStore."""
        return self._retry(lambda: previous(self._client))

    def holds_anything(self) -> bool:
        """Whether a job has left scores or progress here. Looks at every key of Redis where there is neither."""
        return any(Progress.total(self.read_progress().values())) or next(self.user_ids(), None) is not None

    @contextmanager
    def submitting(self, at_most_s: float) -> Iterator[bool]:
        """Whether nobody else submits a job into the namespace; nobody else can until the block or `at_most_s` ends."""
        lock = self._client.lock(submission_key(self._namespace), timeout=at_most_s, blocking=False)
        alone = self._retry(lock.acquire)
        try:
            yield alone
        finally:
            if alone:
                with suppress(redis.RedisError):  # it has ended by itself, or will
                    lock.release()

    def memory(self) -> RedisMemory | None:
        """See ScoreStore. INFO, which managed services and ACLs leave open more often than CONFIG."""
        try:
            memory, stats = (cast("dict[str, Any]", self._client.info(section)) for section in ("memory", "stats"))
        except redis.RedisError:
            self._client.connection_pool.disconnect(inuse_connections=False)
            return None
        return RedisMemory.of(memory | stats)

    def close(self) -> None:
        """Close the connections; a later call makes new ones."""
        with self._turn:
            self._connection.disconnect()
        self._client.close()

    def _write_batch(
        self,
        values: Sequence[tuple[str, bytes]],
        progress: tuple[int, ShardReport] | None,
        meanwhile: Callable[[], object],
        members: SegmentWrite | None,
        *,
        begins: bool,
    ) -> Written:
        # Standalone Redis: one script call a batch. A cluster would want one a key, and the HSET on its own.
        if not values and progress is None:
            meanwhile()
            return Written(0, 0)
        prefix = self._prefix
        keys = [f"{prefix}{user_id}}}" for user_id, _ in values]
        reported: tuple[str | bytes, ...] = ("", "", b"", "")
        if progress is not None:
            keys += self._progress_key, self._offsets_key
            shard, report = progress
            reported = (str(shard), report.totals.encode(), report.encode_offsets(), report.encode_unknown_types())
        sweep = self._sweeps.next(members.shard, len(members.segments)) if members and values else (0, b"")
        lists, about = script_arguments(members, self._namespace, sweep)
        keys += lists
        if begins:  # a write that has begun is ended, so that offsets and values agree again
            keys.append(self._hold_key)
        arguments = [len(keys), *keys, self._ttl_ms, *reported, *about]
        if members is None:
            arguments += [value for _, value in values]
        else:
            arguments += [with_digest(value, row) for (_, value), row in zip(values, members.rows, strict=True)]
            arguments += members.rows
        once = _Once(meanwhile)  # however many attempts it takes
        accepted, outranked, *cursor = self._unless_held(lambda: self._retry(lambda: self._run_script(arguments, once)))
        if members is not None and cursor:
            self._sweeps.looked(members.shard, sweep[0], len(members.segments), cursor[0])
        return Written(accepted, outranked)

    def _unless_held(self, write: Callable[[], list[Any]]) -> list[Any]:
        """Repeat a write until no promotion holds the namespace (hold.py). Raises ServiceUnavailable if one stays."""
        reply = write()
        if reply[0] != _HELD:  # as nearly always
            return reply
        deadline_s = time.monotonic() + HELD_S_MAX
        while reply[0] == _HELD:
            if time.monotonic() > deadline_s:
                message = f"namespace {self._namespace} has been held for {HELD_S_MAX:g} s: delete {self._hold_key}"
                raise ServiceUnavailable(message)
            time.sleep(_HELD_POLL_S)
            reply = write()
        return reply

    def _run_script(self, arguments: list[Any], meanwhile: Callable[[], object]) -> list[Any]:
        with self._turn:
            try:
                return self._command(meanwhile, b"EVALSHA", _SCRIPT_SHA, *arguments)
            except redis.exceptions.NoScriptError:  # a new or restarted Redis; EVAL also loads it
                return self._command(do_nothing, b"EVAL", _SCRIPT, *arguments)

    def _command(self, meanwhile: Callable[[], object], *command: Any) -> list[Any]:
        connection = self._connection
        try:
            connection.send_packed_command(connection.pack_command(*command))
            meanwhile()
            return cast("list[Any]", connection.read_response())
        except redis.exceptions.NoScriptError:
            raise
        except BaseException:
            connection.disconnect()  # the next call must not read this one's answer, nor ask a Redis that was demoted
            raise

    def _user_id_pages(self) -> Iterator[list[str]]:
        prefix_bytes = len(self._prefix)
        pattern = f"{self._prefix}*}}"  # a namespace has no character that is special in a pattern
        cursor = -1
        try:
            with cast("redis.Redis", self._client.client()) as one_connection:  # type: ignore[no-untyped-call]
                while cursor != 0:
                    reply = one_connection.scan(max(cursor, 0), match=pattern, count=BATCH_MAX)
                    cursor, keys = cast("tuple[int, list[bytes]]", reply)
                    yield [key[prefix_bytes:-1].decode() for key in keys]
        except redis.RedisError as error:
            raise self._given_up(error) from None

    def _retry(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except redis.RedisError as error:  # entering tenacity would cost every call some 20 us
            if not is_transient(error):
                raise self._given_up(error) from None
        try:
            return self._retrying(lambda: self._anew(action))
        except redis.RedisError as error:
            raise self._given_up(error) from None

    def _anew(self, action: Callable[[], T]) -> T:
        """Not on a connection of the pool that was open before: see the class."""
        self._client.connection_pool.disconnect(inuse_connections=False)
        return action()

    def _given_up(self, error: redis.RedisError) -> Exception:
        """What to raise for an error that was not, or no longer, retried."""
        outage = unavailable(error, self._name)
        if outage is None:
            return error
        self.failed = True
        self.close()
        if is_refused(error):
            _log.error("%s", outage)  # every time: it looks like an outage, and lasts until somebody reads this
        return outage


def read_live_namespace(url: str, *, retry_s: float = RETRY_S) -> str:
    """The namespace that servers read from the Redis at `url`. Raises as RedisScoreStore does."""
    with closing(RedisScoreStore.connect(url, retry_s=retry_s)) as store:
        return store.live_namespace()


class _Once:
    """Does `action` when it is called first, and nothing when it is called again, also where the action raised."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def __call__(self) -> None:
        action, self._action = self._action, do_nothing
        action()


def _batches(values: Sequence[tuple[str, bytes]]) -> list[Sequence[tuple[str, bytes]]]:
    """Cut into parts of at most BATCH_MAX values and BATCH_BYTES_MAX, at least one; a larger value goes alone."""
    if len(values) <= BATCH_MAX and sum([len(value) for _, value in values]) <= BATCH_BYTES_MAX:
        return [values]  # as nearly always
    batches: list[Sequence[tuple[str, bytes]]] = []
    start = size = 0
    for index, (_, value) in enumerate(values):
        size += len(value)
        if index > start and (size > BATCH_BYTES_MAX or index - start == BATCH_MAX):
            batches.append(values[start:index])
            start, size = index, len(value)
    batches.append(values[start:])
    return batches
