"""Whether a server fails, or one request makes it fail."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.routing.blame import FORGOTTEN, MAX_REQUESTS, SHORTLY, Blame
from freerouter_core.routing.fingerprints import fingerprint_of
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.chat import ChatOperation
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.request import ChatRequest

from .driver import NOW, Fates, Play, answers, fails, model, plan, play
from .test_failures import failed

A, B = model("a"), model("b")
M = A.identity
BAD, GOOD = 1, 2
ERROR = Fault(Kind.BUSY, Cause.SERVER, status=500)


def between(before: float = 1.0, after: float = 1.0, request: int | None = GOOD) -> Blame:
    """A model answered, failed at the bad request now, and answered so many seconds after it."""
    blame = Blame()
    blame.answered(GOOD, M, NOW - before - 0.5, NOW - before)
    assert not blame.failed(BAD, M, ERROR, NOW)
    blame.answered(request, M, NOW + after, NOW + after)
    return blame


def again(blame: Blame, fault: Fault = ERROR, at: float = NOW + 5.0) -> bool:
    return blame.failed(BAD, B.identity, fault, at)


def test_a_request_is_to_blame_that_fails_where_others_are_answered() -> None:
    assert again(between())
    assert again(between(), at=NOW + FORGOTTEN)


@pytest.mark.parametrize(
    ("name", "blame"),
    [
        ("the model had not answered", between(before=SHORTLY + 1.0)),
        ("it was down in between", between(after=SHORTLY + 1.0)),
        ("it was answered itself", between(request=BAD)),
        ("nothing tells what was answered from it, and it was sent before", between(after=-0.5)),
    ],
)
def test_else_it_is_not(name: str, blame: Blame) -> None:
    assert not again(blame), name


def test_blame_is_forgotten() -> None:
    assert not again(between(), at=NOW + FORGOTTEN + 1.0)
    blame = between()
    blame.answered(BAD, M, NOW + 2.0, NOW + 3.0)
    assert not again(blame)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.BUSY, Cause.AMBIGUOUS_429, status=429),
        Fault(Kind.BUSY, Cause.SERVER, status=503),
        Fault(Kind.ACCOUNT, Cause.KEY_REFUSED, status=401),
    ],
)
def test_no_request_is_blamed_for_limits_keys_or_a_lack_of_room(fault: Fault) -> None:
    assert not again(between(), fault)


def test_another_model_of_a_server_in_trouble_clears_nobody() -> None:
    blame = Blame()
    blame.answered(GOOD, M, NOW - 1.0, NOW - 0.5)
    blame.failed(BAD, M, ERROR, NOW)
    blame.answered(GOOD, B.identity, NOW + 1.0, NOW + 2.0)
    assert not again(blame)


def test_only_the_latest_requests_and_models_are_remembered() -> None:
    blame = between()
    for n in range(MAX_REQUESTS):
        blame.answered(None, ("p", "o", str(n)), NOW, NOW)
        blame.failed(-1 - n, M, ERROR, NOW)
    assert (len(blame.suspects), len(blame.answered_at)) == (MAX_REQUESTS, MAX_REQUESTS)
    assert not again(blame)


# -- what follows -------------------------------------------------------------------------------

BROKEN: Fates = {"a": fails(ERROR, after=0.1), "b": fails(ERROR, after=0.1)}
WELL: Fates = {"a": answers(0.1), "b": answers(0.1)}


def asked(text: str, *models: Model, **extra: Any) -> Plan:
    return plan(*(models or (A, B)), request=ChatRequest.of(text), extra=extra, max_retries=1)


def broken(text: str, state: RoutingState, at: float, **extra: Any) -> Play:
    return failed(asked(text, **extra), BROKEN, state=state, now=NOW + at)[0]


def well(state: RoutingState, at: float) -> None:
    for each in (A, B):
        play(asked("Good morning", each, lane="background"), WELL, state=state, now=NOW + at)


def strikes(state: RoutingState) -> list[int]:
    return [state.health.of(each.identity).strikes for each in (A, B)]


def test_the_first_failure_of_a_request_teaches_and_a_later_one_does_not() -> None:
    state = RoutingState()
    well(state, at=0.0)
    broken("bad", state, at=1.0)
    assert strikes(state) == [1, 1]

    well(state, at=2.0)
    broken("bad", state, at=3.0)
    assert strikes(state) == [0, 0]
    assert not state.health.outages

    broken("another", state, at=4.0)
    assert strikes(state) == [1, 1]


def test_a_row_that_is_to_blame_asks_each_model_once_and_says_so() -> None:
    state = RoutingState()
    well(state, at=0.0)
    first = broken("bad", state, at=1.0, lane="background")
    well(state, at=30.0)
    second = broken("bad", state, at=31.0, lane="background")

    assert (first.journal.blamed, second.journal.blamed) == (False, True)
    assert second.asked == ["a", "b"]
    assert second.now - second.began < 1.0, "nobody pauses"


def test_a_row_that_is_to_blame_asks_few_models() -> None:
    state, models = RoutingState(), [model(name) for name in "abcdefgh"]
    fates: Fates = {each.id: fails(ERROR, after=0.1) for each in models}
    well(state, at=0.0)
    broken("bad", state, at=1.0, lane="background")
    well(state, at=2.0)
    request = ChatRequest.of("bad")
    for lane, expected in (("background", "abc"), ("interactive", "abcdefgh")):
        row = plan(*models, request=request, extra={"lane": lane}, max_retries=7)
        asked_models = failed(row, fates, state=state, now=NOW + 3.0)[0].asked
        assert "".join(asked_models) == expected


def test_what_is_no_chat_is_not_blamed() -> None:
    assert fingerprint_of(ChatOperation(ChatRequest.of("a text"))) is None
    one, same, other = (asked(text).fingerprint for text in ("a text", "a text", "b text"))
    assert one == same != other


def test_what_is_forgotten_by_all_is_forgotten_here() -> None:
    state = RoutingState()
    well(state, at=0.0)
    broken("bad", state, at=1.0)
    state.health.reset()
    assert state.health.blame == Blame()
