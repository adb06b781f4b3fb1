import dataclasses
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from console.local import process
from console.local.process import ProcessRecord, exit_code, load_record, load_records, record_path, spawn, stop
from driftline.errors import StackError
from tests.redis_server import wait_until


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "run"
    folder.mkdir()
    yield folder
    stop(load_records(folder))


def start(run: Path, *command: str, name: str = "sleeper") -> ProcessRecord:
    return spawn(name, command or ("sleep", "600"), env={}, console=run.parent / f"{name}.out", run=run, port=1)


def test_a_record_leads_back_to_its_process(run: Path) -> None:
    record = start(run)
    assert load_record(run, "sleeper") == record
    found = record.process()
    assert found is not None
    assert found.pid == record.pid


def test_the_process_has_a_session_of_its_own(run: Path) -> None:
    assert os.getsid(start(run).pid) != os.getsid(0)


def test_a_process_that_ended_is_gone_although_nobody_waited_for_it(run: Path) -> None:
    record = start(run, sys.executable, "-c", "raise SystemExit(3)")
    wait_until(lambda: record.process() is None)
    assert exit_code(record.pid) == 3


def test_a_reused_pid_is_not_ours_and_is_never_signalled(run: Path) -> None:
    record = start(run)
    impostor = dataclasses.replace(record, created_s=record.created_s - 60)
    assert impostor.process() is None
    assert stop([impostor]) == []
    assert record.process() is not None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_record_counts_as_none(run: Path, content: str) -> None:
    record_path(run, "sleeper").write_text(content)
    assert load_record(run, "sleeper") is None
    assert load_records(run) == []


def test_stop_returns_only_what_was_running(run: Path) -> None:
    alive, dead = start(run, name="alive"), start(run, "true", name="dead")
    wait_until(lambda: dead.process() is None)
    assert stop([alive, dead]) == [alive]
    assert alive.process() is None


def test_a_process_that_ignores_sigterm_is_killed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TERMINATE_WAIT_S", 0.2)
    record = start(run, "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
    wait_until(lambda: b"deaf" in (run.parent / "sleeper.out").read_bytes())
    stop([record])
    assert record.process() is None


def test_descendants_do_not_outlive_their_parent(run: Path) -> None:
    record = start(run, "sh", "-c", "sleep 600 & echo $!; wait")
    console = run.parent / "sleeper.out"
    wait_until(lambda: console.read_text().strip() != "")
    child = int(console.read_text())
    stop([record])
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_command_that_does_not_exist_is_one_line(run: Path) -> None:
    with pytest.raises(StackError, match="cannot start sleeper: /no/such/program"):
        start(run, "/no/such/program")


def test_the_console_of_the_last_run_is_kept(run: Path) -> None:
    for word in ("first", "second"):
        record = start(run, "echo", word)
        wait_until(lambda record=record: record.process() is None)  # type: ignore[misc]
    assert (run.parent / "sleeper.out").read_text() == "second\n"
    assert (run.parent / "sleeper.out.1").read_text() == "first\n"


def test_the_recorded_time_is_that_of_the_process(run: Path) -> None:
    assert abs(start(run).created_s - time.time()) < 60


def test_what_a_service_writes_is_its_owners_alone(run: Path) -> None:
    record = start(run, "touch", str(run.parent / "written"))
    wait_until(lambda: record.process() is None)
    assert stat.S_IMODE((run.parent / "written").stat().st_mode) == 0o600
