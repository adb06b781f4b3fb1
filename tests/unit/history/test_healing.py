"""Healing: after it, a user is what a fold of all events in order makes, whatever arrived late, and when."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.heal_pb2 import HealOrder
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.metrics import JobMetric
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from history.healing import Healing, Job, Record, UserHistory, Verdict
from jobs.bundle import bound_for
from jobs.pipeline import decoder_of, folding_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from state_schemas.users import Timelines
from tests.builders import DAY, HOUR, MINUTE, NOW, States, bounds, event, job_settings, processor, to_message
from tests.unit.udfs.strategies import histories
from udfs.block import Block, BlockProcessor
from udfs.event import FORGET, VIEW, Event
from udfs.heal_orders import MARK, is_order
from udfs.packed_profile import pack_profile
from udfs.profile import EVENTS
from udfs.published import session_message
from udfs.rejects import HEADER_PREFIX, Reason
from udfs.results import BlockResult
from udfs.timeline import Timeline, TimelineBounds

LIVING = st.sampled_from(list(range(VIEW, FORGET)))
USER = "u1"


@functools.cache
def job(disorder_ms: int) -> tuple[ScoreEventsSettings, TimelineBounds, BlockProcessor]:
    """A job's settings, the bounds of its timelines, and its processor."""
    changed: dict[str, Any] = {"disorder_ms": disorder_ms, "dedupe_horizon_ms": max(DAY, disorder_ms)}
    return job_settings(**changed), bounds(**changed), processor(**changed)


@dataclass
class Run:
    """A job and the topic that it reads, of one user."""

    disorder_ms: int = MINUTE
    log: list[Record] = field(default_factory=list)
    sessions: list[ClosedSession] = field(default_factory=list)
    late: set[tuple[int, int]] = field(default_factory=set)
    rejected: set[tuple[int, int]] = field(default_factory=set)
    counts: dict[JobMetric, int] = field(default_factory=dict)
    scores: bytes | None = None
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shard = ShardState()
        self._states = States()
        self._settings, self.bounds, self.processor = job(self.disorder_ms)
        self.restart()

    def restart(self) -> None:
        """As from a checkpoint: everything is read from the bytes of the state."""
        self.users = Timelines(self._states, self.bounds, 100, 2**26)

    @property
    def timeline(self) -> Timeline:
        found = self.users.peek(USER)
        assert found is not None
        return found

    def event(self, each: Event) -> None:
        """Send an event; its record has the time when it was known, as far as a device's clock allows."""
        self.send(to_message(USER, each).SerializeToString(), each.known_ms)

    def send(self, value: bytes, timestamp_ms: int) -> BlockResult:
        record = Record(0, len(self.log), timestamp_ms, USER.encode(), value)
        self.log.append(record)
        block = Block([record.key], [value], [0], [record.offset], [-1])
        result = self.processor.process(block, self.shard, self.users, NOW)
        self.users.put_all(result.timelines)
        self._note(result)
        return result

    def quiet(self) -> None:
        """Publish the current session, because the user is quiet."""
        timeline = self.timeline
        timeline.close_quiet()
        self.sessions += [session_message(USER, closed) for closed in timeline.closed]
        self.users.put_all({USER: timeline})

    def _note(self, result: BlockResult) -> None:
        for rejects, places in ((result.late, self.late), (result.dead_letters, self.rejected)):
            for reject in rejects:
                places.add((0, int(reject.headers[HEADER_PREFIX + "offset"])))
                self.messages.append(reject.headers[HEADER_PREFIX + "message"].decode())
        self.sessions += [ClosedSession.FromString(value or b"") for _, value in result.outputs.get("sessions", [])]
        for metric, number in result.counts.items():
            self.counts[metric] = self.counts.get(metric, 0) + number
        for scored in result.scored:
            self.scores = scored.scores

    def healing(self, *, by_topics: bool = True) -> Healing:
        """What the healer finds now; it need not know the late topic."""
        settings = self._settings
        job = Job(
            decoder=decoder_of(settings),
            bounds=self.bounds,
            plan=plan_for(settings),
            folding=folding_of(settings, bound_for(settings)),
            event_bytes_max=settings.event_bytes_max,
            now_ms=NOW,
        )
        places = (self.late, self.rejected) if by_topics else (set(), self.rejected)
        history = UserHistory(USER, job, *places)
        for record in self.log:
            history.read(record._replace(timestamp_ms=-1))
        return history.healing("h1")

    def heal(self) -> None:
        """Heal until there is nothing to heal."""
        for _ in range(6):
            found = self.healing()
            if found.verdict is not Verdict.HEAL:
                assert found.verdict is Verdict.IN_PLACE
                return
            self.send(found.order, found.timestamp_ms)
        assert self.healing().verdict is Verdict.IN_PLACE


