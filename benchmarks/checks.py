"""What is required of a figure, and whether it is met: the reports of all parts judge with these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Check:
    """A figure beside what is required of it, both as text for people."""

    what: str
    figure: str
    required: str
    met: bool

    @classmethod
    def missing(cls, what: str, required: str) -> Check:
        """What was to be measured and was not, which is not met."""
        return cls(what, NOT_MEASURED, required, met=False)

    @property
    def measured(self) -> bool:
        """Whether there is a figure."""
        return self.figure != NOT_MEASURED

    @property
    def verdict(self) -> str:
        """In words."""
        return "met" if self.met else "NOT MET"

    def __str__(self) -> str:
        return f"{self.what}: {self.figure}; required {self.required}: {self.verdict}"


def at_least(what: str, value: float, least: float, form: str = ",.0f", unit: str = "") -> Check:
    """Require a least value."""
    return Check(what, f"{value:{form}}{unit}", f"at least {least:,g}{unit}", value >= least)


def at_most(what: str, value: float, most: float, form: str = ",.0f", unit: str = "") -> Check:
    """Require a value of at most this."""
    return Check(what, f"{value:{form}}{unit}", f"at most {most:,g}{unit}", value <= most)


def below(what: str, value: float, limit: float, form: str = ",.0f", unit: str = "") -> Check:
    """Require a value under a limit."""
    return Check(what, f"{value:{form}}{unit}", f"under {limit:,g}{unit}", value < limit)


def lines(checks: Sequence[Check]) -> list[str]:
    """A line for each that was measured."""
    return [str(check) for check in checks if check.measured]


def table(checks: Sequence[Check]) -> str:
    """All of them for a terminal."""
    rows = [("required", "figure", "limit", ""), *((c.what, c.figure, c.required, c.verdict) for c in checks)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown(checks: Sequence[Check]) -> str:
    """All of them for a document; what is not met stands out."""
    rows = ["| what | figure | required | |", "|---|---|---|---|"]
    for check in checks:
        verdict = check.verdict if check.met else "**not met**"
        rows.append(f"| {check.what} | {check.figure} | {check.required} | {verdict} |")
    return "\n".join(rows)
