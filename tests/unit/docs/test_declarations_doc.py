"""The walk of docs/declarations.md prints what it says there, as far as it needs no stack."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from declarations import event_types, scores
from declarations.compile import FEATURES_MAX, plan_of
from declarations.costs import STATE_BYTES_MAX
from declarations.expressions import DEPTH_MAX
from declarations.feature_models import CAP, CAP_MAX, HOPS_MAX
from driftline.limits import SEGMENTS_MAX

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "declarations.md").read_text()
FILE = re.compile(
    r"`((?:personalization/)?\w+\.(?:yaml|toml))`:\n\n```(?:yaml|toml)\n(.*?)^```", re.DOTALL | re.MULTILINE
)
COMMAND = re.compile(r"^```console\n\$ driftline (.*?)\n(.*?)^```", re.DOTALL | re.MULTILINE)
RUN = CliRunner()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the reader has after step 3."""
    folder = tmp_path_factory.mktemp("school")
    script = ROOT / "docs" / "tutorial" / "lessons.py"
    made = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    (folder / "lessons.csv").write_text(made.stdout)
    (folder / "personalization").mkdir()
    files = dict(FILE.findall(TEXT))
    assert set(files) == {
        "lessons.toml",
        *(f"personalization/{part}.yaml" for part in ("project", "features", "scores")),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def school(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the current folder; a folder of its own, because what is compiled is remembered by folder."""
    folder = tmp_path / "school"
    shutil.copytree(written, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DRIFTLINE_DECLARATIONS", str(folder / "personalization"))
    return folder


def run(command: str) -> list[str]:
    """What a command prints, without what differs from run to run."""
    result = RUN.invoke(app, command.split())
    return lines_of(result.output)


def lines_of(text: str) -> list[str]:
    stable = re.sub(r"\d+ us an event", "N us an event", re.sub(r"model \S+ \(", "model V (", text))
    return [line.rstrip() for line in stable.splitlines()]


def shown(command: str) -> list[str]:
    """What the document says that it prints."""
    return lines_of(dict(COMMAND.findall(TEXT))[command])


def test_the_file_begins_as_shown(school: Path) -> None:
    head = (school / "lessons.csv").read_text().splitlines()[:4]
    assert "\n".join(head) in TEXT


def test_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("init --template empty") == shown("init --template empty")


@pytest.mark.usefixtures("school")
def test_check() -> None:
    assert run("check") == shown("check")


@pytest.mark.usefixtures("school")
def test_check_with_the_file_prints_that_and_the_sample() -> None:
    command = "check --sample lessons.csv --mapping lessons.toml"
    assert run(command) == [*shown("check"), "", *shown(command)]


def test_faults_are_named_as_shown(school: Path) -> None:
    more, said = re.findall(
        r"file with\n\n```yaml\n(.*?)^```\n\n`driftline check` says\n\n```text\n(.*?)^```", TEXT, re.S | re.M
    )[0]
    file = school / "personalization" / "more.yaml"
    file.write_text(more)
    assert run("check") == said.splitlines()


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        (
            "lessons.toml",
            'subscribed = "subscribe"\n',
            "",
            [
                "subscribe 0, CUSTOM 216",
                "warning: events of types unknown here, folded as CUSTOM: 216 ('subscribed' 216)",
            ],
        ),
        (
            "personalization/project.yaml",
            "max: 600",
            "max: 15",
            ["left out: 3,827 INVALID_VALUE (first in line 15: minutes of lesson must be a number from 0 to 15)"],
        ),
    ],
)
def test_what_a_sample_shows_of_mistakes(school: Path, file: str, right: str, wrong: str, said: list[str]) -> None:
    text = (school / file).read_text()
    assert right in text
    (school / file).write_text(text.replace(right, wrong))
    output = "\n".join(run("check --sample lessons.csv --mapping lessons.toml"))
    prose = " ".join(TEXT.split())
    for line in said:
        assert line in output
        assert f"`{line}`" in prose


@pytest.mark.usefixtures("school")
def test_train_reports_on_as_many_examples(tmp_path: Path) -> None:
    command = "train subscription --events lessons.csv --mapping lessons.toml"
    printed, said = run(f"{command} --models-dir {tmp_path}"), shown(command)
    assert printed[0] == said[0]
    numbers = re.compile(r"0\.\d+")  # of the fit: other processors have other last digits
    assert [numbers.sub("", line) for line in printed] == [numbers.sub("", line) for line in said]


def test_what_is_asked_of_is_declared(school: Path) -> None:
    plan = plan_of(school / "personalization")
    names = {entry["name"] for section in ("features", "scores", "segments") for entry in plan[section]}
    assert {"effort", "subscription", "favourite", "plan", "keen"} <= names


def test_the_bounds_are_those_of_the_code() -> None:
    said = " ".join(TEXT.split("- **Bounds**: ")[1].split("`check`")[0].split())
    assert said == (
        f"{event_types.DECLARED_MAX} declared events of {event_types.FIELDS_MAX} fields, {FEATURES_MAX:,} features, "
        f"{scores.SCORES_MAX} scores, {SEGMENTS_MAX} segments, {HOPS_MAX} hops a window, "
        f"{STATE_BYTES_MAX:,} bytes of a user's state at worst."
    )


def test_the_bounds_of_the_architecture_are_those_of_the_code() -> None:
    numbers = (event_types.DECLARED_MAX, event_types.FIELDS_MAX, FEATURES_MAX, scores.SCORES_MAX, SEGMENTS_MAX)
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert f"segments of a project | {', '.join(f'{number:,}' for number in numbers)} |" in text
    assert f"at worst | {STATE_BYTES_MAX:,} bytes |" in text
    assert f"in an expression | {HOPS_MAX}; {DEPTH_MAX} |" in text
    assert f"at most {CAP_MAX:,}; else `categories_max` {CAP}." in text
