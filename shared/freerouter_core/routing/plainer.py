"""`Plainer`: a model that refused a form of asking is asked again in a plainer one.

**At once**, if the refusal says what the model does not take, and the request can do without.

**As a last resort**, if the refusal is not understood and the request asked for a form that not
every server takes: an object by `response_format`, or a forced call. The form may be what was
refused. So once nobody else is left, one of those who refused is asked in words, and the answer is
checked as any other. If it answers, it was the form, and that is learnt.
"""

from __future__ import annotations

from dataclasses import replace

from ..wire.fault import Fault
from ..wire.structured import FORMATS
from ..wire.terms import Terms
from .candidate import Candidate
from .candidates import Candidates
from .fit import ready
from .plan import Plan
from .state import RoutingState
from .steps import Attempt
from .ways import form_lacks, form_way

MAX_PLAINER = 3
"""Times in a call that one model is asked again in a plainer form, because it said what it does not
take."""
MAX_FORMS = 2
"""Forms of structured output that a model is tried at before it comes last for a while."""
_REFUSED = frozenset({400, 422})
"""Statuses of a server that read the request and does not take it."""
_FORCED = frozenset({"tool_choice"})


class Plainer:
    """The plainer forms of one request."""

    def __init__(self, plan: Plan, state: RoutingState, candidates: Candidates) -> None:
        self._plan, self._state, self._candidates = plan, state, candidates
        self._refused: list[tuple[Candidate, Attempt]] = []
        """Who refused a form, perhaps."""
        self._is_spent = False
        """Whether the last resort was taken."""

    def serves(self, candidate: Candidate, attempt: Attempt, now: float) -> bool:
        """Whether it can serve the need without what it refused, and would be asked differently."""
        plan = self._plan
        record = self._state.health.of(candidate.model.identity)
        if (
            candidate.plainer >= MAX_PLAINER
            or ready(candidate.model, plan.need, plan.policy, record, now) is not None
        ):
            return False
        plainer = replace(attempt, lacks=record.lacks_at(now))
        return self._body(attempt) != self._body(plainer)

    def ask_again(self, candidate: Candidate, fault: Fault, now: float) -> None:
        """Ask it at once, in the form it takes. Those that can be made to call come before one that
        can only be asked to."""
        candidate.tries -= 1
        candidate.plainer += 1
        if self._plan.need.tool_choice and "tool_choice" in fault.lacks:
            self._candidates.rerank(now)

    def _body(self, attempt: Attempt) -> object:
        terms = Terms(stream=True, price_cap=attempt.price_cap, prefill=attempt.resumes)
        body, _ = self._plan.operation.body(attempt.known, attempt.account, terms)
        return body

    def is_last_form(self, attempt: Attempt, now: float) -> bool:
        """Whether no other form is worth a try: it failed at two, or takes no other."""
        ways = self._state.health.of(attempt.model.identity).ways
        failed = form_lacks(ways, now) | {form_way(attempt.form or "prompt")}
        lacks = attempt.lacks | failed
        if len(failed) >= MAX_FORMS:
            return True
        known = replace(attempt, lacks=lacks).known
        form = self._plan.operation.form(known, attempt.account, prefill=attempt.resumes)
        return form_way(form or "prompt") in lacks

    # -- the last resort --------------------------------------------------------------------------

    def refused(self, candidate: Candidate, attempt: Attempt, fault: Fault) -> None:
        """Take in that a request was refused. Its form is in doubt if nothing says what it was."""
        if fault.effect.unrecognised and fault.status in _REFUSED:
            plainer = replace(attempt, lacks=attempt.lacks | self._forgoes(attempt))
            if self._body(attempt) != self._body(plainer):
                self._refused.append((candidate, attempt))

    def last_resort(self) -> bool:
        """Whether there is one who may be asked in a plainer form: then it comes next. Once."""
        if self._is_spent:
            return False
        self._is_spent = True
        everybody = self._candidates.all
        for candidate, attempt in self._refused:
            candidate.out, candidate.tries, candidate.turned_away = False, 0, 0
            if candidate in everybody and self._candidates.alive(candidate):
                candidate.forgoes = self._forgoes(attempt)
                self._candidates.put_first(candidate)
                return True
            candidate.out = True
        return False

    def answered(self, candidate: Candidate, now: float) -> None:
        """Take in an answer. If it came without a form, it was the form that was refused."""
        book, identity = self._state.health, candidate.model.identity
        for refused, attempt in self._refused if candidate.forgoes else ():
            if refused is candidate and attempt.form is not None:
                book.failed_form(identity, attempt.form, now, last=False)
            elif refused is candidate:
                book.described(identity, first_token=None, speed=None, tool_choice=False, now=now)

    def _forgoes(self, attempt: Attempt) -> frozenset[str]:
        """What of the form a plainer request does without."""
        if attempt.form not in (None, "prompt"):
            return FORMATS | _FORCED
        return _FORCED if self._plan.operation.must_call else frozenset()
