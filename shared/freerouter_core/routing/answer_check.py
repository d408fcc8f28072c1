"""`AnswerCheck`: whether what claims to be an answer is the one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..catalogue.providers import Account
from ..wire.answer import Answer
from ..wire.error_text import judge_text
from ..wire.fault import Cause, Fault, Kind
from ..wire.operation import Operation
from ..wire.redact import redact_answer
from ..wire.splice import ends_cleanly
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

    def __init__(self, operation: Operation, need: Need) -> None:
        self._operation, self._need = operation, need
        self._silent_model: str | None = None
        """The id of the model that answered nothing."""
        self._doubted: tuple[str, str] | None = None
        """The last text that reads like an error, and the id of its model."""
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
        checked = self._judge(answer, now, pieced=resumes is not None)
        if checked.fault is None:
            is_text = not (shown or resumes or self._need.structured)
            return self._as_text(checked, model_id, now) if is_text else checked
        effect = checked.fault.effect
        if shown and answer.finish_reason == "length" and effect.out_of_tokens and answer.text:
            # Its text was shown already, and the caller's own max_tokens ended it. Whatever else
            # was wanted, a call or an object, is judged as it stands.
            return self._judge(answer.with_(error=None), now)
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

    def _as_text(self, checked: Checked, model_id: str, now: float) -> Checked:
        """The answer, unless its text is an error that a gateway hands on. Two models that answer
        so may have been asked for one: "Error: division by zero" is an answer, too."""
        text, doubted = checked.answer.text, self._doubted
        again = doubted is not None and (text == doubted[0] or model_id != doubted[1])
        fault = judge_text(checked.answer, now, again=again)
        if fault is None:
            return checked
        self._doubted = text, model_id
        return replace(checked, fault=fault)

    def _judge(self, answer: Answer, now: float, *, pieced: bool = False) -> Checked:
        return Checked(*self._operation.judge(answer, now, pieced=pieced))

    def _agreed(self, answer: Answer, resumes: str | None, now: float) -> Checked:
        """Two models had nothing to say, or nothing to add to the text that was shown."""
        if not resumes:
            return Checked(answer)
        whole = self._judge(answer.with_(text=resumes), now, pieced=True)
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
        if ruling.prepend and not self._need.structured and answer.text:
            text = f"{ruling.prepend}\n\n{answer.text}"
            return Checked(answer.with_(text=text), None, ruling.flags)
        # A JSON object with a text before it would be none.
        return Checked(answer, None, ruling.flags, ruling.prepend)

    def keep_flawed(self, answer: Answer, fault: Fault, attempt: Attempt) -> None:
        """Remember an answer with a flawed call, for the caller if nobody has a better one."""
        if fault.effect.flawed_call:
            flawed = self._operation.with_invalid_calls(answer, fault)
            self.flawed = self.flawed if flawed is None else Flawed(flawed, attempt)

    def keep_rejected(self, checked: Checked, account: Account) -> None:
        """Remember an answer that was whole and not accepted, for the final error."""
        if checked.fault is not None and checked.fault.effect.unaccepted:
            self.rejected = redact_answer(checked.answer, account, with_text=True)


def tokens_of(answer: Answer) -> int:
    """The tokens that an answer claims to have; an estimate if it claims none, or absurdly many."""
    tokens = (answer.usage or {}).get("completion_tokens")
    if isinstance(tokens, int) and 0 <= tokens <= MAX_TOKENS:
        return tokens
    return len(answer.text) // 4
