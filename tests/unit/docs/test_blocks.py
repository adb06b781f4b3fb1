"""Blocks of declarations in all other documents compile, with what they leave out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from declarations.compile import plan_of
from declarations.reference_kinds import EXAMPLE_EVENTS
from tests.unit.docs.blocks import DOCS, blocks_of, write_project

TESTED_ELSEWHERE = {"cookbook.md", "declarations.md", "mappings/README.md"}
# What blocks name that stands elsewhere.
AROUND = {
    "declarations-reference.md": {
        "scores:": "features: {plays_30d: {count: play, window: 30d}, mean_seconds: {mean: seconds, of: play}}",
        "segments:": """\
features: {plays_30d: {count: play, window: 30d}}
scores: {subscription: {model: classification, label: {event: subscribe, within: 7d}}}
""",
    },
    "segments.md": {
        "segments:": """\
features: {plays_30d: {count: play, window: 30d}}
scores: {finish: {model: classification, label: {event: like, within: 30m}}}
""",
    },
}
BLOCKS = [
    (name, block)
    for document in [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]
    if (name := document.relative_to(DOCS if document.is_relative_to(DOCS) else DOCS.parent).as_posix())
    not in TESTED_ELSEWHERE
    for block in blocks_of(document.read_text())
]


def test_there_are_blocks() -> None:
    assert {name for name, _ in BLOCKS} >= {"README.md", "declarations-reference.md", "segments.md"}


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(BLOCKS)])
def test_a_block_compiles(name: str, block: str, tmp_path: Path) -> None:
    around = AROUND.get(name, {}).get(block.partition("\n")[0], "")
    events = "" if block.startswith("events:") else EXAMPLE_EVENTS
    assert plan_of(write_project(tmp_path / "project", [events, around, block]))


def test_the_examples_beside_other_products_compile(tmp_path: Path) -> None:
    table = (DOCS / "coming-from.md").read_text().split("## The same in both")[1]
    features = re.findall(r"\| `(\w+: \{.*\})` \|", table)
    assert len(features) == table.count("\n| ") - 1
    features += ["clicks_7d: {count: CLICK, window: 7d}", "views_7d: {count: VIEW, window: 7d}"]
    events = "  payment: {fields: {country: {type: string}, amount: {type: money, from: value}}}\n"
    declared = "features:\n" + "".join(f"  {feature}\n" for feature in features)
    assert plan_of(write_project(tmp_path / "project", [EXAMPLE_EVENTS + events, declared]))
