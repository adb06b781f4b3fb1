"""The table that `driftline scores` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import SessionSummary, UserScores

AFFINITIES_SHOWN = 3
PIPE_WIDTH = 160  # columns where the output is not a terminal, so that nothing wraps
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def print_results(results: Sequence[pb.UserResult], *, now_ms: int) -> None:
    """Print one row a user; the age of scores is the time since the user's newest event."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(results_table(results, now_ms=now_ms))


def results_table(results: Sequence[pb.UserResult], *, now_ms: int) -> Table:
    """The table, in the order of the results."""
    table = Table(show_lines=True)
    for title in ("User", "Scores", "Top affinities", "Session", "Events", "As of (UTC)", "Age", "Model"):
        table.add_column(title, overflow="fold", justify="right" if title == "Events" else "left")
    for result in results:
        if result.status == pb.RESULT_STATUS_OK:
            table.add_row(_printable(result.user_id), *_cells(result.scores, now_ms))
        else:
            table.add_row(_printable(result.user_id), "no scores")
    return table


def duration(span_ms: int) -> str:
    """The two largest units of a span: 3 d 4 h. A span below a second, or a negative one, is 0 s."""
    seconds = max(span_ms // 1000, 0)
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _cells(scores: UserScores, now_ms: int) -> list[Text]:
    affinities = (f"{one.category} {one.share:.0%}" for one in scores.affinities[:AFFINITIES_SHOWN])
    return [
        _printable("\n".join(f"{name} {score:.3f}" for name, score in sorted(scores.scores.items()))),
        _printable("\n".join(affinities)),
        _printable(_session(scores.session) if scores.HasField("session") else ""),
        Text(f"{scores.accepted_events:,}"),
        Text(_utc(scores.as_of_event_time_ms)),
        Text(duration(now_ms - scores.as_of_event_time_ms)),
        _printable(scores.model_version or "none"),
    ]


def _session(session: SessionSummary) -> str:
    span = duration(session.last_event_time_ms - session.start_time_ms)
    return f"{session.session_id}\n{session.events:,} events, {session.purchases:,} purchases, {span}"


def _utc(time_ms: int) -> str:
    try:
        return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return f"{time_ms} ms"


def _printable(text: str) -> Text:
    """No markup and no control characters: ids and categories come from events, and this goes to a terminal."""
    return Text("".join(char if char == "\n" or char.isprintable() else "?" for char in text))
