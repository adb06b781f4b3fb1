"""`driftline segments`, against a server whose behaviour the test chooses."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest
from typer.testing import CliRunner, Result

from console.cli import app
from tests.fake_scores import FakeScores, fake_server

T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScores]:
    served = FakeScores()
    served.segments = {"fans": {f"u{number}": T0 + 1_000 * number for number in range(120)}, "likely": {}}
    with fake_server(served) as address:
        monkeypatch.setenv("DRIFTLINE_GRPC_TARGET", address)
        yield served


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["segments", *arguments])


def test_counts(fake: FakeScores) -> None:
    shown = run().stdout.splitlines()
    assert shown[0].split() == ["segment", "members", "definition"]
    assert [line.split()[:2] for line in shown[1:]] == [["fans", "120"], ["likely", "0"]]
    lines = [json.loads(line) for line in run("--json", "--namespace", "rebuilt").stdout.splitlines()]
    assert lines[0] == {"name": "fans", "members": 120, "definition": "hash of fans"}
    assert fake.calls[-1][2]["driftline-namespace"] == "rebuilt"


def test_nothing_is_declared(fake: FakeScores) -> None:
    fake.segments = {}
    result = run()
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no segments are declared" in result.stderr


def test_the_first_members_and_that_there_are_more(fake: FakeScores) -> None:
    result = run("show", "fans", "--limit", "2")
    assert result.stdout.splitlines() == ["2026-01-01 00:00:00  u0", "2026-01-01 00:00:01  u1"]
    assert "--limit 0 lists all members of fans" in result.stderr
    assert len(run("show", "fans").stdout.splitlines()) == 100


def test_all_members_as_json(fake: FakeScores) -> None:
    result = run("show", "fans", "--limit", "0", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 120
    assert lines[7] == {"userId": "u7", "sinceMs": T0 + 7_000}
    assert result.stderr == ""
    exact = run("show", "fans", "--limit", "120")
    assert (len(exact.stdout.splitlines()), exact.stderr) == (120, "")


def test_control_characters_of_an_id_stay_out_of_a_terminal(fake: FakeScores) -> None:
    fake.segments = {"fans": {"a\x1b[31m": T0, "b": 10**18}}
    assert run("show", "fans").stdout.splitlines() == ["2026-01-01 00:00:00  a?[31m", f"{10**18} ms  b"]


def test_a_sample(fake: FakeScores) -> None:
    assert len(run("sample", "fans").stdout.splitlines()) == 10
    assert fake.calls[-1][1].sample == 10
    assert len(run("sample", "fans", "--count", "3", "--json").stdout.splitlines()) == 3


def test_no_such_segment_is_one_line(fake: FakeScores) -> None:
    result = run("show", "nobody")
    assert result.exit_code != 0
    assert "the segment nobody is not declared" in str(result.exception)


def test_options_before_a_subcommand_are_misuse(fake: FakeScores) -> None:
    assert run("--json", "show", "fans").exit_code == 2


def test_an_outage_says_where_to_look(fake: FakeScores) -> None:
    fake.failures = [grpc.StatusCode.UNAVAILABLE] * 9
    assert "DRIFTLINE_GRPC_TARGET" in str(run("show", "fans").exception)
