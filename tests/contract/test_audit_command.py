"""`driftline audit` as it is typed, over a namespace that a local replay has filled in a real Redis."""

from __future__ import annotations

import json
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import console.auditing.audit
from console.cli import app
from driftline.errors import InputError, SettingError
from driftline.serving.v1.scores_pb2 import UserScores
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value, user_key
from tests.lakes import eventful_history, write_lake
from tests.redis_server import RedisServer, free_port
from tests.unit.jobs.projects import folder

pytestmark = pytest.mark.redis
PROJECT = """
project: {name: shop, ages: [10m, 1h]}
features:
  views: {count: VIEW}
  clicks: {count: %s}
scores:
  activity: {expr: 'views / (1.0 + views)'}
"""


def run(*arguments: str, exit_code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done


@pytest.fixture
def served(own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """A namespace `again` of a lake that the commands find; Kafka and Flink do not answer."""
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", own_redis.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRIFTLINE_FLINK_PORT", str(free_port()))
    monkeypatch.setenv("DRIFTLINE_KAFKA_PORT", str(free_port()))
    monkeypatch.setattr(console.auditing.audit, "PAUSE_S", 0.0)
    write_lake(tmp_path / "home" / "lake", eventful_history(users=15, events=500, partitions=3, days=3.0))
    run("replay", "again", "--local", "--processes", "2")
    return own_redis


def alter(server: RedisServer, score: str, value: float) -> str:
    """Change a score of a user by hand, and return the user."""
    with closing(RedisScoreStore.connect(server.url, namespace="again")) as store:
        user_id, stored = min((one for one in store.scan() if not one[1].is_tombstone), key=lambda one: one[0])
    scores = UserScores(scores={score: value})
    scores.as_of_event.scores[score] = value  # of one who is served as of an age, what was as of the event is compared
    changed = encode_value(stored.generation, stored.accepted_events, stored.scores + scores.SerializeToString())
    with server.client() as client:
        client.set(user_key("again", user_id), changed)
    return user_id


def test_nothing_is_found_and_then_what_was_altered_by_hand(served: RedisServer, tmp_path: Path) -> None:
    metrics = tmp_path / "audit.prom"
    shown = run("audit", "--namespace", "again", "--metrics-file", str(metrics)).stdout
    assert "0 differ (0 %)" in shown
    assert "served as of an age" in shown
    assert 'driftline_audit_differing_ratio{namespace="again"} 0\n' in metrics.read_text()
    victim = alter(served, "engagement", 0.123456)
    found = run("audit", "--namespace", "again", "--metrics-file", str(metrics), exit_code=1).stdout
    assert victim in found
    assert "0.123456" in found
    assert 'driftline_audit_differing_score_users{namespace="again",score="engagement"} 1\n' in metrics.read_text()
    run("audit", "--namespace", "again", "--threshold", "0.2")
    document = json.loads(run("audit", "--namespace", "again", "--user", victim, "--json", exit_code=1).stdout)
    assert (document["compared"], document["differing"], document["share"]) == (1, 1, 1.0)
    assert document["comparison"]["worst"][0]["user_id"] == victim
    assert document["comparison"]["scores"]["engagement"]["differ"] == 1


def test_a_feature_that_is_declared_otherwise_is_named(served: RedisServer) -> None:
    declared, changed = folder(PROJECT % "CLICK"), folder(PROJECT % "ADD_TO_CART")
    run("replay", "shop", "--local", "--declarations", str(declared))
    asked = ("audit", "--namespace", "shop", "--share", "1.0")
    assert "no feature of 2 differs" in run(*asked, "--set", f"declarations={declared}").stdout
    shown = run(*asked, "--set", f"declarations={changed}", exit_code=1)
    assert "clicks differs by" in shown.stdout
    assert "views differs by" not in shown.stdout
    assert "the declarations here are not those of the job" in shown.stderr
    assert "clicks" in shown.stderr


def test_the_live_namespace_is_audited_where_none_is_named(served: RedisServer) -> None:
    run("promote", "again", "--force")
    assert "namespace again: " in run("audit", "--users", "5").stdout


def test_a_schedule_goes_on_until_it_is_stopped(served: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = 0

    class Stop:
        def is_set(self) -> bool:
            return False

        def wait(self, timeout_s: float) -> bool:
            nonlocal runs
            runs += 1
            return runs == 3

    monkeypatch.setattr("console.cli.audit.stop_on_signal", lambda: nullcontext(Stop()))
    shown = run("audit", "--namespace", "again", "--users", "3", "--every", "1h").stdout
    assert shown.count("namespace again: ") == 3
    assert shown.count(" differ (0 %)") == 3


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (("--namespace", "nobody"), InputError, "no job has written namespace nobody"),
        (("--users", "5", "--share", "0.5"), SettingError, "choose one of --users, --share and --user"),
        (("--every", "often"), SettingError, "--every must be a time like"),
        (("--namespace", "again", "--set", "lake_url=/nowhere"), InputError, "without the beginning"),
    ],
)
def test_what_cannot_be_done_is_said(
    served: RedisServer, options: tuple[str, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        run("audit", *options)
