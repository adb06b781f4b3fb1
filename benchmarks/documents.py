"""What the reports share: the command that prints one or writes it into docs/, and how plots are made."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from benchmarks.workbench import saved

Result = dict[str, Any]


def report_command(
    about: str | None, name: str, *, shown: Callable[[Result], str], write: Callable[[Result], None]
) -> None:
    """The command of a report: prints what was saved under `name`; with --write it goes into docs/, too."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/")
    options = parser.parse_args()
    result = saved(name)
    print(shown(result))
    if options.write:
        write(result)


def svg_pyplot() -> Any:
    """Matplotlib's pyplot, drawing SVG: the same figures make the same file. Imported here: only documents need it."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "driftline"
    from matplotlib import pyplot  # noqa: PLC0415

    return pyplot
