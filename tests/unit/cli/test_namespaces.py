"""`driftline namespaces`, `namespaces drop` and `promote`, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from typer.testing import CliRunner, Result

from console.cli import app
from console.flink_rest import FlinkRest, Job
from driftline.errors import InputError, ServiceUnavailable, SettingError
from sink_connectors.score_store import Claim, Progress, RedisScoreStore, ShardReport
from sink_connectors.score_value import encode_value
from tests.redis_server import RedisServer
from tests.stored import AT_MS, stored_user

JOB_ID = "ab" * 16
Fill = Callable[..., RedisScoreStore]


def run(*arguments: str, exit_code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done


def listed(*options: str) -> dict[str, dict[str, object]]:
    lines = run("namespaces", "--json", *options).stdout.splitlines()
    return {row["name"]: row for row in map(json.loads, lines)}


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """What Flink remembers."""
    remembered: list[Job] = []
    monkeypatch.setattr(FlinkRest, "jobs", lambda _: list(remembered))
    return remembered


@pytest.fixture
def fill(own_redis: RedisServer, jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> Iterator[Fill]:
    """Fills namespaces of a Redis that the commands find, as a job would."""
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", own_redis.url)
    made: list[RedisScoreStore] = []

    def fill(namespace: str, users: int, *, runs: bool = False) -> RedisScoreStore:
        store = RedisScoreStore.connect(own_redis.url, namespace=namespace, retry_s=5)
        made.append(store)
        store.claim(Claim(2, {250: AT_MS}, {250: Progress()}, JOB_ID))
        store.write([stored_user(f"u{number}") for number in range(users)], (250, ShardReport(Progress(9, 2, 3, 4))))
        if runs:
            jobs.append(Job(JOB_ID, f"score-events {namespace}", "RUNNING"))
        return store

    yield fill
    for store in made:
        store.close()


@pytest.mark.redis
class TestList:
    def test_everything_that_is_known(self, fill: Fill) -> None:
        fill("main", 300, runs=True)
        fill("rebuild", 5).write([("forgotten", encode_value(1, 1, b""))], None)
        found = listed()
        assert list(found) == ["main", "rebuild"]
        size = found["main"].pop("estimated_bytes")
        assert isinstance(size, int)
        assert 300 * 400 < size < 300 * 1_000
        assert found["main"] == {
            "name": "main",
            "live": True,
            "previous": False,
            "dropping": False,
            "users": 300,
            "job": "score-events",
            "job_id": JOB_ID,
            "running": True,
            "generation": AT_MS,
            "totals": {"accepted": 9, "duplicate": 2, "late": 3, "dead_letter": 4},
            "newest_write_seen_ms": AT_MS + 40,
            "replay": "",
        }
        assert (found["rebuild"]["live"], found["rebuild"]["running"], found["rebuild"]["users"]) == (False, False, 6)

    def test_without_counting(self, fill: Fill) -> None:
        fill("main", 3)
        (row,) = listed("--no-count").values()
        assert (row["users"], row["estimated_bytes"], row["newest_write_seen_ms"]) == (None, None, None)
        assert row["generation"] == AT_MS

    def test_values_alone_are_no_namespace_whatever_their_users_are_called(self, fill: Fill) -> None:
        store = fill("main", 1)
        store.write([(f"driftline:{name}", encode_value(1, 1, b"")) for name in ("x:job", "y:progress", "\n")], None)
        with closing(RedisScoreStore(store._client, name="", namespace="stray", ttl_s=9, retry_s=0)) as stray:
            stray.write([stored_user("u")], None)
        assert list(listed()) == ["main"]
        assert listed()["main"]["users"] == 4

    def test_table_without_flink(self, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(_: FlinkRest) -> list[Job]:
            raise ServiceUnavailable

        monkeypatch.setattr(FlinkRest, "jobs", away)
        fill("main", 3)
        done = run("namespaces")
        assert "which jobs run is not known" in done.stderr
        assert "main (live)" in done.stdout
        assert f"{JOB_ID} ?" in done.stdout
        assert "2026-01-01 00:00:00" in done.stdout

    def test_progress_without_a_claim_and_a_job_that_flink_has_forgotten(self, fill: Fill, jobs: list[Job]) -> None:
        store = fill("main", 1)
        with closing(RedisScoreStore(store._client, name="", namespace="older", ttl_s=9, retry_s=0)) as older:
            older.write([], (1, ShardReport(Progress(7))))
        jobs.append(Job("cd" * 16, "score-events main", "FINISHED"))
        found = listed()
        assert (found["older"]["generation"], found["older"]["job_id"], found["older"]["users"]) == (0, "", 0)
        assert (found["main"]["job"], found["main"]["job_id"], found["main"]["running"]) == ("", JOB_ID, False)
        shown = run("namespaces").stdout
        assert "none recorded" in shown
        assert f"{JOB_ID} ended" in shown

    def test_a_redis_that_does_not_tell_memory(self, fill: Fill, own_redis: RedisServer) -> None:
        fill("main", 3)
        with own_redis.client() as client:
            client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-memory"])
        assert (listed()["main"]["estimated_bytes"], listed()["main"]["users"]) == (None, 3)


@pytest.mark.redis
class TestDrop:
    def test_says_what_it_would_delete_and_deletes_it_with_yes(self, fill: Fill, own_redis: RedisServer) -> None:
        fill("main", 3)
        fill("rebuild", 2_500)
        fill("rebuild-2", 3)
        said = run("namespaces", "drop", "rebuild")
        assert "would delete the values of 2,500 users in namespace rebuild" in said.stdout
        assert listed()["rebuild"]["users"] == 2_500
        assert run("namespaces", "drop", "rebuild", "--yes").stdout == "dropped namespace rebuild: 2,500 users\n"
        assert {name: row["users"] for name, row in listed().items()} == {"main": 3, "rebuild-2": 3}
        with own_redis.client() as client:
            assert client.keys("driftline:rebuild:*") == []

    @pytest.mark.parametrize("options", [[], ["--yes"], ["--yes", "--force"]])
    def test_what_does_not_exist(self, fill: Fill, options: list[str]) -> None:
        fill("main", 1)
        with pytest.raises(InputError, match="there is no namespace typo"):
            run("namespaces", "drop", "typo", *options)
        assert list(listed()) == ["main"]

    @pytest.mark.parametrize("options", [[], ["--yes"]])
    def test_live_one_and_one_that_a_job_writes_are_refused_unless_forced(self, fill: Fill, options: list[str]) -> None:
        fill("main", 3)
        fill("busy", 3, runs=True)
        with pytest.raises(InputError, match="main is the live one: promote another first"):
            run("namespaces", "drop", "main", *options)
        with pytest.raises(InputError, match=f"job {JOB_ID} writes namespace busy"):
            run("namespaces", "drop", "busy", *options)
        assert set(listed()) == {"main", "busy"}
        for name in ("main", "busy"):
            run("namespaces", "drop", name, "--yes", "--force")
        assert listed() == {}

    def test_one_that_becomes_live_after_it_was_looked_at(self, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
        store = fill("rebuild", 3)
        monkeypatch.setattr("console.namespaces.require_droppable", lambda *_, **__: store.promote("rebuild"))
        with pytest.raises(InputError, match="rebuild is the live one"):
            run("namespaces", "drop", "rebuild", "--yes")
        assert listed()["rebuild"]["users"] == 3

    def test_interrupted_it_stays_known_cannot_be_promoted_and_goes_on(
        self, fill: Fill, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = fill("rebuild", 5_000)

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("rich.status.Status.update", interrupt)
            run("namespaces", "drop", "rebuild", "--yes", exit_code=130)
        row = listed()["rebuild"]
        assert row["dropping"]
        assert isinstance(row["users"], int)
        assert 0 < row["users"] < 5_000
        with pytest.raises(InputError, match=r"being dropped; .*drop rebuild --yes"):
            run("promote", "rebuild", "--force")
        assert "unfinished" in run("namespaces").stdout
        store.claim(Claim(2, {250: AT_MS}, {250: Progress()}, JOB_ID))  # filled again
        assert not listed()["rebuild"]["dropping"]
        run("namespaces", "drop", "rebuild", "--yes")
        assert listed() == {}

    def test_not_while_a_job_is_submitted(self, fill: Fill) -> None:
        store = fill("rebuild", 3)
        with store.submitting(at_most_s=60), pytest.raises(InputError, match="is being submitted into"):
            run("namespaces", "drop", "rebuild", "--yes")
        run("namespaces", "drop", "rebuild", "--yes")

    def test_cluster_and_bad_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DRIFTLINE_REDIS_URL", "redis+cluster://localhost:7000")
        with pytest.raises(SettingError, match="only `driftline serve` reads a Cluster"):
            run("namespaces", "drop", "rebuild", "--yes")
        with pytest.raises(SettingError, match="a namespace must have"):
            run("namespaces", "drop", "*", "--yes")


@pytest.mark.redis
class TestPromote:
    def test_wants_scores_and_a_job_unless_forced(self, fill: Fill, jobs: list[Job]) -> None:
        store = fill("rebuild", 0)
        with pytest.raises(InputError, match="namespace rebuild has no scores; --force"):
            run("promote", "rebuild")
        store.write([stored_user("u")], None)
        jobs += [Job("1", "score-events rebuild", "FAILED"), Job("2", "score-events rebuild-2", "RUNNING")]
        with pytest.raises(InputError, match="no job writes namespace rebuild now; --force"):
            run("promote", "rebuild")
        assert store.live_namespace() == "main"
        jobs.append(Job("3", "score-events rebuild", "RESTARTING"))
        done = run("promote", "rebuild")
        assert done.stdout == "servers read namespace rebuild now; before: main\n"
        assert done.stderr == "to go back to main: driftline promote --rollback\n"
        assert store.live_namespace() == "rebuild"
        run("promote", "empty", "--force")
        assert store.live_namespace() == "empty"

    def test_rollback_and_forward_again(self, fill: Fill) -> None:
        store = fill("main", 1)
        fill("rebuild", 1, runs=True)
        with pytest.raises(InputError, match="nothing to go back to"):
            run("promote", "--rollback")
        run("promote", "rebuild")
        assert listed()["main"]["previous"]
        back = run("promote", "--rollback")
        assert back.stdout == "servers read namespace main now; before: rebuild\n"
        assert "no job writes namespace main now" in back.stderr
        assert store.live_namespace() == "main"
        assert "no job" not in run("promote", "--rollback").stderr
        assert store.live_namespace() == "rebuild"

    def test_rollback_to_what_is_gone(self, fill: Fill) -> None:
        store = fill("rebuild", 1)
        run("promote", "rebuild", "--force")
        with pytest.raises(InputError, match="main, which was live before rebuild, has been dropped, or was never"):
            run("promote", "--rollback", "--force")
        fill("main", 0)
        with pytest.raises(InputError, match="main has no scores; --force"):
            run("promote", "--rollback")
        assert store.live_namespace() == "rebuild"
        run("promote", "--rollback", "--force")
        assert store.live_namespace() == "main"

    def test_rollback_after_somebody_set_the_key_by_hand(self, fill: Fill, own_redis: RedisServer) -> None:
        fill("main", 1).promote("rebuild")
        with own_redis.client() as client:
            client.set("driftline:live", "main")
        with pytest.raises(InputError, match="nothing to go back to"):
            run("promote", "--rollback")

    @pytest.mark.parametrize("arguments", [[], ["rebuild", "--rollback"]])
    def test_misuse(self, arguments: list[str]) -> None:
        assert "give either a namespace or --rollback" in run("promote", *arguments, exit_code=2).stderr
