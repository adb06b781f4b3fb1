"""The tables that say what becomes of sample files hold what is counted."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from driftline.units import wall_clock_ms
from tests.sample_counts import ARRIVAL, Counts, Tally, facts_of, in_arrival_order, rows_of

ROOT = Path(__file__).parents[3]
REAL, MADE_UP = ROOT / "docs" / "mappings" / "README.md", ROOT / "tests" / "samples" / "README.md"
FOLDER = os.environ.get("SAMPLE_FILES")
real_files = pytest.mark.skipif(FOLDER is None, reason="SAMPLE_FILES does not name the folder of the real files")


def table(document: Path, first: str) -> dict[str, list[str]]:
    """The rows of the table whose first column has that head, by their first cell."""
    lines = document.read_text().split(f"| {first} |")[1].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name.split("]")[0].lstrip("["): cells for name, *cells in rows}


def documented(document: Path) -> dict[str, Counts]:
    rows = table(document, "sample")
    return {name: Counts(*(int(cell.replace(",", "")) for cell in cells[:-1])) for name, cells in rows.items()}


def counted(name: str, files: list[Path]) -> dict[str, Counts]:
    """What the script counts, as the file lies and, where it can be known, in the order of arrival."""
    rows = [row for file in files for row in rows_of(file)]
    orders = (
        {name: rows} | {f"{name} by {ARRIVAL[name]}": in_arrival_order(name, rows)} if name in ARRIVAL else {name: rows}
    )
    now_ms = wall_clock_ms()
    return {order: Tally(now_ms).count(facts_of(name, ordered)) for order, ordered in orders.items()}


def test_the_samples_here_are_counted_as_documented() -> None:
    samples = [file for file in sorted(MADE_UP.parent.iterdir()) if file.suffix != ".md"]
    found = {file.stem: counted(file.stem, [file])[file.stem] for file in samples}
    assert found == documented(MADE_UP)
    assert all(sum(counts[1:]) == counts.rows for counts in [*found.values(), *documented(REAL).values()])


def test_every_trouble_is_in_a_sample_here() -> None:
    total = [sum(column) for column in zip(*documented(MADE_UP).values(), strict=True)]
    assert all(total), dict(zip(Counts._fields, total, strict=True))


@real_files
def test_the_real_files_are_counted_as_documented() -> None:
    found: dict[str, Counts] = {}
    for folder in sorted(path for path in Path(str(FOLDER)).iterdir() if path.is_dir()):
        found |= counted(folder.name, sorted(folder.iterdir()))
    assert found == documented(REAL)


@real_files
def test_the_real_files_are_those_that_are_named() -> None:
    for name, (file, _, digests) in table(REAL, "mapping").items():
        files = sorted((Path(str(FOLDER)) / name).iterdir())
        assert digests.split(", ") == [hashlib.sha256(one.read_bytes()).hexdigest()[:12] for one in files]
        assert all(one.name in file or "rows" in file for one in files), (name, file)