def in_order(events: list[Event], disorder_ms: int = MINUTE) -> Run:
    """A job that has had the events in order."""
    run = Run(disorder_ms)
    for each in sorted(events):
        run.event(each)
    return run


def consumer(published: list[ClosedSession]) -> set[tuple[int, int, int]]:
    """What a consumer has who keeps the highest revision of each id and drops what a kept one supersedes."""
    kept: dict[str, ClosedSession] = {}
    for each in published:
        before = kept.get(each.session_id)
        if before is not None and each.revision <= before.revision:
            continue
        kept[each.session_id] = each
        for superseded in (each.supersedes_session_id, *each.also_supersedes_session_ids):
            kept.pop(superseded, None)
    return {(each.start_time_ms, each.end_time_ms, each.events) for each in kept.values()}


def served(run: Run) -> UserScores:
    return UserScores.FromString(run.scores or b"")


def assert_same(run: Run, expected: Run) -> None:
    assert pack_profile(run.timeline.profile()) == pack_profile(expected.timeline.profile())
    assert served(run) == served(expected)
    run.quiet()
    expected.quiet()
    assert consumer(run.sessions) == consumer(expected.sessions)


@given(st.data(), histories(size_max=40, kinds=LIVING), st.sampled_from([0, MINUTE, 6 * HOUR]))
def test_a_healed_user_is_that_of_the_sorted_history(data: st.DataObject, history: list[Event], bound: int) -> None:
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    delay_ms = data.draw(st.sampled_from([bound, HOUR, 2 * DAY]))
    arrival = sorted(history, key=lambda e: (e.time_ms + rng.randint(0, delay_ms), rng.random()))
    run, waiting = Run(bound), list[Healing]()
    for each in arrival:
        run.event(each)
        if rng.random() < 0.1:
            run.event(each)  # again
        if rng.random() < 0.1:
            run.quiet()
        if rng.random() < 0.1:
            run.restart()
        if rng.random() < 0.2:
            waiting.append(run.healing(by_topics=rng.random() < 0.7))
        if waiting and rng.random() < 0.3 and (found := waiting.pop()).verdict is Verdict.HEAL:
            before, state = run.counts.get(JobMetric.HEALS_APPLIED, 0), run.timeline
            content = pack_profile(state.profile()), state.accepted
            run.send(found.order, found.timestamp_ms)
            if run.counts.get(JobMetric.HEALS_APPLIED, 0) == before:
                assert (pack_profile(run.timeline.profile()), run.timeline.accepted) == content
    run.heal()
    assert_same(run, in_order(history, bound))
    totals = run.shard
    assert totals.accepted + totals.duplicate + totals.late + totals.dead_letter == len(run.log)


@given(st.data(), histories(size_max=30, kinds=st.sampled_from([*range(VIEW, FORGET), FORGET])))
def test_healing_ends_and_brings_back_nothing_forgotten(data: st.DataObject, history: list[Event]) -> None:
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    run = Run()
    for each in sorted(history, key=lambda e: (e.time_ms + rng.randint(0, DAY), rng.random())):
        run.event(each)
        if rng.random() < 0.2 and (found := run.healing()).verdict is Verdict.HEAL:
            run.send(found.order, found.timestamp_ms)
    run.heal()
    forgotten_ms = max([each.time_ms for each in history if each.type == FORGET], default=0)
    kept = [each for each in history if each.type != FORGET and each.time_ms > forgotten_ms]
    assert run.timeline.profile().values[EVENTS] <= len(kept)


@given(st.data(), histories(size_max=30, kinds=LIVING))
def test_an_order_that_comes_again_changes_nothing(data: st.DataObject, history: list[Event]) -> None:
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    run = Run()
    for each in sorted(history, key=lambda e: (e.time_ms + rng.randint(0, DAY), rng.random())):
        run.event(each)
    found = run.healing()
    if found.verdict is Verdict.IN_PLACE:
        return
    run.send(found.order, found.timestamp_ms)
    assert run.counts[JobMetric.HEALS_APPLIED] == 1
    before = pack_profile(run.timeline.profile()), run.timeline.accepted, len(run.sessions)
    run.restart()
    run.send(found.order, found.timestamp_ms)
    assert run.counts[JobMetric.HEALS_APPLIED] == 1
    assert (pack_profile(run.timeline.profile()), run.timeline.accepted, len(run.sessions)) == before
    assert run.healing().verdict is Verdict.IN_PLACE


def late_user(*more: Event) -> tuple[Run, list[Event]]:
    """A user one of whose events came an hour too late."""
    events = [event(0), event(10 * HOUR), event(20 * HOUR), event(9 * HOUR, value=3.0), *more]
    run = Run()
    for each in events:
        run.event(each)
    assert run.counts[JobMetric.EVENTS_LATE] == 1
    return run, events


