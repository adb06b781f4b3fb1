"""Projects that tests are made of."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from declarations.compile import plan_of
from declarations.errors import DeclarationError

# Nine lines: what a test adds begins in line 10, still in `events`.
EVENTS = """\
events:
  play:
    fields:
      artist: {type: string}
      seconds: {type: number}
      live: {type: bool}
      price: {type: money}
      genres: {type: strings}
  like: {fields: {artist: {type: string}}}
"""


def plan_of_files(**files: str) -> dict[str, Any]:
    """The plan of a folder `personalization` with these files."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "personalization"
        folder.mkdir()
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        return plan_of(folder)


def plan_of_text(text: str) -> dict[str, Any]:
    """The plan of the events above and a text."""
    return plan_of_files(a=EVENTS + text)


def plan_of_features(*features: str) -> dict[str, Any]:
    """The plan of the events above and features."""
    return plan_of_text("features:\n" + "".join(f"  {feature}\n" for feature in features))


def faults_of(**files: str) -> list[str]:
    """What is wrong with files."""
    try:
        plan_of_files(**files)
    except DeclarationError as error:
        return list(error.lines)
    return []


def feature_of(plan: dict[str, Any], name: str) -> dict[str, Any]:
    """A feature of a plan."""
    found: dict[str, Any] = next(feature for feature in plan["features"] if feature["name"] == name)
    return found


def reducer_of(plan: dict[str, Any], name: str) -> dict[str, Any]:
    """The reducer that a feature reads."""
    found: dict[str, Any] = plan["reducers"][feature_of(plan, name)["reducer"]]
    return found
