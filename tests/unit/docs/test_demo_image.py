"""The picture of the demo in the README shows the view as it is now."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

from rich.console import Console

from console.demo.view import Addresses, render
from tests.unit.demo.builders import snapshot

IMAGE = Path(__file__).parents[3] / "docs" / "images" / "demo.svg"
WIDTH = 100


def _words(text: str) -> list[str]:
    """The words of a text, without what is a number or a shopper of its own."""
    return [word for word in re.findall(r"[a-z][a-z-]+(?![\w.])", text.lower()) if word not in {"sportswear"}]


def test_the_picture_has_every_label_of_the_view() -> None:
    console = Console(width=WIDTH, height=40, file=io.StringIO(), record=True, color_system=None)
    addresses = Addresses(flink="http://127.0.0.1:8081", grpc="127.0.0.1:50051")
    console.print(render(snapshot(rows=1), addresses, width=WIDTH, height=40))
    shown = html.unescape(re.sub(r"<[^>]+>", " ", IMAGE.read_text())).replace("\xa0", " ")
    assert set(_words(console.export_text())) <= set(_words(shown))
