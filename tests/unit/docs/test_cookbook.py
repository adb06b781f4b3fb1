"""Every recipe of docs/cookbook.md compiles, alone and with the others, and comes to something."""

from __future__ import annotations

from pathlib import Path

import pytest

from declarations.compile import plan_of
from tests.declared_events import fold_lines
from tests.unit.docs.blocks import DOCS, Chapter, chapters_of, write_project
from tests.unit.docs.cookbook_events import COOKBOOK_EVENTS

CHAPTERS = {chapter.title: chapter for chapter in chapters_of(DOCS / "cookbook.md")}
RECIPES = [(chapter, title) for chapter in CHAPTERS.values() for title in chapter.recipes]
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS.values(), ids=list(CHAPTERS))


def test_there_are_events_for_each_chapter() -> None:
    assert list(COOKBOOK_EVENTS) == list(CHAPTERS)
    assert all(len(chapter.recipes) >= 6 for chapter in CHAPTERS.values())


@pytest.mark.parametrize(("chapter", "title"), RECIPES, ids=[f"{each.title}-{title}" for each, title in RECIPES])
def test_a_recipe_works_with_the_events_of_its_chapter_alone(chapter: Chapter, title: str, tmp_path: Path) -> None:
    assert plan_of(write_project(tmp_path / "project", [*chapter.base, *chapter.recipes[title]]))["features"]


@each_chapter
def test_the_recipes_of_a_chapter_work_together_and_come_to_something(chapter: Chapter, tmp_path: Path) -> None:
    blocks = [*chapter.base, *(block for blocks in chapter.recipes.values() for block in blocks)]
    project = write_project(tmp_path / "project", blocks)
    plan = plan_of(project)
    folded = fold_lines(project, COOKBOOK_EVENTS[chapter.title], tmp_path)
    assert not folded.left_out
    assert not [each["name"] for each in plan["events"] if each["custom"] and each["number"] not in folded.types]
    wanted = {each["name"] for each in plan["features"] if _is_seen(each)}
    wanted |= {score["name"] for score in plan["scores"] if "expr" in score}
    wanted |= {segment["name"] for segment in plan["segments"] if not segment["on_models"]}
    assert not wanted - folded.touched - {name for name in wanted if _is_one_of_many(name)}


def _is_seen(feature: dict[str, object]) -> bool:
    return not feature.get("hidden") and (feature["kind"] == "number" or bool(feature["served"]))


def _is_one_of_many(name: str) -> bool:
    """Whether it is an hour or a day, not all of which occur."""
    return name.rpartition("_")[2].isdigit()
