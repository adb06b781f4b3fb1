"""Flink's side of the operator: keyed state, timers, counters and contexts in memory, without a JVM.

A test drives the real `ScoreBlocks` as a task thread does: blocks and due timers, one after the other. `open` again
drops the operator object and keeps state and timers, as a restart from a checkpoint does.
"""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

import jobs.operators.score_blocks
from driftline.metrics import JobGauge
from jobs.bundle import bundle_of
from jobs.lineage import Submission
from jobs.operators.score_blocks import ScoreBlocks
from jobs.settings import ScoreEventsSettings
from sink_connectors.in_memory_store import InMemoryScoreStore
from tests.builders import job_settings
from udfs.shards import KEYS
from udfs.timeline import ALL_READ_MS

GENERATION = 7


class KeyedBackend:
    """The state of every shard, by the name of the state and the shard's key, and the key at hand."""

    def __init__(self) -> None:
        self.key: int = 0
        self.maps: dict[str, dict[int, dict[Any, Any]]] = defaultdict(lambda: defaultdict(dict))
        self.values: dict[str, dict[int, Any]] = defaultdict(dict)
        self.accesses: Counter[str] = Counter()  # by name of the state and of the call


class FakeMapState:
    """The face of PyFlink's MapState over the backend's current key."""

    def __init__(self, backend: KeyedBackend, name: str) -> None:
        self._backend, self._name = backend, name

    def _here(self, call: str) -> dict[Any, Any]:
        self._backend.accesses[f"{self._name}.{call}"] += 1
        return self._backend.maps[self._name][self._backend.key]

    def get(self, key: Any) -> Any:
        return self._here("get").get(key)

    def put(self, key: Any, value: Any) -> None:
        self._here("put")[key] = value

    def put_all(self, entries: dict[Any, Any]) -> None:
        self._here("put_all").update(entries)

    def remove(self, key: Any) -> None:
        self._here("remove").pop(key, None)

    def contains(self, key: Any) -> bool:
        return key in self._here("contains")

    def keys(self) -> Iterator[Any]:
        return iter(list(self._here("keys")))

    def items(self) -> Iterator[tuple[Any, Any]]:
        return iter(list(self._here("items").items()))

    def is_empty(self) -> bool:
        return not self._here("is_empty")


class FakeValueState:
    """The face of PyFlink's ValueState over the backend's current key."""

    def __init__(self, backend: KeyedBackend, name: str) -> None:
        self._backend, self._name = backend, name

    def value(self) -> Any:
        return self._backend.values[self._name].get(self._backend.key)

    def update(self, value: Any) -> None:
        self._backend.values[self._name][self._backend.key] = value

    def clear(self) -> None:
        self._backend.values[self._name].pop(self._backend.key, None)


class _Counter:
    def __init__(self, counts: Counter[str], name: str) -> None:
        self._counts, self._name = counts, name

    def inc(self, number: int = 1) -> None:
        self._counts[self._name] += number


class _Distribution:
    """Holds what it was last told: a gauge."""

    def __init__(self, counts: Counter[str], name: str) -> None:
        self._counts, self._name = counts, name

    def update(self, value: int) -> None:
        self._counts[self._name] = value


class _Metrics:
    """Counts by name; those of a group that was given a value by name{group=value}, as Prometheus shows them."""

    def __init__(self, counts: Counter[str], label: str = "") -> None:
        self._counts, self._label = counts, label

    def add_group(self, name: str, value: str | None = None) -> _Metrics:
        return self if value is None else _Metrics(self._counts, f"{{{name}={value}}}")

    def counter(self, name: str) -> _Counter:
        return _Counter(self._counts, name + self._label)

    def gauge(self, *_: Any) -> None:
        pass

    def distribution(self, name: str) -> _Distribution:
        return _Distribution(self._counts, name)


class FakeRuntimeContext:
    """What `open` is given."""

    def __init__(self, backend: KeyedBackend, counts: Counter[str]) -> None:
        self.backend, self._counts = backend, counts

    def get_map_state(self, descriptor: Any) -> FakeMapState:
        return FakeMapState(self.backend, descriptor.name)

    def get_state(self, descriptor: Any) -> FakeValueState:
        return FakeValueState(self.backend, descriptor.name)

    def get_metrics_group(self) -> _Metrics:
        return _Metrics(self._counts)


class FakeSubtask:
    """The face of jobs.flink.subtask.Subtask: the one subtask of a job, with every key."""

    job_id = "00" * 16
    keys = KEYS

    def __init__(self, context: FakeRuntimeContext) -> None:
        self._backend = context.backend

    def select(self, key: int) -> None:
        self._backend.key = key


class _Timers:
    def __init__(self, timers: set[tuple[int, int]], key: int, watermark_ms: int) -> None:
        self._timers, self._key, self._watermark_ms = timers, key, watermark_ms

    def current_watermark(self) -> int:
        return self._watermark_ms

    def register_processing_time_timer(self, at_ms: int) -> None:
        self._timers.add((at_ms, self._key))


