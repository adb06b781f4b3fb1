"""What `driftline scores` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isclose

from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftline.client import Explanation, FeatureValue, Result, Scores, Session

AFFINITIES_SHOWN = 3
PIPE_WIDTH = 160  # columns where the output is not a terminal, so that nothing wraps
_FLOAT32 = 1e-6  # what a float32 cannot tell apart
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_WORDS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def print_results(results: Sequence[Result], *, now_ms: int) -> None:
    """Print one row a user; what the scores are as of, and how long ago the last event was."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(results_table(results, now_ms=now_ms))


def results_table(results: Sequence[Result], *, now_ms: int) -> Table:
    """The table, in the order of the results; with segments where anybody is in one."""
    table = Table(show_lines=True)
    segments = any(result.scores.segments for result in results if result.scores is not None)
    titles = ("User", "Scores", "Top affinities", "Session", "Events", "As of (UTC)", "Last event", "Model")
    for title in (*titles, "Segments") if segments else titles:
        table.add_column(title, overflow="fold", justify="right" if title == "Events" else "left")
    for result in results:
        if result.scores is not None:
            cells = _cells(result.scores, now_ms)
            if segments:
                cells.append(_printable("\n".join(one.segment for one in result.scores.segments)))
            table.add_row(_printable(result.user_id), *cells)
        else:
            table.add_row(_printable(result.user_id), without_scores(result))
    return table


def print_explanation(explanation: Explanation, *, now_ms: int) -> None:
    """Print the scores, then the features behind them."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    scores = explanation.scores
    console.print(results_table([Result(scores.user_id, "OK", scores)], now_ms=now_ms))
    console.print(features_table(explanation))
    usual = ", ".join(feature.name for feature in explanation.features if not _differs(feature))
    if usual:
        console.print(Text(f"At their defaults, as for a user of whom nothing is known: {usual}", style="dim"))


def features_table(explanation: Explanation) -> Table:
    """The features that differ from their defaults, in the order of the set: from the session to the history.

    Not by how far they differ: seconds, events and shares have no distance in common.
    """
    table = Table(title=f"Features {explanation.scores.feature_set}", title_justify="left")
    for title in ("Feature", "Value", "Default", "What it is"):
        table.add_column(title, overflow="fold", justify="right" if title in {"Value", "Default"} else "left")
    for feature in filter(_differs, explanation.features):
        values = (_quantity(feature.value, feature.unit), _quantity(feature.default, feature.unit))
        table.add_row(*map(_printable, (feature.name, *values, _meaning(feature))))
    return table


def watch_line(result: Result) -> str:
    """One line: the time that the scores are as of, user, scores."""
    scores = result.scores
    if scores is None:
        return _printable(f"{'-':19}  {result.user_id}  {without_scores(result)}").plain
    named = "  ".join(f"{name} {score:.3f}" for name, score in sorted(scores.scores.items()))
    age = f"  (as of {in_words(scores.age_s)} after the last event)" if scores.age_s else ""
    stale = "  (stale)" if scores.stale else ""
    return _printable(f"{_utc(_as_of_ms(scores))}  {result.user_id}  {named}{age}{stale}").plain


def without_scores(result: Result) -> str:
    """Why there are none."""
    reason = "no scores" if result.status == "NOT_FOUND" else "not a user id for this server"
    return f"{reason} (stale)" if result.stale else reason


def duration(span_ms: int) -> str:
    """The two largest units of a span: 3 d 4 h. A span below a second, or a negative one, is 0 s."""
    seconds = max(span_ms // 1000, 0)
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def in_words(age_s: int) -> str:
    """An age, exactly: 1 day 12 hours."""
    parts = []
    left_s = age_s
    for word, size_s in _WORDS:
        count, left_s = divmod(left_s, size_s)
        if count:
            parts.append(f"{count:,} {word}" if count == 1 else f"{count:,} {word}s")
    return " ".join(parts) or "0 seconds"


def _as_of_ms(scores: Scores) -> int:
    return scores.as_of_event_time_ms + 1000 * scores.age_s


def _as_of(scores: Scores) -> str:
    """The time, and what it has to do with the user's events."""
    at = _utc(_as_of_ms(scores))
    return f"{at}\n{in_words(scores.age_s)} after\nthe last event" if scores.age_s else at


def _differs(feature: FeatureValue) -> bool:
    return not isclose(feature.value, feature.default, rel_tol=_FLOAT32, abs_tol=_FLOAT32)


def _meaning(feature: FeatureValue) -> str:
    since_ms = feature.complete_since_ms
    return f"{feature.formula}; of events since {_utc(since_ms)} UTC" if since_ms else feature.formula


def _quantity(value: float, unit: str) -> str:
    return f"{value:,.6g}" if unit in {"1", ""} else f"{value:,.6g} {unit}"


def _cells(scores: Scores, now_ms: int) -> list[Text]:
    affinities = (f"{affinity.category} {affinity.share:.0%}" for affinity in scores.affinities[:AFFINITIES_SHOWN])
    return [
        _printable("\n".join(f"{name} {score:.3f}" for name, score in sorted(scores.scores.items()))),
        _printable("\n".join(affinities)),
        _printable(_session(scores.session) if scores.session else ""),
        Text(f"{scores.accepted_events:,}"),
        Text(_as_of(scores)),
        Text(f"{duration(now_ms - scores.as_of_event_time_ms)} ago" + (", stale" if scores.stale else "")),
        _printable(scores.model_version or "none"),
    ]


def _session(session: Session) -> str:
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
