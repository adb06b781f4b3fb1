"""`driftline models` and `driftline train`, as a user types them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.cli import app
from driftline.catalogue import FeatureSet
from driftline.errors import InputError
from driftline.jsonlines import format_event
from driftline.models import ModelFolder
from jobs.plans import plan_for
from tests.builders import MINUTE, job_settings, message
from tests.onnx_models import constant

PROJECT = """
project: {name: shop}
features:
  carts: {count: ADD_TO_CART, scope: session}
  views: {count: VIEW, scope: session}
scores:
  buys: {model: classification, features: [views, carts], label: {event: PURCHASE, within: 1h}}
  spend: {model: regression, label: {sum: value, of: PURCHASE, within: 1h}, estimator: Ridge}
"""


def run(*arguments: str, exit_code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "brought.onnx"
    file.write_bytes(constant(0.5, 0.5))
    return file


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "personalization"
    folder.mkdir()
    (folder / "shop.yaml").write_text(PROJECT)
    return folder


def test_a_model_is_added_and_listed(tmp_path: Path, model: Path) -> None:
    models = tmp_path / "models"
    shown = run("models", "list", "--models-dir", str(models)).stdout
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.splitlines()[1:]}
    assert rows == {
        "purchase_propensity": "classification none",
        "churn_risk": "classification none: its formula makes it",
    }
    run("models", "add", "purchase_propensity", str(model), "--models-dir", str(models))
    version = ModelFolder(models).current_version()
    assert ModelFolder(models).manifest(version).metrics == {"source": "brought.onnx"}
    assert version in run("models", "list", "--models-dir", str(models)).stdout


def test_a_score_of_a_project_has_a_folder_of_its_own(tmp_path: Path, project: Path) -> None:
    models = tmp_path / "models"
    given = ("--models-dir", str(models), "--declarations", str(project))
    (tmp_path / "half.onnx").write_bytes(b"half")
    with pytest.raises(InputError, match="not an ONNX model"):
        run("models", "add", "buys", str(tmp_path / "half.onnx"), *given)
    with pytest.raises(InputError, match="did you mean buys"):
        run("models", "add", "bys", str(tmp_path / "half.onnx"), *given)
    with pytest.raises(InputError, match=r"gone\.onnx: No such file"):
        run("models", "add", "buys", str(tmp_path / "gone.onnx"), *given)
    assert [line.split()[0] for line in run("models", "list", *given).stdout.splitlines()] == ["score", "buys", "spend"]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who look, and buy for 5 to 9 five minutes after they have put something into the cart."""
    lines = []
    for user in range(300):
        for visit in range(6):
            at_ms = (visit * 20 * 60 + user) * MINUTE
            look = 3 if (user + visit) % 3 == 0 else 1
            lines.append(message(f"u{user}", at_ms, type=look, event_id=f"{visit}-look"))
            if look == 3:
                value = 5.0 + user % 5
                lines.append(message(f"u{user}", at_ms + 5 * MINUTE, type=4, event_id=f"{visit}-buy", value=value))
    file = tmp_path_factory.mktemp("history") / "history.jsonl"
    file.write_text("\n".join(map(format_event, lines)))
    return file


def test_a_score_is_trained_and_its_report_printed(tmp_path: Path, history: Path) -> None:
    models = tmp_path / "models"
    shown = run("train", "--events", str(history), "--models-dir", str(models)).stdout
    assert "is now the live one of purchase_propensity" in shown
    assert "AUC" in shown
    manifest = json.loads((models / ModelFolder(models).current_version() / "manifest.json").read_text())
    assert (manifest["feature_set"], len(manifest["features"]), len(manifest["feature_hashes"])) == ("v1", 40, 40)
    assert manifest["metrics"]["estimator"] == "HistGradientBoostingClassifier"


@pytest.mark.parametrize(("score", "features"), [("buys", ["views", "carts"]), ("spend", ["carts", "views"])])
def test_a_declared_score_is_trained(
    tmp_path: Path, project: Path, history: Path, score: str, features: list[str]
) -> None:
    given = ("--models-dir", str(tmp_path / "models"), "--declarations", str(project))
    printed = run("train", score, "--events", str(history), *given).stdout
    assert f"(feature set shop) is now the live one of {score}" in printed
    assert ("R2" if score == "spend" else "Brier score") in printed
    folder = ModelFolder(tmp_path / "models" / score)
    manifest = folder.manifest(folder.current_version())
    plan = plan_for(job_settings(declarations=project)).data
    assert list(manifest.features) == features
    assert (manifest.declaration, manifest.row_by_row) == (plan["hash"], score == "spend")
    loaded = folder.load(manifest.version, FeatureSet.of_plan(plan), score=score)
    row = struct.pack("<2f", 1.0, 0.0)
    assert len(loaded.predict([row, row])) == 2
    assert manifest.version in run("models", "list", *given).stdout


def test_which_score_is_to_be_trained_must_be_known(tmp_path: Path, project: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text(format_event(message()))
    given = ("--events", str(history), "--declarations", str(project))
    with pytest.raises(InputError, match="several scores are made by models: buys, spend; name one"):
        run("train", *given)
    with pytest.raises(InputError, match="unknown score of a model 'spent'; did you mean spend"):
        run("train", "spent", *given)
