"""A history that nobody here wrote goes from a file to a lake, to a model, to scores, by the documented commands.

The history is tests/public/README.md's. Real processes and a real Redis; neither Flink nor Kafka.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from tests.redis_server import RedisServer, free_port

pytestmark = pytest.mark.redis
ROOT = Path(__file__).resolve().parents[2]
HISTORY = ROOT / "tests" / "public" / "online-retail-120-customers.csv.gz"
MAPPING = ROOT / "docs" / "mappings" / "online-retail.toml"
LINES, REPEATED = 10_761, 185  # exactly repeated lines: sort | uniq -d


@pytest.fixture
def home(own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIFTLINE_REDIS_URL", own_redis.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRIFTLINE_FLINK_PORT", str(free_port()))
    return tmp_path


def driftline(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def exported(namespace: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in driftline("export-scores", "--namespace", namespace).splitlines()]


@pytest.mark.timeout(600)
def test_a_public_history_goes_from_a_file_to_scores_of_a_model(home: Path) -> None:
    driftline("lake", "import", HISTORY, "--mapping", MAPPING)
    assert "every offset is there" in driftline("lake", "verify")
    kinds = [json.loads(line) for line in driftline("lake", "count", "--by", "type", "--json").splitlines()]
    assert sum(one["records"] for one in kinds) == LINES

    before = driftline("replay", "by-formula", "--local")
    counters = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", before)}
    assert counters["accepted"] + counters["duplicate"] == LINES
    assert counters["duplicate"] == REPEATED

    driftline("training-set", "churn_risk", "--lake", "--out", home / "set")
    card = json.loads((home / "set" / "card.json").read_text())
    assert 0.05 < card["label_mean"] < 0.95  # a shop whose customers do and do not come back
    trained = driftline("train", "churn_risk", "--training-set", home / "set")
    auc = re.search(r"AUC\D+([\d.]+)", trained)
    assert auc is not None and float(auc[1]) > 0.5  # of some twenty customers; the whole history has 4,372

    driftline("replay", "by-model", "--local")
    formula, model = exported("by-formula"), exported("by-model")
    assert len(formula) == len(model) == 120
    assert all(one["modelVersions"] for one in model)
    assert [one["scores"] for one in formula] != [one["scores"] for one in model]

    driftline("promote", "by-model", "--force")  # without it Flink is asked, which does not run here
    audited = json.loads(driftline("audit", "--share", "1", "--json"))
    assert (audited["compared"], audited["differing"]) == (120, 0)
