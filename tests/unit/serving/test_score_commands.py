"""The commands serve, scores and export-scores."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import typer
from typer.testing import CliRunner

from console.as_of import AsOf
from console.cli import ask
from console.cli import scores as commands
from console.cli.scores_table import duration, in_words, results_table, watch_line
from driftline.client import Result, Scores
from driftline.errors import ServiceUnavailable, StackError
from driftline.serving.v1.scores_pb2 import AsOfEvent, CategoryAffinity, SegmentMembership, SessionSummary, UserScores
from serving.server import serve
from serving.settings import ServeSettings
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.grpc_server import Client, running_server
from tests.redis_server import RedisServer, free_port
from tests.stored import with_age_in_front

REPOSITORY = Path(__file__).parents[3]
SERVE = "import typer; from console.cli.scores import serve; typer.run(serve)"

app = typer.Typer()
app.command()(ask.scores)
app.command()(commands.export_scores)


def full_scores(user_id: str) -> UserScores:
    return UserScores(
        user_id=user_id,
        scores={"purchase_propensity": 0.875, "engagement": 0.5, "churn_risk": 0.0},
        affinities=[CategoryAffinity(category="[red]shoes", share=0.75), CategoryAffinity(category="hats", share=0.25)],
        session=SessionSummary(
            session_id="s-1", start_time_ms=1_000, last_event_time_ms=62_000, events=12, purchases=1
        ),
        feature_set="v1",
        model_version="m-7",
        as_of_event_time_ms=1_760_000_000_000,
        accepted_events=1_234,
        generation=5,
        written_at_ms=1_760_000_000_999,
    )


def stored(user_id: str) -> tuple[str, bytes]:
    return user_id, encode_value(5, 1_234, full_scores(user_id).SerializeToString())


DAY_S = 86_400


def aged(user_id: str, age_s: int) -> tuple[str, bytes]:
    """The user of `stored`, silent for so long."""
    message = full_scores(user_id)
    event = AsOfEvent(scores=message.scores, affinities=message.affinities, feature_values=[1.0, 2.0])
    message.MergeFrom(UserScores(age_s=age_s, as_of_event=event))
    message.scores["churn_risk"] = 0.75
    del message.affinities[:]
    message.segments.add(name="away", since_ms=1_760_000_060_000)
    return user_id, encode_value(5, 1_234, with_age_in_front(message, b"12345678"))


@pytest.fixture
def stack(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisScoreStore]:
    """A Redis that the settings point to, and a store of its namespace main."""
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", own_redis.url)
    store = RedisScoreStore.connect(own_redis.url)
    yield store
    store.close()


@contextmanager
def serving_process(redis_url: str) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    environment = os.environ | {"DRIFTLINE_REDIS_URL": redis_url, "PYTHONPATH": str(REPOSITORY)}
    environment["DRIFTLINE_SERVE_REDIS_TIMEOUT_MS"] = "5000"  # a paused Redis is to be waited for
    command = [sys.executable, "-c", SERVE, "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            events = (json.loads(line) for line in process.stderr)
            listening = next(event for event in events if event["event"] == "listening")
            assert listening["redis"] == redis_url
            client = Client(listening["address"])
            yield process, client
            client.channel.close()
        finally:
            process.kill()


@pytest.mark.redis
class TestServe:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signal_lets_a_running_request_finish(
        self, own_redis: RedisServer, stack: RedisScoreStore, number: signal.Signals
    ) -> None:
        stack.write([stored("u")], None)
        with serving_process(own_redis.url) as (process, client), concurrent.futures.ThreadPoolExecutor() as threads:
            assert client.get("u").scores == full_scores("u")
            own_redis.pause()
            running = threads.submit(client.get, "u")
            with pytest.raises(concurrent.futures.TimeoutError):
                running.result(0.2)
            process.send_signal(number)
            with pytest.raises(concurrent.futures.TimeoutError):
                running.result(0.2)
            own_redis.resume()
            assert running.result(5).scores == full_scores("u")
            assert process.wait(10) == 0

    def test_taken_port(self, own_redis: RedisServer) -> None:
        with running_server(own_redis.url) as client, pytest.raises(StackError, match="DRIFTLINE_GRPC_PORT"):
            serve(ServeSettings.load(port=int(client.address.rpartition(":")[2]), redis_url=own_redis.url))


@pytest.mark.redis
class TestScores:
    @pytest.fixture(autouse=True)
    def server(self, stack: RedisScoreStore, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        stack.write([stored("u1"), stored("日本")], None)
        with running_server(own_redis.url) as client:
            monkeypatch.setenv("DRIFTLINE_GRPC_TARGET", client.address)
            yield

    def test_table(self) -> None:
        result = CliRunner().invoke(app, ["scores", "u1", "nobody"])
        assert result.exit_code == 0, result.output
        for shown in (
            *("u1", "purchase_propensity 0.875", "engagement 0.500", "churn_risk 0.000", "[red]shoes 75%", "hats 25%"),
            *("s-1", "12 events, 1 purchases, 1 min 1 s", "1,234", "2025-10-09 08:53:20", "m-7", "nobody", "no scores"),
        ):
            assert shown in result.stdout

    def test_age_in_words(self, stack: RedisScoreStore) -> None:
        stack.write([aged("u1", 7 * DAY_S)], None)
        result = CliRunner().invoke(app, ["scores", "u1"])
        assert result.exit_code == 0, result.output
        for shown in ("churn_risk 0.750", "2025-10-16 08:53:20", "7 days after", "the last event", "away"):
            assert shown in result.stdout
        line = json.loads(CliRunner().invoke(app, ["scores", "--json", "u1"]).stdout)
        assert (line["ageS"], line["asOfEventTimeMs"]) == (7 * DAY_S, "1760000000000")
        assert not {"asOfEvent", "featureValues"} & line.keys()

    def test_json_lines(self) -> None:
        result = CliRunner().invoke(app, ["scores", "--json", "日本", "nobody"])
        assert result.exit_code == 0, result.output
        line, missing = result.stdout.splitlines()
        assert line.startswith('{"acceptedEvents":"1234","affinities":[')
        assert json.loads(line)["userId"] == "日本"
        assert json.loads(line)["writtenAtMs"] == "1760000000999"
        assert missing == '{"status":"NOT_FOUND","userId":"nobody"}'

    def test_more_users_than_a_batch_takes(self) -> None:
        users = [f"nobody{number}" for number in range(1_000)]
        result = CliRunner().invoke(app, ["scores", "--json", *users, "u1"])
        assert result.exit_code == 0, result.output
        assert [json.loads(line)["userId"] for line in result.stdout.splitlines()] == [*users, "u1"]

    def test_nobody_has_scores(self) -> None:
        result = CliRunner().invoke(app, ["scores", "nobody"])
        assert result.exit_code == 1
        assert "no scores" in result.stdout

    def test_bad_id_is_misuse(self) -> None:
        result = CliRunner().invoke(app, ["scores", "x" * 129])
        assert result.exit_code == 2
        assert "128 bytes" in result.output

    def test_redis_unavailable(self, own_redis: RedisServer) -> None:
        own_redis.stop()
        result = CliRunner().invoke(app, ["scores", "u1"])
        assert isinstance(result.exception, ServiceUnavailable)
        assert "the score store does not answer" in str(result.exception)


def test_server_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRIFTLINE_GRPC_TARGET", raising=False)
    port = free_port()
    monkeypatch.setenv("DRIFTLINE_GRPC_PORT", str(port))
    result = CliRunner().invoke(app, ["scores", "u1"])
    assert isinstance(result.exception, ServiceUnavailable)
    assert result.exception.exit_code == 1
    for named in (f"127.0.0.1:{port}", "DRIFTLINE_GRPC_PORT"):
        assert named in str(result.exception)
    assert "\n" not in str(result.exception)


def _greet(server: socket.socket) -> None:
    """Speak HTTP/2 as far as its first frame, and then no more; until the client leaves."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"\x00\x00\x00\x04" + bytes(5))  # SETTINGS, empty
        while connection.recv(4_096):
            pass


