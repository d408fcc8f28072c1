"""Whether what claims to be an answer is the one that was asked for; and what may be continued."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.routing.answer_check import (
    MAX_TOKENS,
    AnswerCheck,
    Checked,
    tokens_of,
)
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.resume import Seam, resumable
from freerouter_core.routing.ruling import Flag, Ruling
from freerouter_core.routing.steps import Attempt, Judged, Shown
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.chat import ChatOperation
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Structured
from freerouter_core.wire.tool_calls import ToolCall

from .driver import NOW, account, busy, model


def check_answer(
    request: ChatRequest, answer: Answer, now: float, *, pieced: bool = False
) -> Checked:
    """An answer, checked by itself."""
    return Checked(*ChatOperation(request).judge(answer, now, pieced=pieced))


ASK = ChatRequest.of("x")
TOOL = {"type": "function", "function": {"name": "find", "parameters": {}}}
CALL = ToolCall("1", "find", "{}")
WISH = Structured({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}})
EMPTY = Answer(finish_reason="stop")


def cause(request: ChatRequest, answer: Answer, **more: Any) -> str | None:
    fault = check_answer(request, answer, NOW, **more).fault
    return None if fault is None else str(fault.cause)


# -- by itself ----------------------------------------------------------------------------------


def test_a_text_is_an_answer() -> None:
    answer = Answer("Hello.")

    assert check_answer(ASK, answer, NOW) == Checked(answer)


def test_an_error_inside_an_answer_is_judged_as_a_rejection() -> None:
    fault = check_answer(ASK, Answer(error={"message": "overloaded", "code": 503}), NOW).fault

    assert fault is not None
    assert (fault.kind, fault.status) == (Kind.BUSY, 503)


def test_an_uninvited_call_is_dropped_if_there_is_text() -> None:
    request = ChatRequest(ASK.messages, [TOOL]).but(tool_choice="none")

    assert cause(request, Answer(tool_calls=(CALL,))) == "uninvited-call"
    checked = check_answer(request, Answer("Hello.", tool_calls=(CALL,)), NOW)
    assert (checked.fault, checked.answer.tool_calls) == (None, ())


def test_a_tool_on_offer_may_be_called_and_no_other() -> None:
    request = ChatRequest(ASK.messages, [TOOL])

    assert cause(request, Answer(tool_calls=(CALL,))) is None
    assert cause(request, Answer(tool_calls=(ToolCall("1", "lose", "{}"),))) == "unknown-tool"
    must = request.but(tool_choice="required")
    assert cause(must, Answer("Hello.")) == "no-tool-call"


def test_json_is_read_in_every_form() -> None:
    request = ASK.but(structured=WISH)
    for answer in (
        Answer('Here: ```json\n{"n": 1}\n```'),
        Answer(tool_calls=(ToolCall("1", "answer", '{"n": 1}'),)),
    ):
        checked = check_answer(request, answer, NOW)
        assert (checked.fault, checked.answer.text) == (None, '{"n": 1}')
        assert checked.answer.tool_calls == ()


def test_json_that_breaks_the_schema_is_no_answer() -> None:
    request = ASK.but(structured=WISH)
    fault = check_answer(request, Answer('{"n": "x"}', finish_reason="stop"), NOW).fault
    assert fault is not None
    assert (fault.cause, fault.teaches, fault.hint) == (Cause.NOT_THE_SCHEMA, True, "")

    cut = check_answer(request, Answer('{"n": ', finish_reason="length"), NOW).fault
    assert cut is not None
    assert (cut.teaches, cut.hint) == (False, "raise max_tokens: the JSON was cut")


def test_json_in_pieces_must_be_bare() -> None:
    request, dressed = ASK.but(structured=WISH), Answer('Here: {"n": 1}')

    assert cause(request, dressed) is None
    assert cause(request, dressed, pieced=True) == "not-the-schema"


def test_a_tool_call_may_come_in_place_of_the_json() -> None:
    request = ChatRequest(ASK.messages, [TOOL]).but(structured=WISH)
    answer = Answer(tool_calls=(CALL,))

    assert check_answer(request, answer, NOW) == Checked(answer)


def test_a_named_schema_is_a_tool_on_offer() -> None:
    request = ASK.but(structured=Structured(WISH.schema, "my answer"))

    assert cause(request, Answer(tool_calls=(ToolCall("1", "my_answer", '{"n": 1}'),))) is None


# -- empty answers ------------------------------------------------------------------------------


def empty(*models: str, need: Need | None = None, resumes: str | None = None) -> list[Any]:
    check = AnswerCheck(ChatOperation(ASK), need or Need())
    return [check.check(EMPTY, name, NOW, shown=False, resumes=resumes).fault for name in models]


def test_an_empty_answer_is_a_failure() -> None:
    assert all(fault.cause == Cause.EMPTY for fault in empty("a", "b"))


def test_after_a_tools_result_two_models_that_agree_are_believed() -> None:
    after_tool = Need(after_tool=True)

    assert [f is None for f in empty("a", "b", need=after_tool)] == [False, True]
    assert [f is None for f in empty("a", "a", need=after_tool)] == [False, False]


def test_two_models_with_nothing_to_add_end_a_text_that_is_whole() -> None:
    check = AnswerCheck(ChatOperation(ASK), Need())
    first = check.check(EMPTY, "a", NOW, shown=False, resumes="It is done.")
    second = check.check(EMPTY, "b", NOW, shown=False, resumes="It is done.")
    assert first.fault is not None
    assert (second.fault, second.answer.text) == (None, "It is done.")

    cut = empty("a", "b", resumes="It is")[1]
    assert (cut.cause, cut.teaches) == (Cause.CUT, False)


def test_a_text_that_is_whole_must_be_what_was_asked_for_too() -> None:
    check = AnswerCheck(ChatOperation(ASK.but(structured=WISH)), Need())
    check.check(EMPTY, "a", NOW, shown=False, resumes='{"n": "x"}')
    agreed = check.check(EMPTY, "b", NOW, shown=False, resumes='{"n": "x"}')

    assert agreed.fault is not None
    assert agreed.fault.cause == Cause.NOT_THE_SCHEMA


def test_agreement_on_an_empty_answer_starts_again_with_another_text() -> None:
    check = AnswerCheck(ChatOperation(ASK), Need(after_tool=True))
    check.check(EMPTY, "a", NOW, shown=False, resumes=None)
    check.restart()

    assert check.check(EMPTY, "b", NOW, shown=False, resumes=None).fault is not None


@pytest.mark.parametrize(
    ("shown", "finish", "accepted"),
    [(True, "length", True), (False, "length", False), (True, "stop", False)],
)
def test_the_callers_own_limit_may_end_what_was_shown(
    shown: bool, finish: str, accepted: bool
) -> None:
    answer = Answer(
        "x", finish_reason=finish, error={"message": "Token limit reached", "code": 400}
    )
    checked = AnswerCheck(ChatOperation(ASK), Need()).check(
        answer, "a", NOW, shown=shown, resumes=None
    )

    assert (checked.fault is None) is accepted
    assert (checked.answer.error is None) is accepted


def test_any_other_fault_of_a_shown_answer_that_ended_by_length_stands() -> None:
    request = ChatRequest(ASK.messages, [TOOL])
    cut = ToolCall("1", "find", '{"a')
    answer = Answer(tool_calls=(cut,), finish_reason="length")
    checked = AnswerCheck(ChatOperation(request), Need()).check(
        answer, "a", NOW, shown=True, resumes=None
    )

    assert checked.fault is not None
    assert checked.fault.cause == Cause.TRUNCATED_TOOL


# -- validators and guards ----------------------------------------------------------------------


def apply(judged: Judged, answer: Answer | None = None, **request: Any) -> Checked:
    need = Need(structured="structured" in request)
    return AnswerCheck(ChatOperation(ASK.but(**request)), need).apply(
        judged, answer or Answer("Hello.")
    )


@pytest.mark.parametrize("teaches", [True, False])
def test_a_validators_objection_is_a_fault(teaches: bool) -> None:
    fault = apply(Judged(NOW, "too short", teaches)).fault

    assert fault == Fault(Kind.BROKEN, Cause.INVALID, "too short", teaches=teaches)


def test_a_guards_rejection_is_a_refusal_of_the_content() -> None:
    flag = Flag("pii", "a name")
    checked = apply(Judged(NOW, None, True, Ruling(refused="unsafe", flags=(flag,))))

    assert checked.fault is not None
    assert (checked.fault.cause, checked.fault.teaches, checked.flags) == (
        Cause.GUARD,
        False,
        (flag,),
    )


def test_without_an_opinion_the_answer_stands() -> None:
    assert apply(Judged(NOW, None)) == Checked(Answer("Hello."))


def test_what_guards_prepend_comes_before_a_text_and_beside_anything_else() -> None:
    judged = Judged(NOW, None, True, Ruling(prepend="Call 112."))

    assert apply(judged).answer.text == "Call 112.\n\nHello."
    assert apply(judged).aside == ""
    calls = apply(judged, Answer(tool_calls=(CALL,)))
    assert (calls.answer.text, calls.aside) == ("", "Call 112.")
    structured = apply(judged, Answer('{"n": 1}'), structured=WISH)
    assert (structured.answer.text, structured.aside) == ('{"n": 1}', "Call 112.")


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        (None, False),
        (busy(), False),
        (Fault(Kind.BROKEN, Cause.INVALID), True),
        (Fault(Kind.BROKEN, Cause.NOT_THE_SCHEMA), True),
    ],
)
def test_a_whole_answer_that_was_not_accepted_is_kept_without_keys(
    fault: Fault | None, kept: bool
) -> None:
    check = AnswerCheck(ChatOperation(ASK), Need())
    check.keep_rejected(Checked(Answer("My secret-key."), fault), account())

    assert (check.rejected is not None) is kept
    if check.rejected is not None:
        assert check.rejected.text == "My [key]."


# -- how many tokens ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, 10),
        ({}, 10),
        ({"completion_tokens": 7}, 7),
        ({"completion_tokens": 0}, 0),
        ({"completion_tokens": -1}, 10),
        ({"completion_tokens": MAX_TOKENS}, MAX_TOKENS),
        ({"completion_tokens": MAX_TOKENS + 1}, 10),
        ({"completion_tokens": "7"}, 10),
    ],
)
def test_tokens_are_as_claimed_or_estimated(usage: Any, tokens: int) -> None:
    assert tokens_of(Answer("x" * 40, usage=usage)) == tokens


# -- what may be continued ----------------------------------------------------------------------

CONTINUE, SHOWN = Policy(on_stream_break="continue"), Shown("Once", False, 4)


@pytest.mark.parametrize(
    ("policy", "fault", "shown", "expected"),
    [
        (CONTINUE, busy(), SHOWN, True),
        (Policy(), busy(), SHOWN, False),
        (CONTINUE, busy(), None, False),
        (CONTINUE, busy(), Shown("Once", True, 4), False),
        (CONTINUE, Fault(Kind.REFUSED, Cause.MODERATION), SHOWN, False),
        (CONTINUE, Fault(Kind.FATAL, Cause.BAD_REQUEST), SHOWN, False),
        (CONTINUE, Fault(Kind.BROKEN, Cause.NOT_THE_SCHEMA), SHOWN, False),
        *(
            (CONTINUE, Fault(kind, Cause.CUT), SHOWN, True)
            for kind in (Kind.ACCOUNT, Kind.SLOW, Kind.BROKEN, Kind.UNFIT, Kind.GONE)
        ),
    ],
)
def test_which_broken_streams_may_be_continued(
    policy: Policy, fault: Fault, shown: Shown | None, expected: bool
) -> None:
    assert resumable(policy, fault, shown) is expected


def test_a_seam_records_its_place_its_model_and_the_fault() -> None:
    attempt = Attempt(
        number=1, model=model("a"), account=account(), soft_timeout=5.0, stall_timeout=20.0
    )
    record = Seam(4, attempt, busy()).record()

    assert record == {"at": 4, "model": "a", "provider": "one", "fault": "busy"}


# -- what models do to names and forms -------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["functions.find", "find ", "find<|channel|>commentary", "default_api.find",
     "functions.find:0"],
)  # fmt: skip
def test_a_name_with_a_namespace_or_tokens_is_the_offered_one(name: str) -> None:
    request = ASK.but(tools=[TOOL])
    checked = check_answer(
        request, Answer(tool_calls=(ToolCall("1", name, "{}"),), finish_reason="stop"), NOW
    )

    assert checked.fault is None
    assert checked.answer.tool_calls == (CALL,)


def test_a_call_that_answers_a_schema_leaves_no_finish_reason_that_announces_calls() -> None:
    call = ToolCall("1", "answer", '{"n": 1}')
    for finish, left in (("tool_calls", "stop"), ("function_call", "stop"), ("length", "length")):
        answer = Answer(tool_calls=(call,), finish_reason=finish)
        checked = check_answer(ASK.but(structured=WISH), answer, NOW)

        assert (checked.fault, checked.answer.text) == (None, '{"n": 1}')
        assert (checked.answer.tool_calls, checked.answer.finish_reason) == ((), left)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Answer(tool_calls=(ToolCall("1", "other", '{"n": 1}'),), finish_reason="stop"), None),
        (Answer(tool_calls=(ToolCall("1", "answer", '{"n": '),), finish_reason="stop"),
         "not-the-schema"),
        (Answer(tool_calls=(ToolCall("1", "answer", ""),), finish_reason="stop"), "empty"),
        (Answer('{"name": "x", "arguments": {"n": 1}}', finish_reason="stop"), None),
    ],
)  # fmt: skip
def test_without_tools_a_call_is_one_more_form_of_the_object(
    answer: Answer, cause: str | None
) -> None:
    fault = check_answer(ASK.but(structured=WISH), answer, NOW).fault

    assert (None if fault is None else fault.cause.value) == cause


def test_with_tools_and_an_object_unknown_calls_are_still_unknown() -> None:
    request = ASK.but(structured=WISH, tools=[TOOL])
    answer = Answer(tool_calls=(ToolCall("1", "other", '{"n": 1}'),), finish_reason="stop")

    fault = check_answer(request, answer, NOW).fault
    assert fault is not None
    assert fault.cause is Cause.UNKNOWN_TOOL


def test_an_empty_object_is_believed_the_second_time() -> None:
    loose = Structured({"type": "object", "properties": {"n": {"type": "integer"}}})
    check = AnswerCheck(ChatOperation(ASK.but(structured=loose)), Need())
    answer = Answer("{}", finish_reason="stop")

    first = check.check(answer, "a", NOW, shown=False, resumes=None)
    assert first.fault is not None
    assert (first.fault.cause, first.fault.teaches) == (Cause.HOLLOW, False)
    assert check.check(answer, "b", NOW, shown=False, resumes=None) == Checked(answer)


def test_with_tools_and_an_object_the_object_is_read_from_the_text() -> None:
    request = ASK.but(structured=WISH, tools=[TOOL])

    assert check_answer(request, Answer('{"n": 1}', finish_reason="stop"), NOW).fault is None


# -- an error as the text -----------------------------------------------------------------------

LIMIT = "Rate limit exceeded. Please try again later."


def said(
    check: AnswerCheck, text: str, *, model: str = "a", shown: bool = False, **usage: int
) -> str | None:
    answer = Answer(text, finish_reason="stop", usage=dict(usage) or None)
    fault = check.check(answer, model, NOW, shown=shown, resumes=None).fault
    return None if fault is None else str(fault.cause)


def test_a_text_that_reads_like_an_error_is_doubted_once_and_believed_if_it_comes_again() -> None:
    check = AnswerCheck(ChatOperation(ASK), Need())

    assert said(check, LIMIT) == "odd-success"
    assert said(check, "Too many requests") == "odd-success"
    assert said(check, "Too many requests") is None
    assert said(check, "Hello.") is None


def test_two_models_that_answer_with_an_error_in_other_words_were_asked_for_one() -> None:
    """ "What does this program print?" would never be answered."""
    check = AnswerCheck(ChatOperation(ASK), Need())

    assert said(check, "Error: division by zero") == "odd-success"
    assert said(check, "Error: ZeroDivisionError", model="b") is None


def test_one_that_cost_no_tokens_is_never_believed() -> None:
    check = AnswerCheck(ChatOperation(ASK), Need())

    assert [said(check, LIMIT, completion_tokens=0) for _ in range(3)] == ["odd-success"] * 3
    assert said(check, LIMIT, completion_tokens=9) is None


def test_what_was_shown_and_what_is_an_object_by_wish_is_not_doubted() -> None:
    assert said(AnswerCheck(ChatOperation(ASK), Need()), LIMIT, shown=True) is None
    wish = ChatRequest.of("x").but(structured=Structured({"type": "object"}))
    check = AnswerCheck(ChatOperation(wish), Need(structured=True))
    assert said(check, '{"error": "none"}') is None
