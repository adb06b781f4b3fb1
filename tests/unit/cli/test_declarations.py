"""`driftline init`, `check` and `schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.cli.declarations import Template
from declarations.compile import shipped_plan
from declarations.schema import schema_text
from declarations.starting import FOLDER, TEMPLATES

RUN = CliRunner()


def test_the_templates_of_the_command_are_those_that_there_are() -> None:
    assert [template.value for template in Template] == list(TEMPLATES)


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_a_starting_project_is_right_as_it_is(tmp_path: Path, template: str) -> None:
    folder = str(tmp_path / "deep" / "project")
    begun = RUN.invoke(app, ["init", folder, "--template", template])
    assert begun.exit_code == 0, begun.output
    assert (Path(folder) / "declarations.schema.json").read_text() == schema_text()
    for file in Path(folder).glob("*.yaml"):
        assert file.read_text().startswith("# yaml-language-server: $schema=./declarations.schema.json\n")
    checked = RUN.invoke(app, ["check", folder])
    assert checked.exit_code == 0, checked.output
    assert "state of a user: " in checked.output


def test_the_retail_project_computes_what_is_shipped_under_a_name_of_its_own(tmp_path: Path) -> None:
    RUN.invoke(app, ["init", str(tmp_path)])
    plan = json.loads(RUN.invoke(app, ["check", str(tmp_path), "--json"]).output)
    assert plan["name"] == "shop"
    assert [feature["hash"] for feature in plan["features"]] == [each["hash"] for each in shipped_plan()["features"]]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("features: {}\n")
    result = RUN.invoke(app, ["init", str(tmp_path)])
    assert result.exit_code == 1
    assert "mine.yaml already, and nothing is overwritten" in str(result.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.yaml"]


def test_check_lists_every_fault(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("features:\n  a: {cout: VIEW}\n  b: {count: VIEWS}\n")
    result = RUN.invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{tmp_path.name}/a.yaml:2: features.a: unknown key 'cout'; did you mean 'count'?",
        f"{tmp_path.name}/a.yaml:3: features.b.count: unknown event 'VIEWS'; did you mean 'VIEW'?",
        "driftline: 2 faults",
    ]


def test_check_shows_what_features_cost(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "features:\n  a: {count: VIEW, window: 7d}\n  b: {count: VIEW, window: 1d, hop: 6h}\n  c: {expr: a / b}\n"
    )
    lines = [line.split() for line in RUN.invoke(app, ["check", str(tmp_path)]).output.splitlines()]
    assert lines[1:4] == [
        ["a", "0", "number", "window", "466", "118"],
        ["b", "1", "number", "window"],
        ["c", "2", "number", "expr"],
    ]


def test_check_takes_the_usual_folder_or_what_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"feature set v1, {shipped_plan()['hash']}" in RUN.invoke(app, ["check"]).output
    RUN.invoke(app, ["init", "--template", "media"])
    assert (tmp_path / FOLDER / "events.yaml").exists()
    assert "feature set media" in RUN.invoke(app, ["check"]).output


@pytest.mark.parametrize("variable", ["DRIFTLINE_DECLARATIONS", "DRIFTLINE_JOB_DECLARATIONS"])
def test_check_takes_the_project_that_the_job_would_take(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    RUN.invoke(app, ["init", "--template", "media"])
    RUN.invoke(app, ["init", "other", "--template", "empty"])
    monkeypatch.setenv(variable, "other")
    assert "feature set custom" in RUN.invoke(app, ["check"]).output


def test_a_project_that_is_not_used_is_pointed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not RUN.invoke(app, ["models", "list"]).stderr
    RUN.invoke(app, ["init", "--template", "media"])
    listed = RUN.invoke(app, ["models", "list"])
    assert "purchase_propensity" in listed.stdout
    assert listed.stderr == (
        "the shipped set v1 is used; for the project in personalization: "
        "`export DRIFTLINE_DECLARATIONS=$PWD/personalization`\n"
    )
    assert not RUN.invoke(app, ["models", "list", "--declarations", "personalization"]).stderr


def test_schema_is_printed() -> None:
    assert RUN.invoke(app, ["schema"]).output == schema_text()


def test_the_reference_is_that_of_the_documents() -> None:
    printed = RUN.invoke(app, ["schema", "--markdown"]).output
    file = Path(__file__).parents[3] / "docs" / "declarations-reference.md"
    assert file.read_text() == printed, "driftline schema --markdown > docs/declarations-reference.md"


def test_check_folds_a_sample(tmp_path: Path) -> None:
    project, file = tmp_path / "personalization", tmp_path / "events.jsonl"
    RUN.invoke(app, ["init", str(project), "--template", "media"])
    event = {"userId": "u", "type": "play", "eventTimeMs": 1_790_000_000_000, "properties": {"artist": "a"}}
    events = [event | {"eventId": f"e{i}"} for i in range(3)]
    events[2] = events[2] | {"properties": {}}
    file.write_text("".join(json.dumps(each) + "\n" for each in events))
    result = RUN.invoke(app, ["check", str(project), "--sample", str(file)])
    assert result.exit_code == 0, result.output
    assert "sample: 2 events of 1 users" in result.stdout
    assert "play 2, like 0, subscribe 0, cancel 0" in result.stdout
    assert "left out: 1 MISSING_FIELD (first in line 3: artist is missing" in result.stderr
    assert ["plays", "100.0%", "2", "2", "2"] in [line.split() for line in result.stdout.splitlines()]