def test_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.cli.calling.DEADLINE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        greeter = Thread(target=_greet, args=[silent])
        greeter.start()
        monkeypatch.setenv("DRIFTLINE_GRPC_TARGET", f"127.0.0.1:{silent.getsockname()[1]}")
        result = CliRunner().invoke(app, ["scores", "u1"])
        greeter.join()
    assert "DEADLINE_EXCEEDED" in str(result.exception)


@pytest.mark.redis
class TestExportScores:
    def test_lines_are_sorted_and_without_what_differs_between_runs(self, stack: RedisScoreStore) -> None:
        user_ids = ["b", "a", "é", "z", "\U0001f600", "\uffff"]
        stack.write([*map(stored, user_ids), ("forgotten", encode_value(9, 9, b""))], None)
        result = CliRunner().invoke(app, ["export-scores"])
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert [json.loads(line)["userId"] for line in lines] == sorted(user_ids, key=str.encode)
        assert lines[0] == (
            '{"acceptedEvents":"1234","affinities":[{"category":"[red]shoes","share":0.75},'
            '{"category":"hats","share":0.25}],"asOfEventTimeMs":"1760000000000","featureSet":"v1","modelVersion":"m-7",'
            '"scores":{"churn_risk":0.0,"engagement":0.5,"purchase_propensity":0.875},"session":{"events":"12",'
            '"lastEventTimeMs":"62000","purchases":"1","sessionId":"s-1","startTimeMs":"1000"},"userId":"a"}'
        )

    def test_live_namespace_unless_another_is_chosen(
        self, stack: RedisScoreStore, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rebuilt = RedisScoreStore.connect(own_redis.url, namespace="rebuilt")
        rebuilt.write([stored("new")], None)
        rebuilt.promote("rebuilt")
        stack.write([stored("old")], None)

        def exported(*options: str) -> list[str]:
            result = CliRunner().invoke(app, ["export-scores", *options])
            assert result.exit_code == 0, result.output
            return [json.loads(line)["userId"] for line in result.stdout.splitlines()]

        assert exported() == ["new"]
        assert exported("--namespace", "main") == ["old"]
        monkeypatch.setenv("DRIFTLINE_NAMESPACE", "main")
        assert exported() == ["old"]
        rebuilt.close()

    def test_redis_unavailable(self, stack: RedisScoreStore, own_redis: RedisServer) -> None:
        own_redis.stop()
        result = CliRunner().invoke(app, ["export-scores"])
        assert isinstance(result.exception, ServiceUnavailable)
        assert result.stdout == ""


def test_export_of_several_pages() -> None:
    store = InMemoryScoreStore()
    user_ids = [f"u{number:05}" for number in range(2_001)]
    store.write([stored(user_id) for user_id in reversed(user_ids)], None)
    lines = "".join(commands.export_lines(store)).splitlines()
    assert [json.loads(line)["userId"] for line in lines] == user_ids


def exported(*values: tuple[str, bytes], as_of: AsOf = AsOf.EVENT) -> list[str]:
    store = InMemoryScoreStore()
    store.write(values, None)
    return "".join(commands.export_lines(store, as_of)).splitlines()


def test_an_export_as_of_the_event_is_that_of_a_job_without_ages() -> None:
    assert exported(aged("u1", 60), stored("u2")) == exported(stored("u1"), stored("u2"))


def test_an_export_as_of_now_has_what_is_served_and_when_it_is_evaluated_at() -> None:
    silent, active = map(json.loads, exported(aged("u1", 60), stored("u2"), as_of=AsOf.NOW))
    assert (silent["ageS"], silent["evaluatedAtMs"], silent["scores"]["churn_risk"]) == (60, "1760000060000", 0.75)
    assert (active["ageS"], active["evaluatedAtMs"], active["scores"]["churn_risk"]) == (0, "1760000000000", 0)
    assert silent["segments"] == [{"name": "away", "sinceMs": "1760000060000"}]
    assert not {"asOfEvent", "featureValues", "generation", "writtenAtMs", "affinities"} & silent.keys()


@pytest.mark.parametrize(
    ("age_s", "shown"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (3_600, "1 hour"),
        (7 * DAY_S, "7 days"),
        (DAY_S + 12 * 3_600 + 90, "1 day 12 hours 1 minute 30 seconds"),
        (1_000 * DAY_S, "1,000 days"),
    ],
)
def test_ages_in_words(age_s: int, shown: str) -> None:
    assert in_words(age_s) == shown


def test_a_watch_says_what_scores_are_as_of() -> None:
    scores = Scores("u1", {"churn_risk": 0.75}, as_of_event_time_ms=1_760_000_000_000, age_s=3_600)
    assert watch_line(Result("u1", "OK", scores)) == (
        "2025-10-09 09:53:20  u1  churn_risk 0.750  (as of 1 hour after the last event)"
    )


@pytest.mark.parametrize(
    ("span_ms", "shown"),
    [(-5, "0 s"), (999, "0 s"), (1_000, "1 s"), (61_000, "1 min 1 s"), (86_400_000, "1 d"), (90_061_000, "1 d 1 h")],
)
def test_duration(span_ms: int, shown: str) -> None:
    assert duration(span_ms) == shown


def test_table_survives_scores_with_nothing_in_them() -> None:
    empty = Result("\x1b[31m", "OK", Scores("\x1b[31m", as_of_event_time_ms=2**62))
    assert results_table([empty], now_ms=0).row_count == 1


def test_server_and_commands_load_no_library_of_the_jobs() -> None:
    program = (
        "import sys, serving.server, console.cli.scores, console.cli.ask, console.cli.scores_table;"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert loaded.isdisjoint({"pyflink", "apache_beam", "sklearn", "kafka", "numpy", "onnxruntime", "pyarrow"})
    assert {"serving", "grpc", "redis"} <= loaded


def test_commands_load_the_server_only_when_it_runs() -> None:
    program = (
        "import sys, console.cli.scores, console.cli.ask, console.cli.rest;"
        "sys.exit(bool({'grpc', 'redis', 'serving.server', 'starlette', 'udfs'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)


def test_an_export_leaves_out_what_only_the_writer_needs() -> None:
    members = [SegmentMembership(name="fans", since_ms=5)]
    scores = UserScores(user_id="u1", segments=members, lists_digest=7, generation=3)
    store = InMemoryScoreStore()
    store.write([("u1", encode_value(3, 1, scores.SerializeToString()))], None)
    (page,) = commands.export_lines(store)
    assert json.loads(page) == {"userId": "u1", "segments": [{"name": "fans", "sinceMs": "5"}]}
