"""The stack's rules, with services that are nothing but `sleep`."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from console.local import Stack, start
from console.local.home import Home
from console.local.ports import PortClaim, free_ports
from console.local.process import ProcessRecord, load_record
from console.local.service import Launch, NotReady, Service
from console.settings import StackSettings
from driftline.errors import ServiceUnavailable, StackError
from tests.redis_server import wait_until


class Sleeper(Service):
    """A service that answers as soon as its process runs."""

    address = "nowhere"
    external = False
    claim: PortClaim | None = None
    command: Sequence[str] = ("sleep", "600")
    answers = True

    def __init__(self, settings: StackSettings, name: str) -> None:
        super().__init__(settings, Home(settings.home))
        self.name = name

    def prepare(self) -> None:
        pass

    def launch(self) -> Launch:
        return Launch(self.command, self.claim.port if self.claim else 0)

    def probe(self, record: ProcessRecord | None) -> None:
        if not self.answers:
            message = "busy"
            raise NotReady(message)


class Local:
    """A stack of two sleepers."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings: StackSettings = StackSettings.load(home=home)
        self.home = Home(home)
        self.first, self.second = Sleeper(settings, "first"), Sleeper(settings, "second")
        self.stack = Stack(settings)
        monkeypatch.setattr(self.stack, "_services", lambda _: [self.first, self.second])
        monkeypatch.setattr(start, "await_topics", lambda *_: None)

    def pid(self, name: str) -> int:
        record = load_record(self.home.run, name)
        assert record is not None
        return record.pid

    def states(self) -> list[str]:
        return [service.state for service in self.stack.status()]


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    made = Local(tmp_path / "home", monkeypatch)
    yield made
    made.stack.down()


def test_up_starts_everything_once(local: Local) -> None:
    assert local.stack.up() == ["first", "second"]
    assert local.states() == ["running", "running"]
    assert local.stack.up() == []


def test_up_replaces_only_what_died(local: Local) -> None:
    local.stack.up()
    survivor = local.pid("second")
    os.kill(local.pid("first"), signal.SIGKILL)
    wait_until(lambda: local.states() == ["stopped", "running"])
    assert local.stack.up() == ["first"]
    assert local.pid("second") == survivor


def test_down_stops_everything_and_may_be_repeated(local: Local) -> None:
    local.stack.up()
    assert sorted(local.stack.down()) == ["first", "second"]
    assert local.states() == ["stopped", "stopped"]
    assert local.stack.down() == []


def test_down_without_a_home_makes_none(local: Local) -> None:
    assert local.stack.down(purge=True) == []
    assert not local.home.path.exists()


def test_a_service_that_dies_while_starting_is_reported_with_its_last_words(local: Local) -> None:
    local.second.command = (sys.executable, "-c", "print('no disk'); raise SystemExit(7)")
    local.second.answers = False
    with pytest.raises(StackError, match=r"second stopped while starting \(exit code 7\).*\nno disk"):
        local.stack.up()
    assert local.states() == ["stopped", "stopped"]


def test_a_failed_up_leaves_what_ran_before(local: Local) -> None:
    local.stack.up()
    survivor = local.pid("first")
    os.kill(local.pid("second"), signal.SIGKILL)
    wait_until(lambda: local.states() == ["running", "stopped"])
    local.second.command = ("/no/such/program",)
    with pytest.raises(StackError, match="cannot start second"):
        local.stack.up()
    assert local.pid("first") == survivor
    assert local.states() == ["running", "stopped"]


def test_a_service_that_never_answers_is_an_error_that_names_its_log(local: Local) -> None:
    local.second.answers = False
    local.second.answers_s_max = 0.1
    with pytest.raises(StackError, match=r"second runs but does not answer: busy; see .*second\.log"):
        local.stack.up()
    assert local.states() == ["stopped", "stopped"]


def test_a_taken_port_stops_up_before_anything_starts(local: Local) -> None:
    (port,) = free_ports(1)
    local.first.claim = local.second.claim = PortClaim(port, "DRIFTLINE_X_PORT")
    with pytest.raises(StackError, match="DRIFTLINE_X_PORT"):
        local.stack.up()
    assert not local.home.run.exists()


def test_a_running_service_does_not_move_to_another_port(local: Local) -> None:
    local.first.claim = PortClaim(free_ports(1)[0], "DRIFTLINE_X_PORT")
    local.stack.up()
    local.first.claim = PortClaim(1, "DRIFTLINE_X_PORT")
    with pytest.raises(StackError, match=r"but DRIFTLINE_X_PORT is 1; run driftline down first"):
        local.stack.up()


def test_an_existing_service_is_only_looked_at(local: Local) -> None:
    local.first.external = True
    assert local.stack.up() == ["second"]
    assert local.states() == ["external", "running"]
    local.first.answers = False
    assert local.states() == ["unreachable", "running"]
    with pytest.raises(ServiceUnavailable, match="first at nowhere does not answer: busy"):
        local.stack.up()


def test_watch_reports_a_death_and_not_a_stop(local: Local) -> None:
    local.stack.up()
    os.kill(local.pid("second"), signal.SIGKILL)
    with pytest.raises(StackError, match=r"second stopped unexpectedly \(signal 9\)"):
        local.stack.watch()
    local.stack.down()
    local.stack.watch()


def test_a_stale_record_is_replaced_and_its_pid_left_alone(local: Local, tmp_path: Path) -> None:
    local.stack.up()
    record = load_record(local.home.run, "first")
    assert record is not None
    path = local.home.run / "first.json"
    path.write_text(path.read_text().replace(str(record.created_s), "1.0"))
    assert local.states() == ["stopped", "running"]
    assert local.stack.up() == ["first"]
    assert record.process() is not None, "a process that no record names is not ours to stop"
    os.kill(record.pid, signal.SIGKILL)


def test_purge_needs_no_running_stack(local: Local) -> None:
    local.stack.up()
    said: list[str] = []
    report: Callable[[str], None] = said.append
    local.stack.down(purge=True, report=report)
    assert any(line.startswith("deleted ") for line in said)
    assert not local.home.run.exists()
