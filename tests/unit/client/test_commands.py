"""`driftline scores` with --explain, --watch and --namespace, against a server whose behaviour the test chooses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from console.cli import ask
from console.cli.scores_table import features_table
from console.client_settings import ClientSettings
from driftline.client import Explanation, FeatureValue, Scores
from tests.fake_scores import FakeScores, fake_server, user

app = typer.Typer()
app.command()(ask.scores)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScores]:
    served = FakeScores()
    with fake_server(served) as address:
        monkeypatch.setenv("DRIFTLINE_GRPC_TARGET", address)
        yield served


def test_explanation_names_what_differs_and_lists_the_rest(fake: FakeScores) -> None:
    fake.put(user("u1"))
    result = CliRunner().invoke(app, ["u1", "nobody", "--explain"])
    assert result.exit_code == 0, result.output
    for shown in ("session_events", "3 events", "1 event", "events in it", "Features v1", "no scores"):
        assert shown in result.stdout
    assert "At their defaults" in result.stdout
    assert "hours_since_cart" in result.stdout.partition("At their defaults")[2]


def test_explanation_as_json(fake: FakeScores) -> None:
    fake.put(user("u1"))
    result = CliRunner().invoke(app, ["nobody", "u1", "--explain", "--json"])
    missing, line = map(json.loads, result.stdout.splitlines())
    assert missing == {"status": "NOT_FOUND", "userId": "nobody"}
    assert line["features"][0]["name"] == "session_events"


def test_json_says_what_is_stale_and_why_there_are_no_scores(fake: FakeScores) -> None:
    fake.put(user("u1"))
    fake.bad_ids = {"refused"}
    asked = ["u1", "nobody", "refused"]
    for stale in (False, True):
        fake.stale = stale
        result = CliRunner().invoke(app, ["--json", *asked])
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [line["userId"] for line in lines] == asked
        assert [line.get("stale", False) for line in lines] == [stale, stale, False]
        assert [line.get("status") for line in lines] == [None, "NOT_FOUND", "INVALID_ARGUMENT"]
        table = CliRunner().invoke(app, asked).stdout
        assert ("no scores (stale)" in table, ", stale" in table) == (stale, stale)
        assert "not a user id for this server" in table


def test_nobody_to_explain(fake: FakeScores) -> None:
    assert CliRunner().invoke(app, ["nobody", "--explain"]).exit_code == 1


def test_explain_and_watch_is_misuse() -> None:
    assert CliRunner().invoke(app, ["u1", "--explain", "--watch"]).exit_code == 2


def test_settings_of_the_call(fake: FakeScores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_CLIENT_TOKEN", "t0k")
    fake.put(user("u1"))
    assert CliRunner().invoke(app, ["u1", "--namespace", "rebuilt"]).exit_code == 0
    sent = fake.calls[0][2]
    assert (sent["authorization"], sent["driftline-namespace"]) == ("Bearer t0k", "rebuilt")
    assert "t0k" not in repr(ClientSettings.load())


def test_watch_prints_each_new_score_until_interrupted(fake: FakeScores) -> None:
    fake.put(user("u1", accepted=1, engagement=0.25))
    command = [sys.executable, "-m", "console.cli", "scores", "--watch", "u1"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "2025-10-09 08:53:20  u1  engagement 0.250\n"
            fake.put(user("u1", accepted=2, engagement=0.5))
            assert process.stdout.readline() == "2025-10-09 08:53:20  u1  engagement 0.500\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("value", "default", "rows"), [(0.1, 0.0, 1), (0.0, 0.0, 0), (2160.0000001, 2160.0, 0), (2159.0, 2160.0, 1)]
)
def test_features_at_their_defaults_take_no_row(value: float, default: float, rows: int) -> None:
    feature = FeatureValue("f", value, default, "h", "[bold]formula")
    assert features_table(Explanation(Scores("u"), (feature,))).row_count == rows


def test_a_feature_that_was_declared_later_says_since_when_it_counts() -> None:
    feature = FeatureValue("plays", 3, 0, "events", "play events", complete_since_ms=1_767_225_600_000)
    printed = StringIO()
    Console(width=200, file=printed).print(features_table(Explanation(Scores("u"), (feature,))))
    assert "play events; of events since 2026-01-01 00:00:00 UTC" in printed.getvalue()


def test_segments_are_shown_where_anybody_is_in_one(fake: FakeScores) -> None:
    fake.put(user("u1"), user("u2"))
    assert "Segments" not in CliRunner().invoke(app, ["u1", "u2"]).stdout
    member = user("u1", accepted=2)
    member.segments.add(name="fans", since_ms=5)
    fake.put(member)
    shown = CliRunner().invoke(app, ["u1", "u2"]).stdout
    assert "Segments" in shown
    assert "fans" in shown
    (line,) = CliRunner().invoke(app, ["u1", "--json"]).stdout.splitlines()
    assert json.loads(line)["segments"] == [{"name": "fans", "sinceMs": "5"}]
