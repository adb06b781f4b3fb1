"""The beginning of a project: a folder of commented files, with the schema for editors beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from declarations.compile import SHIPPED
from declarations.schema import SCHEMA_FILE, schema_text
from driftline.errors import InputError

FOLDER: Final = "personalization"
TEMPLATES: Final = {
    "retail": SHIPPED,
    "media": Path(__file__).with_name("templates") / "media",
    "empty": Path(__file__).with_name("templates") / "empty",
}
_HEAD: Final = f"# yaml-language-server: $schema=./{SCHEMA_FILE}\n"
# The name of the shipped set stands for it alone.
_SHIPPED_PROJECT: Final = """\
# A shop. It begins as v1, the set that is used where no project is named; change what your shop needs.
# `driftline check` says what is wrong, with file and line, and what a user's state costs.
project:
  name: shop
  time_zone: UTC
  affinities: category_affinity
  # ages: [1h, 1d, 7d]      # how long a user has been silent when scores and segments are looked at again

segments:
  cart_left:
    when: hours_since_cart >= 1 && hours_since_cart < 72 && hours_since_cart < hours_since_purchase
    doc: filled a cart at least an hour ago, and has not bought
  lapsed: {when: as_of_ms - last_event_ms >= 7 * 86400000, doc: nothing came for a week}
"""


def write_project(folder: Path, template: str) -> list[Path]:
    """Write a starting project, and the schema.

    Args:
        folder: is made if it is missing; no file in it is overwritten.
        template: one of TEMPLATES.

    Returns:
        What was written.

    Raises:
        InputError: a file is there already, the template is unknown, or the folder cannot be written to.
    """
    if template not in TEMPLATES:
        message = f"no template {template!r}; there are {', '.join(TEMPLATES)}"
        raise InputError(message)
    texts = {file.name: _HEAD + _text(file, template) for file in sorted(TEMPLATES[template].glob("*.yaml"))}
    texts[SCHEMA_FILE] = schema_text()
    try:
        present = sorted(file.name for file in folder.glob("*.yaml")) if folder.is_dir() else []
        if present or (folder / SCHEMA_FILE).exists():
            message = f"{folder} has {(present or [SCHEMA_FILE])[0]} already, and nothing is overwritten"
            raise InputError(message)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot write to {folder}: {error.strerror}"
        raise InputError(message) from None
    return [folder / name for name in texts]


def _text(file: Path, template: str) -> str:
    if template == "retail" and file.name == "project.yaml":
        return _SHIPPED_PROJECT
    return file.read_text(encoding="utf-8")
