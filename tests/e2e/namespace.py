"""One run of score-events: a namespace of scores, the topics it reads and writes, and its traffic."""

from __future__ import annotations

import difflib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from console.local.topics import topics
from sink_connectors.score_store import Progress, RedisScoreStore
from tests.e2e import records
from tests.e2e.stack import COMMAND_S_MAX, RealStack

LIVE = "main"  # the namespace that the gRPC server reads, with the topics that `driftline up` made
DIFFERENCES_SHOWN = 10
_TRICKLE_EVENTS, _TRICKLE_S = 25, 0.05


class Counters(NamedTuple):
    """What `driftline drain` prints."""

    published: int
    processed: int
    accepted: int
    duplicate: int
    late: int
    dead_letter: int

    @classmethod
    def parse(cls, line: str) -> Counters:
        found = dict(re.findall(r"(\w+)=(\d+)", line))
        return cls(**{name: int(found[name]) for name in cls._fields})


@dataclass
class Namespace:
    """A namespace and its topics; what is done with it goes through the command line."""

    stack: RealStack
    name: str
    job_settings: Mapping[str, object] = field(default_factory=dict)
    events_format: str = "protobuf"
    job_id: str = ""

    def __post_init__(self) -> None:
        ours = topics(self.stack.settings)
        if self.name != LIVE:
            records.create(self.stack.settings, {f"{self.name}.{topic}": config for topic, config in ours.items()})

    def topic(self, contract_name: str) -> str:
        """This namespace's topic of that kind, by the name that the contract gives the live one."""
        return contract_name if self.name == LIVE else f"{self.name}.{contract_name}"

    def submit(self, parallelism: int = 1, savepoint: str = "", **more: object) -> str:
        """Submit the job and return its id; without a savepoint it begins from nothing, also if it has run before."""
        resumed = ["--from-savepoint", savepoint] if savepoint else ["--from-nothing"] if self.job_id else []
        settings = [part for name, value in more.items() for part in ("--set", f"{name}={value}")]
        self.job_id = self.stack.submit(*self.arguments, *settings, *resumed, parallelism=parallelism)
        return self.job_id

    @property
    def arguments(self) -> list[str]:
        """What `driftline submit` is told of this namespace."""
        return [part for name, value in self.given.items() for part in ("--set", f"{name}={value}")]

    @property
    def given(self) -> dict[str, object]:
        """The settings of its job that have not their defaults."""
        settings = dict(self.job_settings)
        if self.name != LIVE:
            settings |= {"namespace": self.name, "group_id": f"driftline-{self.name}"}
            kinds = {"events": "events", "dead_letter": "events.dead-letter", "late": "events.late"}
            kinds |= {"sessions": "sessions", "scores": "scores", "segments": "segments"}
            settings |= {f"{setting}_topic": self.topic(kind) for setting, kind in kinds.items()}
        return settings

    def ensure_job(self) -> str:
        """Submit the job unless it runs, and return its id."""
        return self.job_id if self.job_id and self.stack.runs(self.job_id) else self.submit()

    def publish(self, file: Path) -> None:
        """`driftline publish FILE`."""
        self.stack.driftline("publish", str(file), env=self.env)

    def drain(self, exit_code: int = 0, timeout_s: float = 120.0) -> Counters:
        """`driftline drain`."""
        arguments = ["drain", "--timeout", str(timeout_s), *self._named]
        return Counters.parse(self.stack.driftline(*arguments, exit_code=exit_code, env=self.env))

    def stop(self) -> str:
        """`driftline stop`: returns the savepoint."""
        return savepoint_of(self.stack.driftline("stop", "score-events", "--namespace", self.name))

    def export(self) -> str:
        """`driftline export-scores`."""
        return self.stack.driftline("export-scores", *self._named)

    def scores(self) -> dict[str, dict[str, Any]]:
        """The export, by user."""
        return {line["userId"]: line for line in map(json.loads, self.export().splitlines())}

    def store(self) -> RedisScoreStore:
        """The namespace in Redis, for a look behind the commands."""
        return RedisScoreStore.connect(self.stack.settings.redis_address, namespace=self.name, retry_s=5.0)

    def processed(self) -> int:
        """How many events the job says it has processed; `driftline drain` shows the same, a second later."""
        store = self.store()
        try:
            return Progress.total(store.read_progress().values()).events
        finally:
            store.close()

    @property
    def env(self) -> dict[str, str]:
        """What tells the commands about the topic."""
        return {"DRIFTLINE_EVENTS_TOPIC": self.topic("events"), "DRIFTLINE_EVENTS_FORMAT": self.events_format}

    @property
    def _named(self) -> tuple[str, ...]:
        return () if self.name == LIVE else ("--namespace", self.name)


class Feed:
    """`driftline publish -`, fed bit by bit. What was not sent when the block ends is sent then."""

    def __init__(self, namespace: Namespace, lines: Sequence[str]) -> None:
        self._lines = list(lines)
        self._stack = namespace.stack
        self._publish = self._stack.begin("publish", "-", env=namespace.env)
        self.sent = 0

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._publish.kill()
            self._publish.communicate()
            return
        self.send(len(self._lines))
        self._stack.end(self._publish)

    def send(self, count: int) -> None:
        """Send so many more events."""
        assert self._publish.stdin is not None
        batch = self._lines[self.sent : self.sent + count]
        self._publish.stdin.writelines(batch)
        self._publish.stdin.flush()
        self.sent += len(batch)

    def trickle(self, until: Callable[[], bool], what: str, events_max: int) -> None:
        """Send some hundred events a second, not beyond `events_max` in total, until something holds."""
        deadline_s = time.monotonic() + COMMAND_S_MAX
        while not until():
            assert time.monotonic() < deadline_s, f"{what}: not after {COMMAND_S_MAX:g} s; sent: {self.sent}"
            self.send(min(_TRICKLE_EVENTS, events_max - self.sent))
            time.sleep(_TRICKLE_S)


def savepoint_of(output: str) -> str:
    """The path that `driftline stop` printed; it exists."""
    path = output.strip()
    assert (Path(path.removeprefix("file:")) / "_metadata").is_file(), output
    return path


def assert_same_scores(found: str, expected: str) -> None:
    """Fail with the first differing lines unless the exports are equal byte for byte."""
    if found != expected:
        lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), "expected", "found", n=0, lineterm="")
        raise AssertionError("\n".join(["the scores differ:", *islice(lines, 2 * DIFFERENCES_SHOWN)]))
