"""The declarations of docs/mappings/README.md go with the mapping and the sample of their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from declarations.compile import plan_of
from tests.declared_events import fold_file
from tests.unit.docs.blocks import DOCS, chapters_of, write_project

ROOT = DOCS.parent
SHAPES = next(each for each in chapters_of(DOCS / "mappings" / "README.md") if "declaration" in each.title).recipes


def test_each_mapping_has_one() -> None:
    assert set(SHAPES) == {file.stem for file in (DOCS / "mappings").glob("*.toml")}


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_sample_comes_to_something(name: str, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", SHAPES[name])
    sample = next(file for file in (ROOT / "tests" / "samples").iterdir() if file.stem == name)
    folded = fold_file(project, sample, DOCS / "mappings" / f"{name}.toml")
    plan = plan_of(project)
    assert not [each["name"] for each in plan["events"] if each["number"] not in folded.types and each["custom"]]
    wanted = {each["name"] for each in plan["features"] if not each.get("hidden")}
    assert not wanted - folded.touched
