"""The error of declarations that cannot be used: all that is wrong with them, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.errors import DriftlineError


class DeclarationError(DriftlineError):
    """Declarations cannot be used.

    Attributes:
        lines: what is wrong, a line each: `file:line: path: what is wrong and what is accepted`.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))
