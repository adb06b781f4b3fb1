"""The register of reducers, by the `kind` of a plan's reducer."""

from __future__ import annotations

from typing import Final

from udfs.reducers.counts import Count
from udfs.reducers.kind import Kind

KINDS: Final[dict[str, Kind]] = {
    "count": Count(),
    "sum": Count(),
}
