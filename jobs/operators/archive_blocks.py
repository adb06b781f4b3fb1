"""The Flink operator of the job archive-events: the typed columns of a block of records, in one call."""

from __future__ import annotations

import json
from typing import Any

from pyflink.common import Row
from pyflink.datastream import ProcessFunction, RuntimeContext

from driftline.metrics import ArchiveMetric
from driftline.units import wall_clock_ms
from history.lake.layout import RAW
from history.lake.typed import Typer
from jobs.archive_settings import ArchiveEventsSettings
from jobs.bundle import Bundle, bind_values
from jobs.code_version import code_version, require
from jobs.pipeline import decoder_with

CODE_VERSION = code_version(__name__)


class ArchiveBlocks(ProcessFunction):  # type: ignore[misc]  # pyflink has no types
    """Adds the typed columns to the raw ones, which it passes on as they are. It has no state.

    Args:
        settings: the job's settings.
        bundle: its declarations and the mapping of its values, compiled.
    """

    def __init__(self, settings: ArchiveEventsSettings, bundle: Bundle) -> None:
        self._settings = settings
        self._bundle = bundle
        self._code_version = CODE_VERSION

    def open(self, runtime_context: RuntimeContext) -> None:
        """Bind the decoder and the metrics. Raises SettingError where no schema registry can be asked."""
        require(self._code_version, CODE_VERSION)
        self._typer = typer_of(self._settings, self._bundle)
        group = runtime_context.get_metrics_group().add_group("driftline")
        self._counters = {metric: group.counter(metric.value) for metric in ArchiveMetric}

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> list[Row]:
        """Return the rows of a block as one row of columns: the raw ones, then those of the typer."""
        raw = {name: column or () for name, column in zip(RAW.names, value, strict=True)}
        if not raw["offset"]:  # the window fired twice because the clock was set back
            return []
        typed = self._typer.columns(raw["key"], raw["payload"], raw["record_time_ms"], wall_clock_ms())
        self._count(ArchiveMetric.RECORDS_ARCHIVED, len(raw["offset"]))
        self._count(ArchiveMetric.RECORDS_NO_EVENT, len(raw["offset"]) - typed["reason"].count(None))
        return [Row(*raw.values(), *(_dense(typed[name]) for name in self._typer.names))]

    def _count(self, metric: ArchiveMetric, number: int) -> None:
        self._counters[metric].inc(number)


def typer_of(settings: ArchiveEventsSettings, bundle: Bundle) -> Typer:
    """Return what makes the typed columns, for use on one thread."""
    plan_events = json.loads(bundle.plan)["events"]
    return Typer(decoder_with(settings, plan_events, bind_values(bundle, settings)), plan_events)


def _dense(column: list[Any]) -> list[Any]:
    """Return a column, or nothing of one that is null in all rows: most fields are in no event of a block."""
    return column if any(value is not None for value in column) else []
