"""The logic of the jobs: pure Python, compiled by set-up where there is a C compiler (setup.py)."""

from pathlib import Path

from udfs.compilation import require_current

require_current(Path(__file__).parents[1])
