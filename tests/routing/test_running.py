"""How a request stands that has not ended, told from its journal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from freerouter_core.routing import steps as s
from freerouter_core.routing.journal import Journal
from freerouter_core.routing.running import RunningRequest, running_request
from freerouter_core.wire.answer import Answer

from .driver import NOW, account, busy, model

WAIT = s.Wait("the 20 requests a minute are used", NOW + 9.0, before=2)


def attempt(number: int, *, hedge: bool = False) -> s.Attempt:
    return s.Attempt(
        number=number,
        model=model(f"m{number}"),
        account=account(),
        soft_timeout=5.0,
        stall_timeout=9.0,
        hedge=hedge,
    )


def stand(*steps: s.Step | s.Event, failed: Sequence[s.Attempt] = ()) -> RunningRequest:
    """How a request stands after these steps, one a second."""
    journal = Journal(started=NOW, number=7)
    for second, step in enumerate(steps):
        journal.add(NOW + second, step)
    for tried in failed:
        journal.attempted(tried, busy(), NOW, NOW + 1.0)
    return running_request(journal, "auto", streamed=True)


def test_a_request_that_has_asked_nobody_yet() -> None:
    request = stand()

    assert (request.number, request.at, request.asked, request.streamed) == (7, NOW, "auto", True)
    assert (request.tries, request.running, request.reason, request.until) == ((), (), None, None)


@pytest.mark.parametrize(
    ("event", "stage"),
    [
        (s.Woke(NOW), "asked"),
        (s.Token(NOW, 1, visible=False), "asked"),
        (s.Token(NOW, 1, visible=False, thought=True), "thinking"),
        (s.Token(NOW, 1, visible=True), "answering"),
        (s.Done(NOW, 1, Answer("x")), "checked"),
    ],
)
def test_the_stage_of_an_attempt(event: s.Event, stage: str) -> None:
    (running,) = stand(s.Send(attempt(1)), event).running

    assert (running.number, running.model, running.provider) == (1, "m1", "one")
    assert (running.at, running.stage, running.hedge) == (NOW, stage, False)


def test_attempts_that_failed_or_were_cancelled_do_not_run() -> None:
    first, second, third = attempt(1), attempt(2), attempt(3, hedge=True)
    request = stand(
        s.Send(first), s.Send(second), s.Send(third), s.Cancel(second, "late"), failed=[first]
    )

    assert [(tried.number, tried.fault) for tried in request.tries] == [(1, "busy")]
    assert [(running.number, running.hedge) for running in request.running] == [(3, True)]


@pytest.mark.parametrize(
    ("sleep", "reason", "until", "before"),
    [
        (s.Sleep(NOW + 3.0), "", NOW + 3.0, 0),
        (s.Sleep(NOW + 3.0, "scope", wait=WAIT), WAIT.reason, NOW + 9.0, 2),
    ],
)
def test_a_request_that_waits(sleep: s.Sleep, reason: str, until: float, before: int) -> None:
    request = stand(sleep)

    assert (request.reason, request.until, request.before) == (reason, until, before)
    assert stand(sleep, s.Send(attempt(1))).reason is None
