"""The flags of `driftline submit`, as a user types them."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.progress import Drained
from console.submission import Submitted
from sink_connectors.score_store import Progress


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


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


class Finished:
    """Everything is processed."""

    namespace, topic = "main", "events"

    def __init__(self, *_: object) -> None:
        pass

    def look(self) -> Drained:
        return Drained(3, Progress(accepted=2, late=1))

    def close(self) -> None:
        pass


def test_drain_ends_by_saying_what_the_scores_are_as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.progress.TopicProgress", Finished)
    first, *_, last = run("drain").splitlines()
    assert first == "published=3 processed=3 accepted=2 duplicate=0 late=1 dead_letter=0"
    assert last.startswith("scores are as of each user's newest event")
