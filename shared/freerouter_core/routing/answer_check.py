"""`AnswerCheck`: whether what claims to be an answer is the one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..catalogue.providers import Account
from ..wire.answer import Answer
from ..wire.fault import Cause, Fault, Kind
from ..wire.judge import judge_answer, judge_rejection
from ..wire.redact import redact_answer
from ..wire.rejection import embedded_rejection
from ..wire.request import ChatRequest
from ..wire.schema import schema_name
from ..wire.splice import ends_cleanly
from ..wire.structured import read_structured
from .need import Need
from .ruling import Flag, Ruling
from .steps import Judged

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


class AnswerCheck:
    """Checks the answers of one request.

    An empty answer is a failure, with one exception: after a tool's result, or at the end of a
    broken stream, there may be nothing to say. Two models that agree on that are believed.
    """

    def __init__(self, request: ChatRequest, need: Need) -> None:
        self._request, self._need = request, need
        self._silent_model: str | None = None
        """The id of the model that answered nothing."""
        self.rejected: Answer | None = None
        """The last answer that was whole and not accepted, without keys."""

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
        if shown and answer.finish_reason == "length" and effect.out_of_tokens:
            # It was shown already, and the caller's own max_tokens ended it.
            return Checked(checked.answer.with_(error=None))
        if effect.empty and (self._need.after_tool or resumes):
            agreed = self._silent_model not in (None, model_id)
            self._silent_model = model_id
            if agreed:
                return self._agreed(checked.answer, resumes, now)
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

    def keep_rejected(self, checked: Checked, account: Account) -> None:
        """Remember an answer that was whole and not accepted, for the final error."""
        if checked.fault is not None and checked.fault.effect.unaccepted:
            self.rejected = redact_answer(checked.answer, account, with_text=True)


def check_answer(
    request: ChatRequest, answer: Answer, now: float, *, pieced: bool = False
) -> Checked:
    """Check an answer by itself. `pieced`: several models wrote parts of its text."""
    if request.tool_choice == "none" and answer.tool_calls:
        if not answer.text:
            message = "called a tool though none was to be called"
            return Checked(answer, Fault(Kind.BROKEN, Cause.UNINVITED_CALL, message))
        answer = answer.with_(tool_calls=())
    if answer.error is not None:
        return Checked(answer, judge_rejection(embedded_rejection(answer.error), now))
    wish, tools = request.structured, request.offered
    if wish is not None:
        tools |= {schema_name(wish.name)}
    fault = judge_answer(answer, tools=tools, must_call=request.must_call)
    called = {call.name for call in answer.tool_calls} & request.offered
    if fault is not None or wish is None or called:
        return Checked(answer, fault)
    parsed = read_structured(answer, wish, bare=pieced)
    if parsed.problem is not None:
        cut = answer.finish_reason == "length"
        hint = "raise max_tokens: the JSON was cut" if cut else ""
        return Checked(
            answer,
            Fault(Kind.BROKEN, Cause.NOT_THE_SCHEMA, parsed.problem, teaches=not cut, hint=hint),
        )
    return Checked(answer.with_(text=parsed.text, tool_calls=()))


def tokens_of(answer: Answer) -> int:
    """The tokens that an answer claims to have; an estimate if it claims none, or absurdly many."""
    tokens = (answer.usage or {}).get("completion_tokens")
    if isinstance(tokens, int) and 0 <= tokens <= MAX_TOKENS:
        return tokens
    return len(answer.text) // 4