class FakeContext:
    """What `process_element` and `on_timer` are given."""

    def __init__(self, key: int, timers: set[tuple[int, int]], watermark_ms: int) -> None:
        self._key, self._timers, self._watermark_ms = key, timers, watermark_ms

    def get_current_key(self) -> int:
        return self._key

    def timer_service(self) -> _Timers:
        return _Timers(self._timers, self._key, self._watermark_ms)


class Task:
    """A task thread with one operator: `block` gives it a block, `advance` lets the clock go on and fires timers.

    Attributes:
        backend, timers: what a checkpoint keeps; timers are (time, shard's key).
        store: the score store, which outlives the operator.
        counts: of every counter by name, since the operator was opened.
        now_ms: the task's wall clock.
        watermark_ms: Flink's; by default no partition holds anything back, from the first block on.
        catalogues: what was written of the names that are served, once an opening.
        mails: how many calls of `on_timer` each firing made: Flink fires the timers of one time in one go.
    """

    def __init__(self, patch: pytest.MonkeyPatch, now_ms: int, **settings: Any) -> None:
        self.settings: ScoreEventsSettings = job_settings(**settings)
        self.backend = KeyedBackend()
        self.timers: set[tuple[int, int]] = set()
        self.store = InMemoryScoreStore()
        self.submission = Submission(GENERATION, restored=False)
        self.now_ms = now_ms
        self.watermark_ms = ALL_READ_MS
        self.mails: list[int] = []
        self.catalogues: list[bytes] = []
        patch.setattr(jobs.operators.score_blocks, "_score_store", lambda *_: self.store)
        patch.setattr(
            jobs.operators.score_blocks, "_put_catalogue", lambda _, document: self.catalogues.append(document)
        )
        patch.setattr(jobs.operators.score_blocks, "wall_clock_ms", lambda: self.now_ms)
        patch.setattr(jobs.operators.score_blocks, "followers_of", lambda *_, **__: {"purchase_propensity": _NoModel()})
        patch.setattr(jobs.operators.score_blocks, "Subtask", FakeSubtask)
        patch.setattr(jobs.operators.score_blocks, "MapStateDescriptor", _Descriptor)
        patch.setattr(jobs.operators.score_blocks, "StateTtlConfig", _Anything())
        patch.setattr(jobs.operators.score_blocks, "Time", _Anything())
        patch.setattr(jobs.operators.score_blocks, "GC_THRESHOLD", gc.get_threshold())  # of this process, for good
        self.open()

    def open(self, **changed: Any) -> None:
        """Open an operator over the state at hand, with other settings where given."""
        self.settings = self.settings.model_copy(update=changed)
        self.counts: Counter[str] = Counter()
        self.operator = ScoreBlocks(self.settings, self.submission, bundle_of(self.settings))
        self.operator.open(FakeRuntimeContext(self.backend, self.counts))
        if self.watermark_ms == ALL_READ_MS:
            self.operator._watermarks = dict.fromkeys(KEYS, ALL_READ_MS)

    def block(self, key: int, columns: Any) -> list[Any]:
        """Process a block of a shard; the columns are those of `udfs.block.Block`."""
        self.backend.key = key
        return list(self.operator.process_element(columns, FakeContext(key, self.timers, self.watermark_ms)))

    def fire(self) -> list[Any]:
        """Fire the timers of the earliest time, if it has come, in one go; returns what the operator put out."""
        due = sorted(timer for timer in self.timers if timer[0] <= self.now_ms)
        outputs: list[Any] = []
        calls = 0
        while due:
            at_ms, key = due[0]
            self.timers.remove(due[0])
            self.backend.key = key
            outputs += self.operator.on_timer(at_ms, FakeContext(key, self.timers, self.watermark_ms))
            calls += 1
            due = sorted(timer for timer in self.timers if timer[0] <= at_ms)
        self.mails.append(calls)
        return outputs

    def advance(self, until_ms: int) -> list[Any]:
        """Let the clock go on, stopping at every timer; returns what the timers put out."""
        outputs: list[Any] = []
        while self.timers and min(self.timers)[0] <= until_ms:
            self.now_ms = max(self.now_ms, min(self.timers)[0])
            outputs += self.fire()
        self.now_ms = max(self.now_ms, until_ms)
        return outputs


class _Descriptor:
    def __init__(self, name: str, *_: Any) -> None:
        self.name = name

    def enable_time_to_live(self, _: Any) -> None:
        pass


class _NoModel:
    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self) -> None:
        return None

    def open(self) -> None:
        pass

    def gauges(self) -> dict[JobGauge, int]:
        return {JobGauge.MODEL_PRESENT: 0, JobGauge.MODEL_LOOK_AGE_S: 0}


class _Anything:
    def __getattr__(self, _: str) -> Any:
        return lambda *_a, **_k: self
