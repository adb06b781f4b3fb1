"""The options of `driftline replay`: which go together, and what is said of those that do not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.cli.replay_options import Wanted
from console.flink_rest import FlinkRest, Job
from console.replaying.planning import Source
from driftline.errors import InputError, SettingError
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import Progress, RedisScoreStore, ShardReport
from tests.redis_server import RedisServer


def run(*arguments: str) -> None:
    CliRunner().invoke(app, ["replay", "again", *arguments], catch_exceptions=False)


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """What the command would begin."""
    found: list[Wanted] = []
    monkeypatch.setattr("console.cli.replay.begin_replay", found.append)
    return found


def test_everything_from_the_topic_with_the_lake_before_it(wanted: list[Wanted]) -> None:
    run("--set", "session_gap_ms=5", "--rate", "100", "--parallelism", "2")
    (one,) = wanted
    assert (one.asked.source, one.asked.since_ms, one.asked.until_ms) == (Source.AUTO, None, None)
    assert (one.settings, one.events_a_s_max, one.parallelism) == ({"session_gap_ms": "5"}, 100.0, 2)


def test_dates_are_of_the_lake(wanted: list[Wanted]) -> None:
    run("--dates", "2026-01-05..2026-01-07")
    assert (wanted[0].asked.source, wanted[0].dates) == (Source.LAKE, ("2026-01-05", "2026-01-07"))


def test_offsets_and_times(wanted: list[Wanted]) -> None:
    run("--from-offsets", "0:120,1:88", "--until", "2026-01-05T00:00:00Z", "--from", "topic")
    assert wanted[0].asked.from_offsets == {0: 120, 1: 88}
    assert wanted[0].asked.until_ms == 1_767_571_200_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "moon"), "--from must be one of auto, topic, lake, not 'moon'"),
        (("--since", "yesterday"), "--since must be a time like"),
        (("--since", "1h", "--until", "2h"), "--since 1h must be before --until 2h"),
        (("--since", "1h", "--from-offsets", "0:1"), "choose one of --since and --from-offsets"),
        (("--from-offsets", "0"), "--from-offsets should be partition:offset"),
        (("--from", "lake", "--since", "1h"), "are for the topic: --dates"),
        (("--from", "topic", "--dates", "2026-01-05"), "--dates needs --from lake"),
        (("--dates", "05.01.2026"), "--dates must be like"),
        (("--promote",), "--promote needs --then-live"),
        (("--then-live", "--user", "u"), "--then-live is for all users"),
        (("--then-live", "--until", "1h"), "--then-live has no end"),
        (("--user", "u", "--users", "f"), "choose one of --user and --users"),
        (("--set", "start_offsets=0:1"), "--set start_offsets: a replay has --since or --from-offsets for that"),
        (("--set", "namespace=x"), "--set namespace: a replay has NAMESPACE for that"),
        (("--resume", "--since", "1h"), "--resume goes on with what was asked for"),
        (("--resume", "--then-live"), "--resume goes on with what was asked for"),
        (("--processes", "2"), "--processes needs --local"),
        (("--replace",), "--replace needs --local"),
        (("--local", "--then-live"), "--then-live does not go with --local"),
        (("--local", "--resume"), "--resume does not go with --local"),
    ],
)
def test_what_is_refused(wanted: list[Wanted], options: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        run(*options)
    assert not wanted


@pytest.mark.redis
class TestNamespace:
    @pytest.fixture(autouse=True)
    def jobs(self, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
        """What Flink remembers."""
        remembered: list[Job] = []
        monkeypatch.setenv("DRIFTLINE_REDIS_URL", own_redis.url)
        monkeypatch.setattr(FlinkRest, "jobs", lambda _: list(remembered))
        return remembered

    @pytest.fixture
    def store(self, own_redis: RedisServer) -> Iterator[RedisScoreStore]:
        with closing(RedisScoreStore.connect(own_redis.url, namespace="again", retry_s=1)) as made:
            yield made

    def test_the_live_one(self, store: RedisScoreStore) -> None:
        store.promote("again")
        with pytest.raises(InputError, match="namespace again is the live one"):
            run()

    def test_one_with_a_job(self, jobs: list[Job]) -> None:
        jobs.append(Job("ab" * 16, "score-events again", "RESTARTING"))
        with pytest.raises(InputError, match=r"writes namespace again: .*--resume` watches it"):
            run()

    def test_one_with_scores(self, store: RedisScoreStore) -> None:
        store.write([], (250, ShardReport(Progress(1))))
        with pytest.raises(InputError, match=r"holds scores already: `driftline namespaces drop again --yes`"):
            run()

    def test_no_replay_to_go_on_with(self) -> None:
        with pytest.raises(InputError, match="no replay into namespace again is known"):
            run("--resume")

    def test_what_another_release_has_written(self, own_redis: RedisServer) -> None:
        with closing(ReplayNotes.connect(own_redis.url, namespace="again", retry_s=1)) as notes:
            notes.put(b"{}")
        with pytest.raises(InputError, match="another release"):
            run("--resume")
