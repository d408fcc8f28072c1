"""A model that refuses a form of asking is asked again in a plainer one."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from freerouter_core import ChatRequest, Structured
from freerouter_core.catalogue.model import Model
from freerouter_core.errors import BadRequest, FreeRouterError
from freerouter_core.routing.candidates import Candidates
from freerouter_core.routing.need import need_of
from freerouter_core.routing.plainer import Plainer
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.terms import Terms
from freerouter_core.wire.tool_calls import ToolCall

from .driver import NOW, Fate, Fates, Play, answers, busy, fails, model, plan, play

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
OBJECT = ChatRequest([{"role": "user", "content": "How many?"}], structured=Structured(SCHEMA))
A, B, C = model("a"), model("b", "two"), model("c", "three")
RIGHT = '{"n": 7}'


def refuses(status: int = 400, cause: Cause = Cause.BAD_REQUEST, **fields: Any) -> Fate:
    return fails(Fault(Kind.UNFIT, cause, "no", status=status, teaches=False, **fields))


def wish(*models: Model, request: ChatRequest = OBJECT, **policy: Any) -> Plan:
    return plan(*models, request=request, need=need_of(request), **policy)


def forms(played: Play) -> list[tuple[str, str | None]]:
    return [(attempt.model.id, attempt.form) for attempt in played.sent]


def failed(plan: Plan, fates: Fates, **more: Any) -> tuple[Play, FreeRouterError]:
    played = Play(plan, fates, **more)
    with pytest.raises(FreeRouterError) as error:
        played.run()
    return played, error.value


# -- at once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lack", ["structured_outputs", "response_format"])
def test_who_refuses_the_plainer_format_is_asked_in_words_at_once(lack: str) -> None:
    """Some servers refuse any object in the words of a schema."""
    schema = refuses(cause=Cause.NO_JSON_SCHEMA, lacks=frozenset({"structured_outputs"}))
    any_object = refuses(cause=Cause.NO_PARAMETER, lacks=frozenset({lack}))
    state = RoutingState()
    played = play(wish(A), {"a": [schema, any_object, answers(text=RIGHT)]}, state=state)

    assert forms(played) == [("a", "json_schema"), ("a", "json_object"), ("a", "prompt")]
    later = play(wish(A), {"a": answers(text=RIGHT)}, state=state)
    assert forms(later) == [("a", "prompt")], "every later call is asked so"


def test_who_refuses_the_whole_field_is_asked_in_words_at_once() -> None:
    field = refuses(cause=Cause.NO_PARAMETER, lacks=frozenset({"response_format"}))
    played = play(wish(A), {"a": [field, answers(text=RIGHT)]})

    assert forms(played) == [("a", "json_schema"), ("a", "prompt")]


# -- as a last resort ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("cause", [Cause.BAD_REQUEST, Cause.UPSTREAM_400])
def test_a_form_that_nobody_took_is_given_up_at_last(status: int, cause: Cause) -> None:
    state = RoutingState()
    fates: Fates = {"a": [refuses(status, cause), answers(text=RIGHT)], "b": refuses(status, cause)}
    played = play(wish(A, B), fates, state=state)

    assert forms(played) == [("a", "json_schema"), ("b", "json_schema"), ("a", "prompt")]
    later = play(wish(A), {"a": answers(text=RIGHT)}, state=state)
    assert forms(later) == [("a", "json_object")], "it is not asked for what it refused"
    assert "structured" not in state.health.of(B.identity).ways, "it was asked for something else"


def test_the_last_resort_is_taken_once() -> None:
    played, error = failed(wish(A, B), {"a": refuses(), "b": refuses()})

    assert forms(played) == [("a", "json_schema"), ("b", "json_schema"), ("a", "prompt")]
    assert isinstance(error, BadRequest)


@pytest.mark.parametrize(
    ("fate", "request_", "policy"),
    [
        (refuses(404), OBJECT, {}),
        (refuses(cause=Cause.OUTPUT_TOO_LARGE), OBJECT, {}),
        (refuses(), ChatRequest.of("Hello"), {}),
        (refuses(), OBJECT, {"max_retries": 0}),
    ],
    ids=["another status", "a reason is known", "as plain as can be", "no more attempts"],
)
def test_what_may_not_be_the_form_is_asked_once(
    fate: Fate, request_: ChatRequest, policy: dict[str, Any]
) -> None:
    played, _ = failed(wish(A, request=request_, **policy), {"a": fate})

    assert len(played.sent) == 1


def test_an_answer_in_words_is_checked_as_any_other() -> None:
    fates = {"a": [refuses(), answers(text="Seven."), answers(text=RIGHT)]}
    played = play(wish(A), fates)

    assert forms(played) == [("a", "json_schema"), ("a", "prompt"), ("a", "prompt")]


def test_somebody_who_returns_comes_before_the_last_resort() -> None:
    fates: Fates = {"a": refuses(), "b": [fails(busy()), answers(text=RIGHT)]}

    assert forms(play(wish(A, B), fates)) == [("a", "json_schema")] + [("b", "json_schema")] * 2


def test_who_may_not_be_asked_any_more_is_passed_over() -> None:
    """Its account failed too often meanwhile."""
    request = wish(A, B)
    state = RoutingState()
    played = Play(request, {"a": refuses(), "b": refuses()}, state=state)
    with pytest.raises(BadRequest):
        played.run()
    situation = request.situation(state.health, NOW, Random(0), 1)
    candidates = Candidates.of(request.catalogue, request.accounts, situation)
    plainer = Plainer(request, state, candidates)
    first, second = candidates.all
    for candidate, attempt in zip((first, second), played.sent, strict=False):
        plainer.refused(candidate, attempt, Fault(Kind.UNFIT, Cause.BAD_REQUEST, status=400))
        candidate.out = True
        candidates.account_faults[candidate.account.scope] = 99

    assert not plainer.last_resort()
    assert (first.out, second.out) == (True, True)


# -- forced calls -------------------------------------------------------------------------------

TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
FORCED = ChatRequest([{"role": "user", "content": "x"}], [TOOL], tool_choice="required")
CALL = answers(text="", tool_calls=(ToolCall("1", "look", "{}"),), finish_reason="tool_calls")
NO_CHOICE = refuses(cause=Cause.NO_TOOL_CHOICE, lacks=frozenset({"tool_choice"}))


def choices(played: Play) -> list[tuple[str, Any]]:
    """Who was asked, and with which `tool_choice`."""
    operation = played.plan.operation
    bodies = [operation.body(sent.known, sent.account, Terms())[0] for sent in played.sent]
    names = [attempt.model.id for attempt in played.sent]
    return [(name, body.get("tool_choice")) for name, body in zip(names, bodies, strict=True)]


def test_who_cannot_be_made_to_call_is_asked_to_once_the_others_have_failed() -> None:
    state = RoutingState()
    request = wish(A, B, request=FORCED)
    fates: Fates = {"a": [NO_CHOICE, CALL], "b": NO_CHOICE}
    played = play(request, fates, state=state)
    assert choices(played) == [("a", "required"), ("b", "required"), ("a", None)]

    later = play(request, {"a": CALL, "b": CALL}, state=state)
    assert choices(later) == [("a", None)], "both are known by now"
    other = play(wish(A, B, C, request=FORCED), {"c": CALL}, state=state)
    assert choices(other) == [("c", "required")], "one that can be made to call comes first"


def test_words_that_nobody_understands_may_be_about_the_choice() -> None:
    state = RoutingState()
    request = wish(A, B, request=FORCED)
    played = play(request, {"a": [refuses(), CALL], "b": refuses()}, state=state)

    assert choices(played) == [("a", "required"), ("b", "required"), ("a", None)]
    assert state.health.of(A.identity).lacks_at(NOW) == {"tool_choice"}
    assert "tools" not in state.health.of(B.identity).ways, "it was asked for something else"


def test_who_calls_nothing_unforced_has_not_failed_at_tools() -> None:
    state = RoutingState()
    text = answers(text="It is seven.")
    played = play(wish(A, request=FORCED), {"a": [NO_CHOICE, text, CALL]}, state=state)

    assert choices(played) == [("a", "required"), ("a", None), ("a", None)]
    assert (state.health.of(A.identity).ways["tools"].bad, len(played.sent)) == (0.0, 3)
    forced = RoutingState()
    play(wish(A, request=FORCED), {"a": [text, CALL]}, state=forced)
    assert forced.health.of(A.identity).ways["tools"].bad == 1.0, "this one was made to"


def test_a_request_that_leaves_the_choice_has_no_plainer_form() -> None:
    free = FORCED.but(tool_choice="auto")
    played, error = failed(wish(A, request=free), {"a": refuses()})

    assert (len(played.sent), type(error)) == (1, BadRequest)
