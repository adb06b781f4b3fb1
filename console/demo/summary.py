"""What the demo has shown, in plain text, and whether it has shown what it promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from console.demo.freshness import Freshness
from console.demo.silence import Away, AwayRow, silence_problems, silent_table
from console.demo.traffic import Kind
from console.demo.view import accounted
from console.progress import Drained
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.words import unknown_types_text

SCORES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was measured once all traffic was published, and drained or given up."""

    traffic_s: float  # of traffic
    drained_s: float  # from its end until everything was processed
    counts: Counter[Kind]
    out_of_order: int
    before: Drained  # at the beginning of the traffic
    after: Drained
    freshness: Freshness
    newest_ms: Mapping[str, int]  # of the shoppers whose scores were asked for: their newest event
    scores: Sequence[UserScores]  # read back over gRPC
    stay_away: Sequence[Away] = ()  # who was to fall silent
    away: Sequence[AwayRow] = ()  # what was read of them
    now_ms: int = 0  # when that was

    @property
    def processed(self) -> int:
        """Events that were processed since the traffic began."""
        return self.after.totals.events - self.before.totals.events


def summary(outcome: Outcome) -> str:
    """The summary, several lines."""
    counts, fresh, after = outcome.counts, outcome.freshness, outcome.after
    published, processed = counts.total(), outcome.processed
    lines = [
        f"{outcome.traffic_s:.0f} s of live traffic",
        f"  published  {published:,} events, {_per_s(published, outcome.traffic_s)}",
        f"    {counts[Kind.EVENT]:,} events ({outcome.out_of_order:,} out of order), "
        f"{counts[Kind.REPEAT]:,} repeats, {counts[Kind.LATE]:,} late, {counts[Kind.MALFORMED]:,} malformed"
        f"{_of_silent(counts)}",
        f"  processed  {processed:,} events, {_per_s(processed, outcome.traffic_s + outcome.drained_s)}; "
        f"the last one {outcome.drained_s:.1f} s after the traffic ended",
        f"  accounted  {after.published:,} events in the topic, the history included",
        f"    {accounted(after.totals)}",
        *_unknown_types(after),
        f"  freshness  p50 {fresh.p50_ms:.0f} ms, p99 {fresh.p99_ms:.0f} ms, max {fresh.max_ms:.0f} ms, "
        f"publish to gRPC ({fresh.probes:,} probes{_given_up(fresh)})",
        "  read back over gRPC",
        *(f"    {_scores_line(message)}" for message in outcome.scores[:SCORES_SHOWN]),
        *silent_table(outcome.away, outcome.now_ms),
    ]
    return "\n".join(lines)


def problems(outcome: Outcome) -> Iterator[str]:
    """Why the demo has not shown what it promises; nothing if it has."""
    totals, published = outcome.after.totals, outcome.after.published
    if not outcome.counts.total():
        yield "no event was published"
        return
    if totals.events < published:
        yield f"{published - totals.events:,} of {published:,} published events were not processed in time"
    if totals.events > published:
        yield f"{totals.events:,} events were counted, but only {published:,} are in the topic"
    if not outcome.freshness.probes:
        yield "no freshness could be measured"
    if not outcome.scores:
        yield "no scores of the live traffic could be read back over gRPC"
    for message in outcome.scores:
        if message.as_of_event_time_ms < outcome.newest_ms[message.user_id]:
            yield f"the scores of {message.user_id} do not contain the newest event"
    if missing := outcome.newest_ms.keys() - {message.user_id for message in outcome.scores}:
        yield f"no scores for {', '.join(sorted(missing))}"
    yield from silence_problems(outcome.away, outcome.stay_away)


def _per_s(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}/s" if seconds > 0 else "0/s"


def _of_silent(counts: Counter[Kind]) -> str:
    return f", {counts[Kind.SILENT]:,} of shoppers who fall silent" if counts[Kind.SILENT] else ""


def _given_up(fresh: Freshness) -> str:
    return f", {fresh.given_up:,} given up" if fresh.given_up else ""


def _unknown_types(seen: Drained) -> list[str]:
    text = unknown_types_text(seen.unknown_types)
    return [f"    {text}"] if text else []


def _scores_line(message: UserScores) -> str:
    scores = "  ".join(f"{name} {score:.3f}" for name, score in sorted(message.scores.items(), reverse=True))
    return f"{message.user_id:<6} {scores}"
