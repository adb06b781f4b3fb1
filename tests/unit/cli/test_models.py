"""`driftline models` and `driftline train`, as a user types them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.cli import app
from driftline.catalogue import FeatureSet
from driftline.errors import InputError, SettingError
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


def versions(*given: str) -> dict[str, str]:
    """Stage by version, of purchase_propensity."""
    found = json.loads(run("models", "list", "--all", "--json", *given).stdout)["purchase_propensity"]
    return {one["version"]: one["stage"] for one in found}


def test_a_training_set_makes_the_model_that_its_events_make(tmp_path: Path, history: Path) -> None:
    models = ("--models-dir", str(tmp_path / "models"))
    card = json.loads(
        run("training-set", "--events", str(history), "--out", str(tmp_path / "set"), "--user-ids", "--json").stdout
    )
    assert (card["score"], card["label"]["of"], card["label"]["within"]) == ("purchase_propensity", "PURCHASE", "30m")
    run("train", "--training-set", str(tmp_path / "set"), *models)
    run("train", "--events", str(history), "--as", "candidate", *models)
    assert sorted(versions(*models).values()) in (["candidate", "live"], ["live"])  # of one second: the same version
    folder = ModelFolder(tmp_path / "models")
    manifests = [folder.manifest(one) for one in folder.versions()]
    assert {one.sha256 for one in manifests} == {manifests[0].sha256}
    assert {one.lineage["data_sha256"] for one in manifests} == {card["data_sha256"]}
    told = folder.manifest(folder.current_version()).lineage
    assert told["training_set"]["rows_sha256"] == card["rows_sha256"]
    assert told["source"]["files"][0]["name"] == "history.jsonl"
    shown = run("models", "show", "purchase_propensity", *models).stdout
    assert card["data_sha256"] in shown and "live" in shown


def test_a_training_set_of_other_declarations_is_refused(tmp_path: Path, history: Path, project: Path) -> None:
    run("training-set", "--events", str(history), "--out", str(tmp_path / "set"), "--sample", "0.5")
    given = ("--declarations", str(project), "--models-dir", str(tmp_path / "models"))
    with pytest.raises(InputError, match="is for score purchase_propensity, not for buys; make one with"):
        run("train", "buys", "--training-set", str(tmp_path / "set"), *given)
    with pytest.raises(InputError, match="is there already"):
        run("training-set", "--events", str(history), "--out", str(tmp_path / "set"))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((), "say what to learn from, by one of: --events FILE, --lake or --training-set FOLDER"),
        (("--lake", "--training-set", "x"), "by one of"),
        (("--training-set", "x", "--dates", "2026-01-01"), "--dates are of the lake"),
        (("--lake", "--skip-bad"), "--mapping and --skip-bad are of files"),
        (("--lake", "--dates", "2026-13-01..2026-14-01"), "--dates '2026-13-01..2026-14-01' should be like"),
        (("--lake", "--dates", "january"), "should be like"),
        (("--lake", "--as", "retired"), "--as 'retired' should be one of: live, candidate"),
    ],
)
def test_what_to_learn_from_must_be_clear(given: tuple[str, ...], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        run("train", *given)


def test_a_lake_that_is_not_there_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_LAKE_URL", str(tmp_path / "lake"))
    with pytest.raises(InputError, match=r"no lake in .*/lake/events"):
        run("training-set", "--lake", "--out", str(tmp_path / "set"))


def test_a_lake_makes_the_rows_that_its_files_make(
    tmp_path: Path, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_LAKE_URL", str(tmp_path / "lake"))
    run("lake", "import", str(history))
    given = ("--rows-max", "1000", "--seed", "4")
    run("training-set", "--lake", "--out", str(tmp_path / "lake-set"), *given)
    run("training-set", "--events", str(history), "--out", str(tmp_path / "file-set"), *given)
    rows = [(tmp_path / name / "rows.parquet").read_bytes() for name in ("lake-set", "file-set")]
    assert rows[0] == rows[1]
    card = json.loads((tmp_path / "lake-set" / "card.json").read_text())
    assert card["source"]["kind"] == "lake" and 500 < card["rows"] <= 1_000
    assert sum(1 + last - first for first, last in card["source"]["offsets"].values()) == card["events"]
    run("train", "--lake", "--models-dir", str(tmp_path / "models"))
    folder = ModelFolder(tmp_path / "models")
    lineage = folder.manifest(folder.current_version()).lineage
    assert lineage["source"]["url"] == str(tmp_path / "lake" / "events")


def stored(models: Path, stamp: str, **metrics: float) -> str:
    report = {"auc": 0.8, "brier": 0.1, "brier_base": 0.2} | metrics
    p = int(stamp) / 10
    return (
        ModelFolder(models)
        .store(constant(1 - p, p), trained_at_ms=1, stamp=stamp, metrics=dict(report), live=stamp == "1")
        .version
    )


def test_a_model_is_promoted_unless_it_is_worse(tmp_path: Path) -> None:
    models = tmp_path / "models"
    first, good, bad = stored(models, "1"), stored(models, "2", auc=0.81), stored(models, "3", auc=0.7)
    given = ("--models-dir", str(models))
    shown = run("models", "promote", "purchase_propensity", good, "--note", "monthly", *given).stdout
    assert "two tests: they were trained on different histories" in shown
    assert f"model {good} is now the live one of purchase_propensity" in shown
    with pytest.raises(InputError, match=f"{bad} is worse than the live model in AUC; --force"):
        run("models", "promote", "purchase_propensity", bad, *given)
    assert versions(*given) == {first: "candidate", good: "live", bad: "candidate"}
    run("models", "promote", "purchase_propensity", bad, "--force", *given)
    assert f"model {good} is the live one" in run("models", "rollback", "purchase_propensity", *given).stdout
    run("models", "retire", "purchase_propensity", bad, *given)
    with pytest.raises(InputError, match="is retired; --force"):
        run("models", "promote", "purchase_propensity", bad, *given)
    assert versions(*given) == {first: "candidate", good: "live", bad: "retired"}
    told = [line.split()[3] for line in run("models", "history", "purchase_propensity", *given).stdout.splitlines()]
    assert told[1:] == ["train", "promote", "promote", "rollback", "retire"]
    lines = run("models", "history", "purchase_propensity", "--json", *given).stdout.splitlines()
    assert json.loads(lines[1])["note"] == "monthly"


def test_a_broken_live_model_does_not_keep_another_one_from_its_place(tmp_path: Path) -> None:
    models = tmp_path / "models"
    first, worse = stored(models, "1"), stored(models, "2", auc=0.6)
    (models / first / "model.onnx").write_bytes(b"half")
    done = run("models", "promote", "purchase_propensity", worse, "--models-dir", str(models))
    assert "not compared with the live model, which cannot be used" in done.output
    assert ModelFolder(models).current_version() == worse


def test_two_models_are_measured_on_the_same_rows(tmp_path: Path, history: Path) -> None:
    given = ("--models-dir", str(tmp_path / "models"))
    run("training-set", "--events", str(history), "--out", str(tmp_path / "set"))
    run("train", "--training-set", str(tmp_path / "set"), *given)
    (tmp_path / "brought.onnx").write_bytes(constant(0.5, 0.5))
    run("models", "add", "purchase_propensity", str(tmp_path / "brought.onnx"), "--as", "candidate", *given)
    (brought,) = [name for name, stage in versions(*given).items() if stage == "candidate"]
    live = ModelFolder(tmp_path / "models").current_version()
    with pytest.raises(InputError, match="is worse than the live model in AUC and Brier skill"):
        run("models", "promote", "purchase_propensity", brought, "--on", str(tmp_path / "set"), *given)
    assert ModelFolder(tmp_path / "models").current_version() == live
    done = run("models", "promote", "purchase_propensity", brought, *given)
    assert "one of them has no report: --on FOLDER measures both" in done.output
    assert ModelFolder(tmp_path / "models").current_version() == brought
