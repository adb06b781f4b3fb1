"""The command line as a whole: help, exit codes, one clear line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console import cli
from console.cli import PANELS, app

COMMANDS = [command.__name__.replace("_", "-") for commands in PANELS.values() for command in commands]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "console.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_contract_commands_exist() -> None:
    contract = {"up", "status", "down", "submit", "simulate", "publish", "scores", "export-scores", "drain", "serve"}
    assert contract | {"train"} <= set(COMMANDS)


def test_misuse_exits_2_and_names_the_problem() -> None:
    assert CliRunner().invoke(app, ["submit"]).exit_code == 2
    assert CliRunner().invoke(app, ["no-such-command"]).exit_code == 2
    bad_value = run("submit", "score-events", "--set", "block_ms=abc")
    assert (bad_value.returncode, bad_value.stdout) == (2, "")
    assert bad_value.stderr.startswith("driftline: block_ms: ")
    assert len(bad_value.stderr.splitlines()) == 1
    unknown = run("submit", "no-such-job")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "driftline: unknown job 'no-such-job'; known are: score-events, archive-events\n",
    )


def test_failure_exits_1_with_one_line(tmp_path: Path) -> None:
    missing = run("train", "--events", str(tmp_path / "missing"), DRIFTLINE_HOME=str(tmp_path))
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    assert "No such file" in missing.stderr


def test_settings_of_a_job_are_listed() -> None:
    listed = CliRunner().invoke(app, ["submit", "score-events", "--settings"])
    assert listed.exit_code == 0
    assert "block_ms = 50" in listed.output


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("driftline 0.")


def test_an_interrupt_within_a_lock_ends_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            message = "cannot release un-acquired lock"
            raise RuntimeError(message)

    monkeypatch.setattr(cli, "app", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(RuntimeError):
        cli.main()


@pytest.mark.parametrize(("missing", "raised"), [("xxhash", False), ("google.cloud", False), ("udfs.plan", True)])
def test_a_package_that_is_not_installed_is_one_line(
    missing: str, raised: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking() -> None:
        message = f"No module named {missing!r}"
        raise ModuleNotFoundError(message, name=missing)

    monkeypatch.setattr(cli, "app", lacking)
    with pytest.raises(ModuleNotFoundError if raised else SystemExit) as ended:
        cli.main()
    if not raised:
        assert ended.value.args == (1,)
        package = missing.partition(".")[0]
        line = f"driftline: this command needs {package}, which is not installed here: "
        assert capsys.readouterr().err == line + "install driftline with the extra jobs\n"
