"""The comparison of two checkouts' cores, with this one on both sides."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("declarations", [(), ("--declarations", "benchmarks/many_features")])
def test_a_checkout_beside_itself(declarations: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "benchmarks.core_turns", str(ROOT), *declarations]
    command += ["--users", "200", "--events", "8000", "--turn", "1000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert re.findall(r"^(this|other) +\d+\.\d+ us an event", done.stdout, re.MULTILINE) == ["this", "other"]
    assert re.search(r"^this / other: \d+\.\d+$", done.stdout, re.MULTILINE)
