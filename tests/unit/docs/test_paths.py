"""Every path, heading and module that a document names exists."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
DOCUMENTS = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "CHANGELOG.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted((REPOSITORY / "examples").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
IN_BACKTICKS = re.compile(r"`([\w.-]+(?:/[\w.-]+)+/?)`")
# Paths without backticks, as in drawings: the first folder tells that they are ours.
FOLDERS = (
    "benchmarks|conf|console|declarations|deploy|docs|driftline|examples|history|jobs|notebooks|proto|scripts|serving|sink_connectors"
    "|state_schemas|tests|training|udfs"
)
BARE = re.compile(rf"(?<![\w/.`\[(-])((?:{FOLDERS})/[\w./-]*\w)")
NOT_HERE = {  # made by a run, on a cluster or in a file of data
    "benchmarks/results",
    "build/job",
    "build/lib",
    "build/wheel",
    "models/current",
    ".driftline/models",
    ".driftline/flink/savepoints",
    "personalization/project.yaml",
    "personalization/features.yaml",
    "personalization/scores.yaml",
    "n/a",
}


def _prose(text: str) -> str:
    """The text without the blocks of code that somebody else's shell or files are in."""
    return re.sub(r"^```(?:bash|console|toml|json)\n.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def _named(text: str) -> Iterator[str]:
    yield from IN_BACKTICKS.findall(text)
    yield from BARE.findall(LINK.sub("", text))


def _anchors(document: Path) -> set[str]:
    """The anchors that a reader's browser finds, as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_paths_exist(document: Path) -> None:
    text = _prose(document.read_text())
    missing = {path for path in _named(text) if not (REPOSITORY / path).exists() and path not in NOT_HERE}
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document: Path) -> None:
    for path, anchor in LINK.findall(document.read_text()):
        if "://" in path or path.startswith("mailto:"):
            continue
        target = document.parent / path if path else document
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            assert anchor in _anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_modules_that_are_run_exist(document: Path) -> None:
    for module in re.findall(rf"python -m ((?:{FOLDERS})[\w.]*)", document.read_text()):
        assert (REPOSITORY / f"{module.replace('.', '/')}.py").exists(), module


def test_paths_are_looked_for_in_every_package() -> None:
    packages = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    assert set(packages) <= set(FOLDERS.split("|"))
