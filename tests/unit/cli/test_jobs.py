"""`driftline promote` and the flags of `driftline submit`, as a user types them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.submission import Submitted
from driftline.errors import InputError
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.redis_server import RedisServer


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisScoreStore]:
    """The namespace `rebuild` of a Redis that the commands find."""
    with RedisServer() as server:
        monkeypatch.setenv("DRIFTLINE_REDIS_URL", server.url)
        with closing(RedisScoreStore.connect(server.url, namespace="rebuild", retry_s=5)) as made:
            yield made


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.redis
def test_promote_wants_scores_and_a_job_unless_forced(store: RedisScoreStore, monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[str] = []
    monkeypatch.setattr("console.submission.matching", lambda *_: running)
    with pytest.raises(InputError, match="namespace rebuild has no scores; --force"):
        run("promote", "rebuild")
    store.write([("u", encode_value(1, 1, b"x"))], None)
    with pytest.raises(InputError, match="no job writes namespace rebuild now; --force"):
        run("promote", "rebuild")
    assert store.live_namespace() == "main"
    running.append("a job")
    assert run("promote", "rebuild") == "servers read namespace rebuild now; before: main\n"
    assert store.live_namespace() == "rebuild"
    run("promote", "empty", "--force")
    assert store.live_namespace() == "empty"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from-nothing", "--from-savepoint", "p"], "choose one"),
        (["--new-generation"], "needs --from-savepoint"),
        (["--new-generation", "--from-nothing"], "needs --from-savepoint"),
    ],
)
def test_flags_that_contradict_each_other_are_misuse(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(app, ["submit", "score-events", *arguments])
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


def test_the_new_generation_is_a_setting_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bool] = []

    def submit(_job: object, _stack: object, settings: object, savepoint: str, *_: object, **__: object) -> Submitted:
        given.append(settings.new_generation)  # type: ignore[attr-defined]
        return Submitted("id", savepoint)

    monkeypatch.setattr("console.submission.submit", submit)
    assert "it goes on from p" in run("submit", "score-events", "--from-savepoint", "p", "--new-generation")
    run("submit", "score-events", "--from-savepoint", "p")
    assert given == [True, False]
