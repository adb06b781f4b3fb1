"""Tells whether a TaskManager runs the code that a job was submitted with.

In thread mode all jobs of a TaskManager share one Python interpreter, which keeps every module it has imported: a job
that is submitted with newer code would silently run the old code.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_DATA = "*.lua"  # files that modules read from the folder of their package


class OtherCodeError(Exception):
    """The TaskManager has imported other code than the job was submitted with; it must be restarted."""


def operator_sources(operator: str, root: Path = _ROOT) -> list[Path]:
    """Return Driftline's files that an operator runs: the modules that it imports, directly or not, and their data.

    Found by reading the sources, because the modules that are loaded at a given moment differ between the client and a
    TaskManager.

    Args:
        operator: its module.
        root: the folder of the packages.
    """
    found: dict[str, Path] = {}
    wanted = [operator]
    while wanted:
        name = wanted.pop()
        if name in found or (file := _source(root, name)) is None:
            continue
        found[name] = file
        wanted += _imported(file)
    folders = {file.parent for file in found.values()}
    return sorted({*found.values(), *(data for folder in folders for data in folder.glob(_DATA))})


def _source(root: Path, name: str) -> Path | None:
    """Return the file of a module of Driftline; None for other modules and for names that a module defines."""
    place = root.joinpath(*name.split("."))
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _imported(file: Path) -> Iterator[str]:
    """Yield the names that a module imports, at its top or in a function, and their parent packages."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:  # relative imports are not used here
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def code_version(operator: str, root: Path = _ROOT) -> str:
    """Return a digest of the current contents of all files that an operator runs.

    Call it once, when the operator's module is imported.
    """
    digest = hashlib.sha256()
    for file in operator_sources(operator, root):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def require(submitted: str, loaded: str) -> None:
    """Compare the code version of the process that submitted an operator with that of the one that runs it.

    Raises:
        OtherCodeError: they differ.
    """
    if submitted != loaded:
        message = (
            f"this TaskManager has loaded Driftline's code {loaded}, the job was submitted with {submitted}; "
            "restart the TaskManagers (locally: driftline down, then driftline up)"
        )
        raise OtherCodeError(message)
