"""The register of reducers, by the `kind` of a plan's reducer."""

from __future__ import annotations

from typing import Final

from udfs.reducers.by import By
from udfs.reducers.by_window import ByWindow
from udfs.reducers.calendar import Calendar
from udfs.reducers.changes import Changes
from udfs.reducers.counts import Count
from udfs.reducers.distinct import Distinct
from udfs.reducers.edge import Edge
from udfs.reducers.extreme import Extreme
from udfs.reducers.histogram import Histogram
from udfs.reducers.kind import Kind
from udfs.reducers.last_k import LastK
from udfs.reducers.moments import Moments
from udfs.reducers.since import Since
from udfs.reducers.streak import Streak
from udfs.reducers.window import Window

KINDS: Final[dict[str, Kind]] = {
    "by": By(),
    "by_window": ByWindow(),
    "calendar": Calendar(),
    "changes": Changes(),
    "count": Count(),
    "distinct": Distinct(),
    "edge": Edge(),
    "extreme": Extreme(),
    "histogram": Histogram(),
    "last_k": LastK(),
    "moments": Moments(),
    "since": Since(),
    "streak": Streak(),
    "sum": Count(),
    "window": Window(),
}
