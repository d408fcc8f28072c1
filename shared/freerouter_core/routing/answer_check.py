"""`AnswerCheck`: whether what claims to be an answer is the one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..catalogue.providers import Account
from ..wire.answer import Answer
from ..wire.call_text import called_name
from ..wire.fault import Cause, Fault, Kind
from ..wire.judge import judge_answer, judge_call, judge_rejection
from ..wire.redact import redact_answer
from ..wire.rejection import embedded_rejection
from ..wire.request import ChatRequest
from ..wire.schema import schema_name
from ..wire.splice import ends_cleanly
from ..wire.structured_reader import read_structured
from ..wire.tool_calls import InvalidToolCall, ToolCall
from .need import Need
from .ruling import Flag, Ruling
from .steps import Attempt, Judged

MAX_TOKENS = 200_000
"""Tokens that an answer may claim to have."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer that was checked.

    `answer`: in the form that was asked for. `fault`: what is wrong with it; None: nothing.
    `flags`: the guards' remarks. `aside`: a text to prepend that could not be added to it.
    """

    answer: Answer
    fault: Fault | None = None
    flags: tuple[Flag, ...] = ()
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Flawed:
    """An answer whose tool call cannot be carried out, and who gave it."""

    answer: Answer
    attempt: Attempt


class AnswerCheck:
    """Checks the answers of one request.

    An empty answer is a failure, with one exception: after a tool's result, or at the end of a
    broken stream, there may be nothing to say. Two models that agree on that are believed.
    """

    def __init__(self, request: ChatRequest, need: Need) -> None:
        self._request, self._need = request, need
        self._silent_model: str | None = None
        """The id of the model that answered nothing."""
        self._hollow_answers = 0
        """Answers that were an empty object. The second is believed."""
        self.rejected: Answer | None = None
        """The last answer that was whole and not accepted, without keys."""
        self.flawed: Flawed | None = None
        """The last answer with a flawed tool call."""

    def restart(self) -> None:
        """Another text is to be continued from here on."""
        self._silent_model = None

    def check(
        self, answer: Answer, model_id: str, now: float, *, shown: bool, resumes: str | None
    ) -> Checked:
        """The answer by itself. `shown`: the caller has seen it. `resumes`: what it continues."""
        checked = check_answer(self._request, answer, now, pieced=resumes is not None)
        if checked.fault is None:
            return checked
        effect = checked.fault.effect
        if shown and answer.finish_reason == "length" and effect.out_of_tokens and answer.text:
            # Its text was shown already, and the caller's own max_tokens ended it. Whatever else
            # was wanted, a call or an object, is judged as it stands.
            return check_answer(self._request, answer.with_(error=None), now)
        if effect.empty and (self._need.after_tool or resumes):
            agreed = self._silent_model not in (None, model_id)
            self._silent_model = model_id
            if agreed:
                return self._agreed(checked.answer, resumes, now)
        if effect.hollow:
            self._hollow_answers += 1
            if self._hollow_answers > 1:
                return Checked(checked.answer)
        return checked

    def _agreed(self, answer: Answer, resumes: str | None, now: float) -> Checked:
        """Two models had nothing to say, or nothing to add to the text that was shown."""
        if not resumes:
            return Checked(answer)
        whole = check_answer(self._request, answer.with_(text=resumes), now, pieced=True)
        if whole.fault is None and not ends_cleanly(resumes):
            message = "nobody continued what was cut amid a sentence"
            fault = Fault(Kind.BROKEN, Cause.CUT, message, teaches=False)
            return replace(whole, fault=fault)
        return whole

    def apply(self, judged: Judged, answer: Answer) -> Checked:
        """The answer by the opinion of the validator and the guards."""
        if judged.problem is not None:
            fault = Fault(Kind.BROKEN, Cause.INVALID, judged.problem, teaches=judged.teaches)
            return Checked(answer, fault)
        ruling = judged.ruling or Ruling()
        if ruling.refused is not None:
            hint = "change the prompt or the guard; the answers were whole, and rejected"
            fault = Fault(Kind.REFUSED, Cause.GUARD, ruling.refused, teaches=False, hint=hint)
            return Checked(answer, fault, ruling.flags)
        if ruling.prepend and self._request.structured is None and answer.text:
            text = f"{ruling.prepend}\n\n{answer.text}"
            return Checked(answer.with_(text=text), None, ruling.flags)
        # A JSON object with a text before it would be none.
        return Checked(answer, None, ruling.flags, ruling.prepend)

    def keep_flawed(self, answer: Answer, fault: Fault, attempt: Attempt) -> None:
        """Remember an answer with a flawed call, for the caller if nobody has a better one."""
        if fault.effect.flawed_call:
            flawed = self.with_invalid_calls(answer, fault)
            self.flawed = self.flawed if flawed is None else Flawed(flawed, attempt)

    def with_invalid_calls(self, answer: Answer, fault: Fault) -> Answer | None:
        """The answer with each call that cannot be carried out as an invalid one; None if there is
        none. `fault`: what ended it."""
        request = self._request
        if not request.tools:
            return None  # nobody waits for a call
        if fault.effect.text_call:
            call = InvalidToolCall(
                f"call_{answer.id[-12:] or 'x'}_text",
                called_name(answer.text),
                answer.text,
                "the call was written as text; call the tool itself",
            )
            return answer.with_(text="", invalid_calls=(call,))
        if not answer.tool_calls:
            return None
        valid: list[ToolCall] = []
        invalid: list[InvalidToolCall] = []
        for n, made in enumerate(answer.tool_calls):
            problem = self._problem(made, cut=answer.finish_reason in (None, "length"))
            if problem is None:
                valid.append(made)
            else:
                invalid.append(InvalidToolCall(made.id, made.name, made.arguments, problem, n))
        return answer.with_(tool_calls=tuple(valid), invalid_calls=tuple(invalid), error=None)

    def _problem(self, call: ToolCall, *, cut: bool) -> str | None:
        """Why a call cannot be carried out, in words for the model that made it."""
        request = self._request
        fault = judge_call(call, request.offered, cut=cut)
        if fault is not None:
            return fault.message
        if request.tool_choice == "none":
            return "no tool may be called now"
        if isinstance(request.must_call, str) and call.name != request.must_call:
            return f"only {request.must_call!r} may be called now"
        return None

    def keep_rejected(self, checked: Checked, account: Account) -> None:
        """Remember an answer that was whole and not accepted, for the final error."""
        if checked.fault is not None and checked.fault.effect.unaccepted:
            self.rejected = redact_answer(checked.answer, account, with_text=True)


def check_answer(
    request: ChatRequest, answer: Answer, now: float, *, pieced: bool = False
) -> Checked:
    """Check an answer by itself. `pieced`: several models wrote parts of its text."""
    wish, offered = request.structured, request.offered
    if answer.tool_calls:
        answer = _with_offered_names(answer, offered)
    if request.tool_choice == "none" and answer.tool_calls and (wish is None or request.tools):
        if not answer.text:
            message = "called a tool though none was to be called"
            return Checked(answer, Fault(Kind.BROKEN, Cause.UNINVITED_CALL, message))
        answer = _without_calls(answer)
    if answer.error is not None:
        return Checked(answer, judge_rejection(embedded_rejection(answer.error), now))
    if wish is None or request.tools:
        tools = offered if wish is None else offered | {schema_name(wish.name)}
        fault = judge_answer(answer, tools=tools, must_call=request.must_call)
        if fault is not None:
            return Checked(answer, fault)
        if wish is None or any(call.name in offered for call in answer.tool_calls):
            return Checked(answer)
    else:
        # Without tools, a call is one more form of the object: its arguments are judged with it.
        said = answer.text or "".join(call.arguments for call in answer.tool_calls)
        fault = judge_answer(answer.with_(text=said, tool_calls=()))
        if fault is not None:
            return Checked(answer, fault)
    parsed = read_structured(answer, wish, bare=pieced)
    if parsed.problem is not None:
        cut = answer.finish_reason == "length"
        hint = "raise max_tokens: the JSON was cut" if cut else ""
        return Checked(
            answer,
            Fault(Kind.BROKEN, Cause.NOT_THE_SCHEMA, parsed.problem, teaches=not cut, hint=hint),
        )
    answer = _without_calls(answer.with_(text=parsed.text))
    if parsed.hollow:
        message = "gave an empty object"
        return Checked(answer, Fault(Kind.BROKEN, Cause.HOLLOW, message, teaches=False))
    return Checked(answer)


def _without_calls(answer: Answer) -> Answer:
    """The answer without its calls, and without a finish reason that announces some."""
    calls = answer.finish_reason in ("tool_calls", "function_call")
    return answer.with_(tool_calls=(), finish_reason="stop" if calls else answer.finish_reason)


def _with_offered_names(answer: Answer, offered: frozenset[str]) -> Answer:
    """The answer with the names of tools as they were offered.

    Models put a namespace before a name, or tokens of their own after it (openai/harmony#68).
    """
    calls = tuple(
        call if call.name in offered else replace(call, name=_offered_name(call.name, offered))
        for call in answer.tool_calls
    )
    return answer.with_(tool_calls=calls)


def _offered_name(name: str, offered: frozenset[str]) -> str:
    bare = name.partition("<|")[0].strip()
    spellings = (bare, bare.rpartition(".")[2], bare.rpartition(".")[2].partition(":")[0])
    return next((spelling for spelling in spellings if spelling in offered), name)


def tokens_of(answer: Answer) -> int:
    """The tokens that an answer claims to have; an estimate if it claims none, or absurdly many."""
    tokens = (answer.usage or {}).get("completion_tokens")
    if isinstance(tokens, int) and 0 <= tokens <= MAX_TOKENS:
        return tokens
    return len(answer.text) // 4
