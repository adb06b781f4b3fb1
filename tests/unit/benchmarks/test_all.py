from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import all as bench
from benchmarks.all import PARTS, Outcome, Part
from benchmarks.checks import at_most
from benchmarks.topic_runs import put_between


def ended(part: str, minutes: float, failed: str = "") -> Outcome:
    return Outcome(part, "2026-01-01 00:00 UTC", minutes, failed)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of results, an empty one."""

    def file(name: str) -> Path:
        return tmp_path / f"{name}.json"

    def saved(name: str) -> dict[str, Any]:
        return dict(json.loads(file(name).read_text())) if file(name).exists() else {}

    monkeypatch.setattr(bench, "result_file", file)
    monkeypatch.setattr(bench, "saved", saved)
    return tmp_path


SERVING = {"what": "p99", "value": 1.2, "required": "<= 1.5", "met": True}


def test_every_part_is_a_program() -> None:
    for key in PARTS:
        done = subprocess.run([sys.executable, "-c", f"import benchmarks.{key} as part; part.main"], check=False)
        assert done.returncode == 0


def test_all_of_it_is_meant_to_take_less_than_an_hour() -> None:
    assert bench.remaining_minutes(list(PARTS.values()), []) < 60


def test_a_machine_half_as_fast_takes_twice_the_time() -> None:
    first, *rest = PARTS.values()
    slow = [ended(first.key, 2 * first.minutes)]
    assert bench.remaining_minutes(rest, slow) == pytest.approx(2 * sum(part.minutes for part in rest))


def test_a_part_that_failed_at_once_says_nothing_about_the_pace() -> None:
    first, *rest = PARTS.values()
    broken = [ended(first.key, 0.1, "ended with exit code 1")]
    assert bench.remaining_minutes(rest, broken) == pytest.approx(sum(part.minutes for part in rest))


def test_a_part_without_figures_is_not_met(results: Path) -> None:
    (check,) = bench.checks_of(PARTS["suite"], [])
    assert not check.met


def test_a_part_that_failed_is_not_met_whatever_it_kept(results: Path) -> None:
    (results / "serving.json").write_text(json.dumps({"checks": [SERVING]}))
    serving = PARTS["serving"]
    assert [check.met for check in bench.checks_of(serving, [ended("serving", 1)])] == [True]
    found = bench.checks_of(serving, [ended("serving", 1, "ended with exit code 1")])
    assert [check.met for check in found] == [False, True]


def test_a_server_that_was_not_judged_is_not_met(results: Path) -> None:
    (results / "serving.json").write_text(json.dumps({"checks": []}))
    assert [check.met for check in bench.checks_of(PARTS["serving"], [ended("serving", 1)])] == [False]


def test_a_part_that_fails_keeps_nobody_from_running_and_nothing_of_before(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (results / "job.json").write_text("{}")
    monkeypatch.setattr(sys, "executable", "false")  # a program that fails whatever it is given
    outcomes = bench.run_parts([PARTS["job"], PARTS["scaling"]])
    assert [outcome.failed for outcome in outcomes] == ["ended with exit code 1"] * 2
    assert not (results / "job.json").exists()
    assert "part 2 of 2: scaling" in capfd.readouterr().out


def test_a_part_that_hangs_is_ended(results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hangs))
    part = Part(key="job", minutes=0.001, checks=lambda _: [])
    (outcome,) = bench.run_parts([part])
    assert outcome.failed == "took too long"


def test_a_part_is_ended_with_the_run(results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    program = tmp_path / "program"
    # It ends its parent, this process, and waits for what that makes of it.
    trap = f"trap 'touch {ended}; exit 1' TERM"
    program.write_text(f"#!/bin/sh\n{trap}\nkill -TERM $PPID\nwhile :; do sleep 0.05; done\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(SystemExit):
        bench.run_parts([PARTS["job"]])
    assert ended.exists()


def test_the_summary_ends_with_what_is_not_met(results: Path) -> None:
    met, missed = at_most("bytes", 1, 2), at_most("seconds", 3, 2)
    shown = bench.summary([met, missed], [ended("suite", 20), ended("job", 3)]).splitlines()
    assert shown[-2:] == ["1 of 2 met; NOT MET:", f"  {missed}"]
    assert any("suite 20.0 min, job 3.0 min; 23 min in all" in line for line in shown)
    assert bench.summary([met], []).endswith("1 of 1 met.")


def test_figures_of_earlier_runs_are_marked(results: Path) -> None:
    (results / "serving.json").write_text("{}")
    assert "from earlier runs: serving" in bench.summary([], [ended("suite", 20)])


def test_the_document_has_the_markers() -> None:
    assert "| new |" in put_between(bench.DOCUMENT.read_text(), bench.BEGIN, bench.END, "| new |")