def test_what_arrives_before_the_order_stays() -> None:
    run, events = late_user()
    found = run.healing()
    later = event(20 * HOUR + MINUTE // 2)
    run.event(later)
    run.send(found.order, found.timestamp_ms)
    assert run.counts[JobMetric.HEALS_APPLIED] == 1
    assert_same(run, in_order([*events, later]))


def test_a_late_session_is_published_once_above_all_revisions() -> None:
    run, _ = late_user()
    found = run.healing()
    assert (found.verdict, found.late) == (Verdict.HEAL, 1)
    before = len(run.sessions)
    run.send(found.order, found.timestamp_ms)
    (changed,) = run.sessions[before:]
    assert (changed.events, changed.revision, changed.supersedes_session_id) == (1, 1 << 16, "")


def test_an_order_that_is_refused_is_a_dead_letter_and_changes_nothing() -> None:
    run, _ = late_user()
    found = run.healing()
    run.event(event(20 * HOUR - MINUTE // 2))  # within the bound, before the cut
    state = run.timeline.accepted
    run.send(found.order, found.timestamp_ms)
    assert (run.counts[JobMetric.HEALS_REFUSED], run.timeline.accepted) == (1, state)
    assert run.messages[-1].startswith("history-differs")
    run.heal()
    assert run.counts[JobMetric.HEALS_APPLIED] == 1


def test_an_order_whose_cut_has_passed_is_refused() -> None:
    run, _ = late_user()
    found = run.healing()
    for number in range(3):
        run.event(event((30 + number) * HOUR))
    run.send(found.order, found.timestamp_ms)
    assert run.messages[-1].startswith("cut-passed")


def test_a_forget_between_order_and_job_wins() -> None:
    run, _ = late_user()
    found = run.healing()
    run.event(event(9 * HOUR + MINUTE, FORGET))
    run.send(found.order, found.timestamp_ms)
    assert run.messages[-1].startswith("forgotten")


def test_nothing_that_was_to_be_forgotten_comes_back() -> None:
    run, _ = late_user()
    run.event(event(11 * HOUR, FORGET))
    run.event(event(12 * HOUR, event_id="late"))
    run.heal()
    kept = [event(20 * HOUR), event(12 * HOUR, event_id="late")]
    assert pack_profile(run.timeline.profile()) == pack_profile(in_order(kept).timeline.profile())


def test_who_has_no_state_is_not_healed() -> None:
    run, _ = late_user()
    found = run.healing()
    other = Run()
    other.send(found.order, found.timestamp_ms)
    assert other.messages == ["no-state: the job has no state of the user"]
    assert other.users.peek(USER) is None


def test_an_order_of_other_declarations_is_refused() -> None:
    run, _ = late_user()
    order = HealOrder.FromString(run.healing().order[len(MARK) :])
    order.folding = "another"
    run.send(MARK + order.SerializeToString(), 0)
    assert run.messages[-1].startswith("other-plan")


def test_a_bound_that_was_narrower_once_is_seen_from_the_late_topic() -> None:
    run, events = late_user()
    wide = Run(2 * DAY, late=run.late, rejected=run.rejected, log=run.log)
    wide._states.update(run._states)  # the job goes on with a wider bound
    wide.restart()
    wide.heal()
    assert wide.counts[JobMetric.HEALS_REFUSED] >= 1  # the tail is not as deep yet as the bound
    assert wide.counts[JobMetric.HEALS_APPLIED] == 1
    assert pack_profile(wide.timeline.profile()) == pack_profile(in_order(events).timeline.profile())


def test_a_repeated_late_event_is_healed_once() -> None:
    run, _ = late_user(event(10 * HOUR, event_id="at-0"))
    run.event(event(9 * HOUR, value=3.0))
    found = run.healing()
    assert found.late == 1
    run.heal()
    assert run.healing().verdict is Verdict.IN_PLACE


def test_without_a_late_event_there_is_nothing_to_do() -> None:
    assert in_order([event(0), event(HOUR)]).healing().verdict is Verdict.IN_PLACE
    assert Run().healing().verdict is Verdict.NO_HISTORY


def test_an_order_that_the_job_would_not_read_is_not_made() -> None:
    run, _ = late_user()
    run._settings = job_settings(event_bytes_max=1_024)
    small = run.healing()
    assert small.verdict in (Verdict.TOO_LARGE, Verdict.HEAL)
    assert small.verdict is Verdict.TOO_LARGE or len(small.order) <= 1_024


def test_orders_are_no_events() -> None:
    run, _ = late_user()
    order = run.healing().order
    assert is_order(order)
    before = run.counts[JobMetric.EVENTS_ACCEPTED]
    run.send(order, 0)
    assert run.counts[JobMetric.EVENTS_ACCEPTED] == before + 1
    assert run.timeline.profile().values[EVENTS] == 4.0
    assert Reason.HEAL_REFUSED not in run.messages
