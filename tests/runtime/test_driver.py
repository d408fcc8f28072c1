"""The driver by itself: a scripted engine asks for steps, and sees what comes of each."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import pytest

from freerouter_core import ChatRequest, errors, events
from freerouter_core.routing import steps as s
from freerouter_core.routing.engine import Route
from freerouter_core.routing.journal import Journal
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.resume import Seam
from freerouter_core.routing.ruling import Ruling
from freerouter_core.runtime.attempt_tasks import FIRST_TOKEN_LIMIT
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.fault import Cause, Fault, Kind

from ..inspection import comes_to_rest
from .rig import (
    KEY,
    LANE,
    MINUTE,
    STALL,
    TOKENS,
    TOOLS,
    Chunks,
    Drive,
    Rig,
    Script,
    attempt,
    calls,
    done,
    failed,
    raising,
    reserve,
    says,
    thinks,
)

# -- each step -------------------------------------------------------------------------------------


def test_an_attempt_from_reserve_to_its_answer(rig: Rig, drive: Drive, world: World) -> None:
    def route() -> Route:
        granted = yield reserve(LANE, MINUTE)
        assert isinstance(granted, s.Granted)
        woke = yield s.Send(attempt())
        assert (type(woke), woke.at) == (s.Woke, granted.at), "sending waits for nothing"
        event = yield s.Watch(rig.start + 60.0)
        assert round(event.at - rig.start, 3) == 1.0
        return rig.outcome(done(event))

    outcome = drive(rig, route)

    assert outcome.text.endswith("hello")
    assert world.asked == ["acme/a:free"]
    assert (rig.used(LANE), rig.used(MINUTE)) == (0, 1), "only the lease comes back"


def test_a_refusal_says_until_when_and_where(rig: Rig, drive: Drive) -> None:
    def route() -> Route:
        yield reserve(MINUTE)
        yield s.Send(attempt())
        refused = yield reserve(MINUTE, number=2)
        assert isinstance(refused, s.Refused)
        assert refused.scope == "account"
        assert 60.0 < refused.until - rig.start < 61.0
        return rig.outcome(done((yield s.Watch(rig.start + 60.0))))

    drive(rig, route)


def test_watching_ends_at_its_time(rig: Rig, drive: Drive) -> None:
    def route() -> Route:
        yield s.Send(attempt())
        woke = yield s.Watch(rig.start + 0.25)
        assert (type(woke), round(woke.at - rig.start, 3)) == (s.Woke, 0.25)
        late = yield s.Watch(rig.start - 5.0)
        assert (type(late), round(late.at - rig.start, 3)) == (s.Woke, 0.25)
        return rig.outcome(done((yield s.Watch(float("inf")))))

    drive(rig, route)


def test_events_are_watched_in_the_order_they_came(clock: VirtualClock, drive: Drive) -> None:
    rig = Rig(Chunks([0.2, says("slow", "stop")], [0.1, says("quick", "stop")]), clock)

    def route() -> Route:
        yield s.Send(attempt(1))
        yield s.Send(attempt(2))
        yield s.Sleep(rig.start + 1.0)
        numbers = []
        for _ in range(4):
            event = yield s.Watch(rig.start + 9.0)
            assert isinstance(event, (s.Token, s.Done))
            numbers.append((type(event).__name__, event.number))
        assert numbers == [("Token", 2), ("Done", 2), ("Token", 1), ("Done", 1)]
        return rig.outcome(Answer(text="slow"))

    drive(rig, route, stream=True)


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (lambda start: s.Sleep(start + 5.0), 5.0),
        (lambda start: s.Sleep(start - 5.0), 0.0),
        (lambda start: s.Sleep(start + 5.0, "account"), 5.0),
        (lambda start: s.Sleep(start + 5.0, "account", start + 3.0), 3.0),
        (lambda start: s.Sleep(start + 5.0, "account", start + 9.0), 5.0),
        (lambda start: s.Sleep(start + 5.0, "account", start - 1.0), 0.0),
    ],
)
def test_sleeping(step: Callable[[float], s.Sleep], seconds: float, rig: Rig, drive: Drive) -> None:
    def route() -> Route:
        woke = yield step(rig.start)
        assert (type(woke), round(woke.at - rig.start, 3)) == (s.Woke, seconds)
        return rig.outcome(Answer(text="x"))

    drive(rig, route)
    rig.runtime.flush()

    assert [type(event) for event in rig.seen] == [events.Waiting]


def test_a_request_that_sleeps_at_a_scope_is_woken_when_room_is_freed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def holds() -> Route:
        yield reserve(LANE)
        yield s.Send(attempt())
        return rig.outcome(done((yield s.Watch(rig.start + 60.0))))

    def waits() -> Route:
        yield s.Sleep(rig.start + 50.0, "account")
        assert rig.elapsed == 1.0, "when the answer came"
        assert isinstance((yield reserve(LANE)), s.Granted)
        return rig.outcome(Answer(text="x"))

    async def both() -> None:
        first = asyncio.ensure_future(rig.driver(holds, monkeypatch).run())
        rig.journal = Journal(started=rig.start, number=rig.runtime.next_number())
        await asyncio.gather(first, rig.driver(waits, monkeypatch).run())

    rig.runtime.call(both)


# -- cancelling ------------------------------------------------------------------------------------


def test_a_cancelled_attempt_is_closed_and_stays_spent(clock: VirtualClock, drive: Drive) -> None:
    transport = Chunks([says("x"), 500.0])
    rig = Rig(transport, clock)

    def route() -> Route:
        yield reserve(LANE, MINUTE)
        yield s.Send(attempt())
        assert isinstance((yield s.Watch(rig.start + 9.0)), s.Token)
        yield s.Cancel(attempt(), "another answered")
        assert isinstance((yield s.Watch(rig.start + 20.0)), s.Woke), "no event of it follows"
        return rig.outcome(Answer(text="x"), 2)

    drive(rig, route, stream=True)

    assert transport.closed == 1
    assert (rig.used(LANE), rig.used(MINUTE)) == (0, 1)


def test_an_attempt_cancelled_before_it_began_sends_nothing_and_takes_nothing(
    rig: Rig, drive: Drive, world: World
) -> None:
    """As when a hedge was granted in the moment in which the first attempt answered."""

    def route() -> Route:
        yield reserve(LANE, MINUTE)
        yield s.Send(attempt())
        yield s.Cancel(attempt(), "another answered")
        return rig.outcome(Answer(text="x"), 2)

    drive(rig, route, stream=True)

    assert world.requests == []
    assert (rig.used(LANE), rig.used(MINUTE)) == (0, 0)


def test_attempts_still_under_way_end_with_the_request(clock: VirtualClock, drive: Drive) -> None:
    transport = Chunks([says("x"), 500.0], [says("y", "stop")])
    rig = Rig(transport, clock)

    def route() -> Route:
        yield reserve(LANE)
        yield s.Send(attempt(1))
        yield s.Watch(rig.start + 5.0)
        yield s.Send(attempt(2))
        yield s.Watch(rig.start + 5.0)
        return rig.outcome(done((yield s.Watch(rig.start + 5.0))), 2)

    drive(rig, route, stream=True)

    assert comes_to_rest(rig.runtime)  # the answer does not wait for what it has cancelled
    assert transport.closed == 2
    assert rig.used(LANE) == 0


def test_a_cancelled_caller_cancels_all_and_closes_the_engine(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    closed = []

    def route() -> Route:
        try:
            yield reserve(LANE, MINUTE)
            yield s.Send(attempt())
            yield reserve(TOKENS, number=2, tokens=5)
            yield s.Sleep(rig.start + 500.0)
        finally:
            closed.append(True)
        raise AssertionError("not reached")

    async def cancelled() -> None:
        task = asyncio.ensure_future(rig.driver(route, monkeypatch).run())
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks, return_exceptions=True)

    rig.runtime.call(cancelled)

    assert closed == [True]
    assert (rig.used(LANE), rig.used(MINUTE)) == (0, 1), "the attempt that was sent stays spent"
    assert rig.used(TOKENS) == 0, "a grant that was never used is given back"


def test_a_grant_that_was_never_used_is_given_back(rig: Rig, drive: Drive) -> None:
    def route() -> Route:
        yield reserve(LANE, MINUTE)
        raise errors.NoCandidates("nobody is left")

    with pytest.raises(errors.NoCandidates):
        drive(rig, route)

    assert (rig.used(LANE), rig.used(MINUTE)) == (0, 0)


def test_the_tokens_that_were_used_replace_those_that_were_reserved(rig: Rig, drive: Drive) -> None:
    answers: list[Answer] = []

    def route() -> Route:
        yield reserve(TOKENS, tokens=900)
        assert rig.runtime.ledger._memory.window(TOKENS).used == 900
        yield s.Send(attempt())
        answers.append(done((yield s.Watch(rig.start + 60.0))))
        return rig.outcome(answers[0])

    drive(rig, route)

    assert rig.used(TOKENS) == (answers[0].usage or {})["total_tokens"] < 900


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fate", "kind", "status"),
    [
        ("429-retry-after", Kind.BUSY, 429),
        ("404-gone", Kind.GONE, 404),
        ("refused", Kind.BUSY, None),
    ],
)
def test_a_rejection_or_a_failed_connection_is_an_event(
    fate: str, kind: Kind, status: int | None, clock: VirtualClock, drive: Drive
) -> None:
    world = World([SimModel("acme/a:free", script=[fate])], clock=clock)
    rig = Rig(world.transport(), clock)

    def route() -> Route:
        yield reserve(LANE, MINUTE)
        yield s.Send(attempt())
        fault = failed((yield s.Watch(rig.start + 60.0)))
        assert (fault.kind, fault.status) == (kind, status)
        return rig.outcome(Answer(text="x"), 2)

    drive(rig, route)

    assert (rig.used(LANE), rig.used(MINUTE)) == (0, 1), "what was sent stays spent"


def test_an_unexpected_exception_is_a_fault_and_quotes_no_key(
    clock: VirtualClock, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(Chunks(), clock)

    def route() -> Route:
        yield reserve(LANE)
        yield s.Send(attempt())
        fault = failed((yield s.Watch(rig.start + 60.0)))
        assert (fault.cause, fault.message) == (Cause.OTHER, "IndexError")
        return rig.outcome(Answer(text="x"), 2)

    with caplog.at_level(logging.ERROR, "freerouter"):
        drive(rig, route, transport_of=raising(IndexError(f"Bearer {KEY}")))

    assert "failed unexpectedly" in caplog.text
    assert "IndexError" in caplog.text
    assert KEY not in caplog.text
    assert rig.used(LANE) == 0


def test_a_stream_that_stalls_is_cancelled_after_its_last_token(
    clock: VirtualClock, drive: Drive
) -> None:
    transport = Chunks([says("a"), 5.0, says("b"), 500.0])
    rig = Rig(transport, clock)

    def route() -> Route:
        yield s.Send(attempt())
        assert isinstance((yield s.Watch(rig.start + 99.0)), s.Token)
        event = yield s.Watch(rig.start + 99.0)
        fault = failed(event)
        assert (fault.kind, fault.cause) == (Kind.SLOW, Cause.STALL)
        assert round(event.at - rig.start, 3) == 5.0 + STALL
        return rig.outcome(Answer(text="x"), 2)

    drive(rig, route, stream=True)

    assert transport.closed == 1


def test_before_the_first_token_a_stream_may_take_longer(clock: VirtualClock, drive: Drive) -> None:
    rig = Rig(Chunks([FIRST_TOKEN_LIMIT + 100.0], [3 * STALL, says("late", "stop")]), clock)

    def route() -> Route:
        yield s.Send(attempt(1))
        yield s.Send(attempt(2))
        assert isinstance((yield s.Watch(rig.start + 999.0)), s.Token)
        assert done((yield s.Watch(rig.start + 999.0))).text == "late"
        event = yield s.Watch(rig.start + 999.0)
        assert failed(event).cause == Cause.STALL
        assert round(event.at - rig.start, 3) == FIRST_TOKEN_LIMIT
        return rig.outcome(Answer(text="late"), 2)

    drive(rig, route, stream=True)


def test_an_answer_that_is_not_streamed_does_not_stall(rig: Rig, drive: Drive) -> None:
    def route() -> Route:
        yield s.Send(attempt(stall_timeout=0.1))
        return rig.outcome(done((yield s.Watch(rig.start + 60.0))))

    assert drive(rig, route).text


# -- what a caller is shown ------------------------------------------------------------------------


def texts(deltas: Iterable[Delta]) -> list[str]:
    return [delta.text or delta.reasoning for delta in deltas]


def test_deltas_are_held_until_their_attempt_is_committed(
    clock: VirtualClock, drive: Drive
) -> None:
    rig = Rig(
        Chunks(
            [says("one "), 0.2, says("two "), 0.2, says("three", "stop")],
            [0.1, says("uno "), 0.2, says("dos "), 500.0],
        ),
        clock,
    )

    def route() -> Route:
        yield s.Send(attempt(1))
        yield s.Send(attempt(2))
        yield s.Sleep(rig.start + 0.3)
        assert rig.shown == []
        yield s.Commit(attempt(1))
        assert texts(rig.shown) == ["one ", "two "]
        assert rig.journal.shown_at == pytest.approx(rig.start + 0.3)
        yield s.Cancel(attempt(2), "another was first")
        while not isinstance(event := (yield s.Watch(rig.start + 9.0)), s.Done):
            assert isinstance(event, s.Token)
        return rig.outcome(event.answer)

    drive(rig, route, stream=True)

    assert texts(rig.shown) == ["one ", "two ", "three"]


def test_a_held_piece_of_a_tool_call_is_a_token_that_is_not_visible(
    clock: VirtualClock, drive: Drive
) -> None:
    """The whole call is shown when the answer is accepted."""
    rig = Rig(Chunks([calls('{"a":', "f"), 0.1, calls("1}"), 0.1, says("", "tool_calls")]), clock)
    call = ChatRequest.of("x").but(tools=TOOLS)

    def route() -> Route:
        yield s.Send(attempt())
        token = yield s.Watch(rig.start + 9.0)
        assert isinstance(token, s.Token)
        assert not token.visible
        event = yield s.Watch(rig.start + 9.0)
        assert rig.shown == []
        return rig.outcome(done(event))

    drive(rig, route, stream=True, request=call)

    (whole,) = rig.shown
    assert [(c.name, c.arguments) for c in whole.tool_calls] == [("f", '{"a":1}')]


def test_pieces_of_a_tool_call_are_shown_once_if_the_caller_wants_fragments(
    clock: VirtualClock, drive: Drive
) -> None:
    rig = Rig(Chunks([calls('{"a":', "f"), 0.1, calls("1}", finish="tool_calls")]), clock)
    call = ChatRequest.of("x").but(tools=TOOLS)

    def route() -> Route:
        yield s.Send(attempt())
        token = yield s.Watch(rig.start + 9.0)
        assert isinstance(token, s.Token)
        assert token.visible
        yield s.Commit(attempt())
        return rig.outcome(done((yield s.Watch(rig.start + 9.0))))

    policy = Policy(tool_streaming="fragments")
    drive(rig, route, stream=True, request=call, policy=policy)

    assert [f.arguments for delta in rig.shown for f in delta.fragments] == ['{"a":', "1}"]
    assert not any(delta.tool_calls for delta in rig.shown)


def test_fragments_of_a_call_without_arguments_join_to_an_object(
    clock: VirtualClock, drive: Drive
) -> None:
    rig = Rig(Chunks([calls("", "f"), 0.1, calls("", finish="tool_calls")]), clock)
    call = ChatRequest.of("x").but(tools=TOOLS)

    def route() -> Route:
        yield s.Send(attempt())
        while not isinstance(event := (yield s.Watch(rig.start + 9.0)), s.Done):
            yield s.Commit(attempt())
        return rig.outcome(event.answer)

    policy = Policy(tool_streaming="fragments")
    drive(rig, route, stream=True, request=call, policy=policy)

    assert "".join(f.arguments for delta in rig.shown for f in delta.fragments) == "{}"


def test_an_answer_that_was_held_is_shown_when_it_is_accepted(
    clock: VirtualClock, drive: Drive
) -> None:
    rig = Rig(Chunks([thinks("hm"), says("all", "stop")]), clock)

    def route() -> Route:
        yield s.Send(attempt())
        while not isinstance(event := (yield s.Watch(rig.start + 9.0)), s.Done):
            pass
        assert rig.shown == []
        return rig.outcome(event.answer)

    drive(rig, route, stream=True)

    assert [(delta.text, delta.reasoning) for delta in rig.shown] == [("all", "hm")]


@pytest.mark.parametrize("policy", ["continue", "raise"])
@pytest.mark.parametrize("commit", [True, False])
def test_what_was_shown_is_attached_to_a_failure_that_another_may_continue(
    policy: str, commit: bool, clock: VirtualClock, drive: Drive
) -> None:
    error = {"error": {"code": 502, "message": "cut"}, "choices": []}
    rig = Rig(Chunks([says(f"Use {KEY} "), says("now"), 0.1, error]), clock)

    def route() -> Route:
        yield s.Send(attempt())
        assert isinstance((yield s.Watch(rig.start + 9.0)), s.Token)
        if commit:
            yield s.Commit(attempt())
        event = yield s.Watch(rig.start + 9.0)
        assert isinstance(event, (s.Failed, s.Done))
        if commit and policy == "continue":
            assert event.shown is not None
            assert event.shown.text.endswith("now")
            assert KEY not in event.shown.text, "another model is handed it"
            assert event.shown.length == len(f"Use {KEY} now")
            assert not event.shown.pieces
        else:
            assert event.shown is None
        return rig.outcome(Answer(text="x"), 2)

    drive(rig, route, stream=True, policy=Policy(on_stream_break=policy))


def test_an_attempt_that_continues_repeats_nothing(clock: VirtualClock, drive: Drive) -> None:
    first: Script = [says("The sea was calm "), says("and grey"), 500.0]
    second: Script = [thinks("go on"), says("was calm and grey"), says(" all day.", "stop")]
    rig = Rig(Chunks(first, second), clock)

    def route() -> Route:
        yield s.Send(attempt(1))
        yield s.Watch(rig.start + 9.0)
        yield s.Commit(attempt(1))
        fault = yield s.Watch(rig.start + 9.0)
        assert isinstance(fault, s.Failed)
        assert fault.shown is not None
        resumed = attempt(2, resumes=fault.shown.text)
        yield s.Send(resumed)
        assert isinstance((yield s.Watch(rig.start + 99.0)), s.Token)
        yield s.Commit(resumed)
        answer = done((yield s.Watch(rig.start + 99.0)))
        assert answer.text == "The sea was calm and grey all day."
        return rig.outcome(answer, 2)

    drive(rig, route, stream=True, policy=Policy(on_stream_break="continue"))

    assert "".join(texts(rig.shown)) == "The sea was calm and grey all day."


def test_an_attempt_that_starts_from_the_beginning_is_rejected(
    clock: VirtualClock, drive: Drive
) -> None:
    first: Script = [says("The sea was calm and grey"), 500.0]
    rig = Rig(Chunks(first, [says("The sea was wild, and the wind rose.", "stop")]), clock)

    def route() -> Route:
        yield s.Send(attempt(1))
        yield s.Watch(rig.start + 9.0)
        yield s.Commit(attempt(1))
        yield s.Watch(rig.start + 9.0)
        yield s.Send(attempt(2, resumes="The sea was calm and grey"))
        fault = failed((yield s.Watch(rig.start + 99.0)))
        assert (fault.kind, fault.cause) == (Kind.BROKEN, Cause.BEGUN_ANEW)
        assert not fault.teaches
        return rig.outcome(Answer(text="x"), 2)

    drive(rig, route, stream=True, policy=Policy(on_stream_break="continue"))


def test_a_broken_stream_carries_what_was_shown(clock: VirtualClock, drive: Drive) -> None:
    rig = Rig(Chunks([says("half of "), says("it"), 500.0]), clock)

    def route() -> Route:
        yield s.Send(attempt())
        yield s.Watch(rig.start + 9.0)
        yield s.Commit(attempt())
        yield s.Sleep(rig.start + 1.0)
        raise errors.StreamBroken("it broke")

    with pytest.raises(errors.StreamBroken) as caught:
        drive(rig, route, stream=True)

    assert caught.value.partial == "half of it"


def test_a_continued_answer_without_additions_is_the_text_shown(
    clock: VirtualClock, drive: Drive
) -> None:
    rig = Rig(Chunks([says("all of it"), 500.0]), clock)

    def route() -> Route:
        yield s.Send(attempt())
        yield s.Watch(rig.start + 9.0)
        yield s.Commit(attempt())
        fault = failed((yield s.Watch(rig.start + 99.0)))
        seam = Seam(len("all of it"), attempt(), fault)
        return rig.outcome(Answer(text=""), 2, seams=(seam,))

    outcome = drive(rig, route, stream=True, policy=Policy(on_stream_break="continue"))

    assert outcome.text == "all of it"


def test_the_timer_of_an_attempt_ends_with_it(clock: VirtualClock, drive: Drive) -> None:
    rig = Rig(Chunks([says("all", "stop"), b"data: [DONE]\n\n"]), clock)

    def route() -> Route:
        yield s.Send(attempt(stall_timeout=50.0))
        yield s.Watch(rig.start + 9.0)
        event = yield s.Watch(rig.start + 9.0)
        timers = [timer for timer in pending_timers() if not timer.cancelled()]
        assert timers == []
        return rig.outcome(done(event))

    drive(rig, route, stream=True)


def pending_timers() -> list[asyncio.TimerHandle]:
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]  # not public
    return timers


@pytest.mark.parametrize("error", [None, errors.NoCandidates("nobody is left")])
def test_what_a_request_taught_is_pushed_even_if_it_failed(
    error: errors.FreeRouterError | None,
    rig: Rig,
    drive: Drive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pushes: list[int] = []
    monkeypatch.setattr(rig.runtime.state_sync, "push_soon", lambda: pushes.append(1))

    def route() -> Route:
        yield s.Watch(rig.start)
        assert pushes == []
        if error is not None:
            raise error
        return rig.outcome(Answer(text="x"))

    with pytest.raises(errors.NoCandidates) if error else nullcontext():
        drive(rig, route)

    assert pushes == [1]


# -- validating ------------------------------------------------------------------------------------


def judged(
    rig: Rig, drive: Drive, validate: Callable[[Answer], object] | None = None, **options: Any
) -> s.Judged:
    """What comes of asking about an answer, with two seconds of time."""
    result: list[s.Judged] = []

    def route() -> Route:
        step = s.Validate(attempt(), Answer(text="an answer"), rig.start + 2.0)
        event = yield step
        assert isinstance(event, s.Judged)
        result.append(event)
        return rig.outcome(step.answer)

    request = ChatRequest.of("x").but(validate=validate)
    drive(rig, route, request=request, **options)
    return result[0]


def test_an_answer_is_accepted(rig: Rig, drive: Drive) -> None:
    seen: list[str] = []
    event = judged(rig, drive, lambda answer: seen.append(answer.text))

    assert (event.problem, event.teaches, event.ruling) == (None, True, None)
    assert seen == ["an answer"]


def test_an_objection_of_the_validator_is_the_answers_fault(rig: Rig, drive: Drive) -> None:
    event = judged(rig, drive, raising(ValueError(f"no {KEY} please")))

    assert event.teaches
    assert (event.problem or "").startswith("ValueError: no ")
    assert KEY not in (event.problem or "")


def test_a_bug_in_the_validator_says_nothing_of_the_model(rig: Rig, drive: Drive) -> None:
    event = judged(rig, drive, raising(KeyError("typo")))

    assert (event.problem, event.teaches) == ("KeyError: 'typo'", False)


def test_guards_rule_after_the_validator(rig: Rig, drive: Drive) -> None:
    ruling = Ruling(refused="no")
    judged_answers: list[tuple[str, str]] = []

    def guards(answer: Answer, model: str) -> Ruling:
        judged_answers.append((answer.text, model))
        return ruling

    assert judged(rig, drive, run_guards=guards).ruling == ruling
    assert judged(rig, drive, raising(ValueError("no")), run_guards=guards).ruling is None
    assert judged_answers == [("an answer", "acme/a:free")]


def test_a_guard_that_ends_its_thread_is_a_problem_that_teaches_nothing(
    rig: Rig, drive: Drive
) -> None:
    event = judged(rig, drive, run_guards=raising(SystemExit(f"bye {KEY}")))

    assert not event.teaches
    assert (event.problem or "").startswith("a guard failed: SystemExit: bye ")
    assert KEY not in (event.problem or "")


@pytest.mark.parametrize("slow", ["validator", "guard"])
def test_validating_ends_at_its_deadline(slow: str, rig: Rig, drive: Drive) -> None:
    never = threading.Event()

    def wait(*_: object) -> Ruling:
        never.wait(20.0)
        return Ruling()

    options: dict[str, Any] = {"validate": wait} if slow == "validator" else {"run_guards": wait}
    event = judged(rig, drive, **options)
    never.set()

    assert not event.teaches
    assert "took longer" in (event.problem or "")
    assert round(event.at - rig.start, 3) == 2.0


# -- what observers see ----------------------------------------------------------------------------


def test_observers_see_what_is_chosen_and_each_failure_once(rig: Rig, drive: Drive) -> None:
    fault = Fault(kind=Kind.BUSY, cause=Cause.UPSTREAM_429, message="later", status=429)

    def route() -> Route:
        yield s.Send(attempt(1, hedge=True))
        rig.journal.attempted(attempt(1), fault, rig.start, rig.start)
        yield s.Watch(rig.start)
        yield s.Watch(rig.start)
        rig.journal.attempted(attempt(2), fault, rig.start, rig.start)
        raise errors.Exhausted("all failed")

    with pytest.raises(errors.Exhausted):
        drive(rig, route)
    rig.runtime.flush()

    failure = events.AttemptFailed(
        model="acme/a:free",
        provider="openrouter",
        fault="busy",
        cause=Cause.UPSTREAM_429,
        status=429,
        message="later",
    )
    chosen = events.ModelChosen(model="acme/a:free", provider="openrouter", attempt=1, hedge=True)
    assert rig.seen == [chosen, failure, failure]
