"""Which copies of a job's state are needed, and what is deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.flink_rest import FlinkRest, Job
from console.local.checkpoints import Kept, list_kept, prune, remember_job
from console.local.home import Home
from console.settings import StackSettings
from driftline.errors import ServiceUnavailable

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


class Disk:
    """A home with copies of state in it; each is younger than the one before."""

    def __init__(self, home: Path) -> None:
        self.settings: StackSettings = StackSettings.load(home=home)
        self.flink = Home(home).folder("flink")
        self._clock = 1_000_000_000

    def checkpoint(self, job_id: str, *numbers: int, complete: bool = True) -> Path:
        for number in numbers:
            self._copy(self.flink / "checkpoints" / job_id / f"chk-{number}", complete)
        (self.flink / "checkpoints" / job_id / "shared").mkdir(exist_ok=True)
        return self.flink / "checkpoints" / job_id

    def savepoint(self, job_id: str, name: str) -> Path:
        return self._copy(self.flink / "savepoints" / f"savepoint-{job_id[:6]}-{name}", complete=True)

    def _copy(self, folder: Path, complete: bool) -> Path:
        folder.mkdir(parents=True)
        (folder / "state").write_bytes(bytes(1_000))
        self._clock += 60
        if complete:
            (folder / "_metadata").write_bytes(bytes(24))
            os.utime(folder / "_metadata", (self._clock, self._clock))
        return folder

    def needed(self) -> dict[Path, str]:
        return {kept.folder: kept.needed for kept in list_kept(self.settings)}

    def prune(self) -> set[Path]:
        return {kept.folder for kept in prune(self.settings)}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "home")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, str, str]]:
    """What the cluster knows: name, state, and what was restored, by id. Empty: nothing answers."""
    known: dict[str, tuple[str, str, str]] = {}

    def overview(flink: FlinkRest) -> list[Job]:
        if not known:
            message = f"{flink.url} does not answer"
            raise ServiceUnavailable(message)
        return [Job(job_id, name, state) for job_id, (name, state, _) in known.items()]

    monkeypatch.setattr(FlinkRest, "jobs", overview)
    monkeypatch.setattr(FlinkRest, "restored_from", lambda _, job_id: known[job_id][2])
    return known


@pytest.mark.usefixtures("jobs")
def test_the_newest_of_each_namespace_stays(disk: Disk) -> None:
    for job_id, namespace in ((A, "main"), (B, "main"), (C, "rebuild")):
        remember_job(disk.settings, job_id, "score-events", namespace)
    old = disk.checkpoint(A, 3, 4)
    older = disk.savepoint(A, "0001")
    newest, other = disk.checkpoint(B, 7), disk.savepoint(C, "0002")
    assert disk.needed() == {old: "", older: "", newest: "newest", other: "newest"}
    listed = {kept.folder: kept for kept in list_kept(disk.settings)}
    assert listed[old].path == old / "chk-4"
    assert listed[old].job == "score-events main"
    assert listed[old].size_bytes == 2 * 1_024
    assert listed[older].job_id == A
    assert disk.prune() == {old, older}
    assert not old.exists()
    assert (newest / "chk-7" / "_metadata").is_file()
    assert other.exists()
    assert disk.prune() == set()


def test_what_a_running_job_has_and_was_restored_from_stays(disk: Disk, jobs: dict[str, tuple[str, str, str]]) -> None:
    source, between = disk.savepoint(A, "0001"), disk.savepoint(A, "0002")
    running, newest = disk.checkpoint(B, 1), disk.savepoint(C, "0003")
    jobs[B] = ("score-events main", "RESTARTING", f"file:{source}")
    for job_id in (A, C):
        jobs[job_id] = ("score-events main", "FINISHED", "")
    assert disk.needed() == {
        source: "restored by a running job",
        between: "",
        running: "running",
        newest: "newest",
    }
    assert disk.prune() == {between}


@pytest.mark.usefixtures("jobs")
def test_nothing_is_taken_for_a_copy_that_was_not_completed(disk: Disk) -> None:
    remember_job(disk.settings, A, "score-events", "main")
    whole, broken = disk.checkpoint(A, 1), disk.checkpoint(B, 9, complete=False)
    remember_job(disk.settings, B, "score-events", "main")
    assert disk.needed() == {broken: "", whole: "newest"}


@pytest.mark.usefixtures("jobs")
def test_a_job_that_nobody_remembers_keeps_its_newest(disk: Disk) -> None:
    one, other = disk.checkpoint(A, 1), disk.checkpoint(B, 1)
    assert disk.needed() == {one: "newest", other: "newest"}
    assert {kept.job for kept in list_kept(disk.settings)} == {""}


@pytest.mark.usefixtures("jobs")
def test_a_cluster_elsewhere_that_does_not_answer_is_no_reason_to_delete(disk: Disk) -> None:
    disk.checkpoint(A, 1)
    elsewhere = disk.settings.model_copy(update={"flink_rest": "http://flink:8081"})
    with pytest.raises(ServiceUnavailable):
        prune(elsewhere)
    remember_job(elsewhere, A, "score-events", "main")
    assert not (disk.flink / "jobs").exists()


def test_an_empty_home_has_none(tmp_path: Path, jobs: dict[str, tuple[str, str, str]]) -> None:
    jobs[A] = ("score-events main", "RUNNING", "")
    kept: list[Kept] = list_kept(StackSettings.load(home=tmp_path / "new"))
    assert kept == []
