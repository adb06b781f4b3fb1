"""Blocks of declarations in documents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[3] / "docs"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Chapter(NamedTuple):
    """A part of a document under a heading of the second level.

    Attributes:
        base: the blocks before the first heading of the third level.
        recipes: the blocks under each of those.
    """

    title: str
    base: list[str]
    recipes: dict[str, list[str]]


def blocks_of(text: str) -> list[str]:
    """All blocks of YAML in a text."""
    return _BLOCK.findall(text)


def chapters_of(document: Path) -> list[Chapter]:
    """The chapters of a document that have blocks."""
    found = []
    for part in re.split(r"^## ", document.read_text(), flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        base, *recipes = re.split(r"^### ", body, flags=re.MULTILINE)
        by_title = {recipe.partition("\n")[0]: blocks_of(recipe) for recipe in recipes}
        chapter = Chapter(title, blocks_of(base), {name: blocks for name, blocks in by_title.items() if blocks})
        if chapter.base or chapter.recipes:
            found.append(chapter)
    return found


def write_project(folder: Path, blocks: list[str]) -> Path:
    """Make a project of blocks, each a file."""
    folder.mkdir(parents=True)
    for at, block in enumerate(blocks):
        (folder / f"{at:02}.yaml").write_text(block)
    return folder
