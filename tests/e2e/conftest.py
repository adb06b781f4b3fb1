"""One stack for all tests of this folder, the history they share, and the scores that every run of it must give."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.jsonlines import parse_event
from driftline.models import ModelFolder
from tests.builders import DAY, SECOND
from tests.e2e.namespace import LIVE, Counters, Namespace
from tests.e2e.sessions import ended_sessions, final_sessions
from tests.e2e.stack import UP, RealStack, eventually

EVENTS = 20_000
SIMULATED = ("--users", "1500", "--events", str(EVENTS), "--seed", "11")
_STACK = pytest.StashKey[RealStack]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ends of the stack's logs with a failure."""
    report = yield
    stack = item.config.stash.get(_STACK, None)
    if report.failed and stack is not None:
        report.sections.append(("logs of the stack", stack.log_tails()))
    return report


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[RealStack]:
    """A stack of two TaskManagers that nobody has started yet. It leaves no process behind."""
    made = pytestconfig.stash[_STACK] = RealStack(tmp_path_factory.mktemp("e2e") / "home")
    try:
        yield made
    finally:
        left = made.down()
    assert not left, f"driftline down left processes behind: {left}"


@pytest.fixture(scope="session")
def starting(installed: RealStack) -> Iterator[subprocess.Popen[str]]:
    """`driftline up`, which takes its time: what needs no service can be done meanwhile."""
    command = installed.begin(*UP)
    yield command
    if command.poll() is None:
        command.terminate()
        command.communicate()


@pytest.fixture(scope="session")
def stack(installed: RealStack, starting: subprocess.Popen[str]) -> RealStack:
    """The stack, running."""
    installed.end(starting)
    return installed


@dataclass(frozen=True)
class History:
    """The same events three times: as they happened, as a bad network would bring them, and with days of delay."""

    in_order: Path
    shuffled: Path
    days_late: Path

    @property
    def lines(self) -> list[str]:
        """The events in order, one JSON line each."""
        return self.in_order.read_text().splitlines(keepends=True)

    def events(self) -> list[UserEvent]:
        """The events in order."""
        return [parse_event(line.encode()) for line in self.lines]

    @staticmethod
    def repeats_in(file: Path) -> int:
        """How many events a file repeats."""
        return len(file.read_text().splitlines()) - EVENTS


@pytest.fixture(scope="session")
def history(installed: RealStack, starting: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory) -> History:
    """20,000 events of up to 1,500 shoppers."""
    folder = tmp_path_factory.mktemp("history")
    made = History(*(folder / f"{name}.jsonl" for name in ("in-order", "shuffled", "days-late")))
    installed.driftline("simulate", *SIMULATED, "--out", str(made.in_order))
    for file, delay_ms in ((made.shuffled, 30 * SECOND), (made.days_late, 3 * DAY)):
        disorder = ("--disorder-ms", str(delay_ms), "--duplicates", "0.1")
        installed.driftline("simulate", *SIMULATED, *disorder, "--out", str(file))
    return made


@pytest.fixture(scope="session")
def model_version(installed: RealStack, history: History) -> str:
    """A model, trained on the history: the current one of every job, unless a test says otherwise."""
    installed.driftline("train", "--events", str(history.in_order))
    return ModelFolder(installed.settings.models_dir).current_version()


@dataclass(frozen=True)
class Reference:
    """The live namespace right after the history in order: what other runs of it are compared with."""

    live: Namespace
    counters: Counters
    export: str
    sessions: dict[str, ClosedSession]


@pytest.fixture(scope="session")
def reference(history: History, model_version: str, stack: RealStack) -> Reference:
    """The history in order, through the live namespace. Needs the model, which is part of the scores."""
    assert model_version
    live = Namespace(stack, LIVE)
    live.publish(history.in_order)
    live.submit()
    counters = live.drain()
    ended = ended_sessions(history.events())
    sessions = eventually(lambda: final_sessions(live), lambda found: found.keys() == ended.keys(), "sessions end")
    return Reference(live, counters, live.export(), sessions)


@pytest.fixture(scope="session")
def edges(stack: RealStack, model_version: str) -> Namespace:
    """A namespace whose sessions end after three seconds, for small, known traffic; its job may not run."""
    assert model_version
    times = {"session_gap_ms": 3_000, "disorder_ms": 1_000, "dedupe_horizon_ms": 60_000, "user_ttl_ms": 600_000}
    return Namespace(stack, "edges", times)
