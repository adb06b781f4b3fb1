"""`driftline replay NAMESPACE --local` as it is typed: real processes, a real Redis, neither Flink nor Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.accounting import Account
from console.cli import app
from console.progress import replay_extents
from console.replaying.note import Replay
from driftline.errors import DriftlineError, InputError, SettingError
from jobs.bundle import bound_for
from jobs.lineage import Submission, claim, resume
from sink_connectors.catalogue_store import CatalogueStore
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import Progress, RedisScoreStore
from tests.builders import DAY
from tests.lakes import TopicRecord, eventful_history, write_lake
from tests.redis_server import RedisServer, free_port
from tests.unit.jobs.projects import folder, settings_of
from tests.unit.replaying.replays import record_by_record
from udfs.shards import shard_keys

pytestmark = pytest.mark.redis
NOW_MS = 1_900_000_000_000
PROJECT = folder("""
project: {name: shop, ages: [10m, 1h]}
features:
  views: {count: VIEW}
scores:
  activity: {expr: 'views / (1.0 + views)'}
segments:
  viewers: {when: 'views >= 1'}
""")
Home = Callable[..., Path]


def run(*arguments: str, exit_code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done


def export(namespace: str) -> str:
    return run("export-scores", "--namespace", namespace).stdout


@pytest.fixture
def records(own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[TopicRecord]:
    """What is in the lake that the commands find."""
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", own_redis.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRIFTLINE_FLINK_PORT", str(free_port()))
    found = eventful_history(users=15, events=500, partitions=3, days=3.0)
    write_lake(tmp_path / "home" / "lake", found)
    return found


def unaccounted(server: RedisServer, namespace: str) -> int:
    """How many offsets `driftline drain` would miss, by what is known of the replay."""
    with (
        closing(RedisScoreStore.connect(server.url, namespace=namespace)) as store,
        closing(ReplayNotes.connect(server.url, namespace=namespace)) as notes,
    ):
        replay = Replay.decode(notes.get())
        assert replay is not None
        assert replay.is_over
        account = Account.of(replay_extents(replay, {}), store.read_reports(), {}, replay.parts)
        assert account is not None
        return sum(part.unaccounted for part in account.partitions.values())


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_namespace_is_what_the_job_would_have_left(
    records: list[TopicRecord], own_redis: RedisServer, processes: int
) -> None:
    printed = run("replay", "again", "--local", "--processes", str(processes), "--json").stdout
    live = record_by_record(settings_of(None, disorder_ms=DAY), records, {}, NOW_MS)
    document = json.loads(printed)
    assert {name: document[name] for name in Progress._fields} == live.totals._asdict()
    assert live.exported
    assert export("again") == live.exported
    (row,) = map(json.loads, run("namespaces", "--json").stdout.splitlines())
    assert (row["name"], row["replay"]) == ("again", "replay of the lake, done")
    assert unaccounted(own_redis, "again") == 0
    run("promote", "again", "--force")  # without it, Flink is asked which jobs run


def test_two_replays_compare_as_equal_and_one_with_another_session_gap_differs(records: list[TopicRecord]) -> None:
    for name in ("one", "other"):
        run("replay", name, "--local", "--processes", "2")
    assert "0 different" in run("diff", "one", "other", "--features").stdout
    run("replay", "longer", "--local", "--set", "session_gap_ms=7200000")
    assert "session_events" in run("diff", "one", "longer", "--features", exit_code=1).stdout


def test_declarations_segments_and_the_catalogue_are_served(records: list[TopicRecord], own_redis: RedisServer) -> None:
    shown = run("replay", "shop", "--local", "--declarations", str(PROJECT))
    assert "processed=" in shown.stdout
    assert "users in namespace shop" in shown.stderr
    with closing(RedisScoreStore.connect(own_redis.url, namespace="shop")) as store:
        members = dict(store.segment_members("viewers"))
        served = {row["userId"] for row in map(json.loads, export("shop").splitlines()) if row.get("segments")}
        assert set(members) == served
        assert members
    with closing(CatalogueStore.connect(own_redis.url, namespace="shop")) as catalogue:
        assert catalogue.get().sets[0].features.name == "shop"
    run("promote", "shop", "--force")
    assert export("shop") == run("export-scores").stdout


def test_some_users_and_some_dates_alone(records: list[TopicRecord], tmp_path: Path) -> None:
    run("replay", "all", "--local")
    lines = export("all").splitlines()
    wanted = [json.loads(line)["userId"] for line in lines][:2]
    shown = run("replay", "two", "--local", "--user", wanted[0], "--user", wanted[1])
    assert export("two").splitlines() == [line for line in lines if json.loads(line)["userId"] in wanted]
    assert "records of other users were left out" in shown.stderr
    (tmp_path / "users").write_text("\n".join(wanted))
    run("replay", "file", "--local", "--users", str(tmp_path / "users"))
    assert export("file") == export("two")
    run("replay", "day", "--local", "--dates", "2026-01-02")
    assert 0 < len(export("day").splitlines()) <= len(lines)


def test_files_of_what_is_not_scores(records: list[TopicRecord], tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = run("replay", "files", "--local", "--processes", "2", "--out", str(out), "--json").stdout
    found = {path.stem: len(path.read_text().splitlines()) for path in out.iterdir()}
    assert found["late"] == json.loads(shown)["late"]
    assert found["dead_letters"] == json.loads(shown)["dead_letter"]
    assert found["sessions"] > 0
    assert found["segments"] == 0


def test_what_is_there_is_not_replaced_unasked(records: list[TopicRecord]) -> None:
    run("replay", "mine", "--local")
    before = export("mine")
    with pytest.raises(InputError, match="namespace mine has scores: --replace drops them first"):
        run("replay", "mine", "--local", "--set", "session_gap_ms=7200000")
    assert export("mine") == before
    run("replay", "mine", "--local", "--replace", "--user", json.loads(before.splitlines()[0])["userId"])
    assert export("mine").splitlines() == before.splitlines()[:1]


def test_a_run_that_was_cut_short_is_begun_again(records: list[TopicRecord], own_redis: RedisServer) -> None:
    run("replay", "whole", "--local")
    settings = settings_of(None, namespace="half", redis_url=own_redis.url)
    with closing(RedisScoreStore.connect(own_redis.url, namespace="half")) as store:
        states = resume({}, shard_keys(8), settings, Submission(5, restored=False), bound_for(settings))
        store.claim(claim(states, "local-" + "a" * 26, settings, unproven=False))
        store.write([("nobody", b"\x00" * 16 + b"\x08\x01")], None)
    shown = run("replay", "half", "--local")
    assert "held a replay that was cut short; it is begun again" in shown.stderr
    assert export("half") == export("whole")


def test_the_live_namespace_is_refused(records: list[TopicRecord]) -> None:
    with pytest.raises(InputError, match="namespace main is the live one"):
        run("replay", "main", "--local")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (("--dates", "2026"), SettingError, "--dates must be like"),
        (("--dates", "2026-01-03..2026-01-01"), SettingError, "--dates begins behind its end"),
        (("--dates", "2031-01-01"), InputError, "no records of event dates"),
        (("--lake", "/nowhere/at/all"), InputError, "no lake in /nowhere/at/all/events"),
        (("--set", "require_model=true"), DriftlineError, "no model to score with"),
    ],
)
def test_what_cannot_be_done_is_said(
    records: list[TopicRecord], options: tuple[str, ...], error: type[DriftlineError], text: str
) -> None:
    with pytest.raises(error, match=text):
        run("replay", "odd", "--local", *options)
