"""The flags of `driftline submit`, as a user types them."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.submission import Submitted


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
