"""How one request is brought to an answer.

**A generator decides, a driver acts.** `route` yields a step and is sent the event that came of it.
In the end it returns an `Outcome` or raises an error of the tree. It never waits, never reads a
clock (each event says when it happened) and never sends anything; the driver does. So every
decision can be tested without a network, and replayed from a journal.

    | step     | event                        | meaning
    | Reserve  | Granted, Refused             | take a share of every limit on the way
    | Send     | Woke                         | the attempt is in flight; several may be
    | Watch    | Token, Failed, Done, Woke    | wait for news of the attempts in flight
    | Show     | Woke                         | show what this attempt thinks
    | Commit   | Woke                         | show this attempt to the caller from now on
    | Cancel   | Woke                         | stop an attempt that lost
    | Validate | Judged                       | ask the caller's validator and the guards
    | Sleep    | Woke                         | nobody can be asked now; nothing is in flight

**The life of a request.** Ask the candidate whose turn it is (`candidates`). If it fails, the fault
says what changes (`failures`): for this request, and in what is known about the model (`health`).
Then ask the next. Once no candidate is left, or it is proved that none can help, the request ends
with an error that lists every refusal (`final_error`).

**Late attempts go on.** An attempt that outlives its soft timeout (`timeouts`) is not cut. Another
model is asked beside it, and whoever answers first wins. That costs no more requests than cutting
it would, and it saves the answer that was about to come. With nobody else to ask, the same model is
asked once more (`beside`). A hedge is the same earlier (`hedge`).

**The first visible text decides.** Before it, failover is invisible to the caller; reasoning may be
shown and commits nobody. With it, a streamed request commits to the attempt and cancels the others.
After it, a failure is `StreamBroken`, because text once shown is never repeated. If the owner wants
it, another model continues the text instead (`showing`, `wire.splice`). A flawed tool call ends
nothing: with nobody left to ask, or after text, it is part of the answer, as an invalid call.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from random import Random
from typing import TypeVar

from ..errors import FreeRouterError
from ..wire.answer import Answer
from ..wire.fault import Fault
from . import steps as s
from .answer_check import AnswerCheck, Checked, tokens_of
from .attempts import new_attempt, understood
from .beside import turn_beside
from .candidate import Candidate
from .candidates import Candidates, Turn
from .failures import Failures
from .final_error import deadline_exceeded, final_error, stream_broken
from .hedge import HEDGE_RESERVE
from .in_flight import Flights, InFlight
from .journal import Journal
from .plan import Outcome, Plan
from .room import Begun, begin
from .showing import Showing
from .silence import is_strange
from .state import RoutingState
from .timeouts import too_late
from .waits import wait_of

RERANK_AFTER = 1.0
"""Seconds of waiting after which the order is a new one: others have learnt in the meantime."""

T = TypeVar("T")
Steps = Generator[s.Step, s.Event, T]
"""Steps that are yielded to the driver, and what they lead to."""
Route = Steps[Outcome]


def route(plan: Plan, state: RoutingState, journal: Journal, rng: Random, *, now: float) -> Route:
    """The steps that lead to an answer for `plan`. They are written to `journal` as they are taken.

    `now` is when the first step may be taken; the call may have begun earlier (`journal.started`).
    Raises an error of the tree if there is no answer to be had.
    """
    run = _Run(plan, state, journal, rng, (yield from begin(plan, state, journal, rng, now)))
    try:
        return (yield from run.steps())
    except FreeRouterError as error:
        outcome = run.showing.flawed_outcome(run.answer_check.flawed, error, journal)
        if outcome is not None:
            return outcome
        raise run.showing.error(error, journal, run.answer_check.rejected) from None
    finally:
        run.flights.abandon()


class _Run:
    """The state of one request."""

    def __init__(
        self, plan: Plan, state: RoutingState, journal: Journal, rng: Random, begun: Begun
    ) -> None:
        self.plan, self.state, self.journal = plan, state, journal
        situation, self.deadline = begun
        self.now = situation.now
        self.book = state.health
        self.background = situation.background
        self.candidates = Candidates.of(plan.catalogue, plan.accounts, situation)
        journal.skipped = self.candidates.skipped
        self.failures = Failures(plan, state, self.candidates, rng, self.now)
        self.answer_check = AnswerCheck(plan.operation, plan.need)
        hedge = plan.policy.hedge == "auto"
        self.flights = Flights(state, hedge=hedge, background=self.background)
        self.count = 0
        """Attempts that were sent."""
        self.ran_late = False
        """Whether a candidate was left out because too little time is left."""
        self.showing = Showing(plan)

    # -- the loop -------------------------------------------------------------------------------

    def steps(self) -> Route:
        while True:
            self._raise_if_hopeless()
            late, until = self.flights.all_overdue, None
            if late or self.now >= self.flights.hedge_at:  # else nobody else is to be asked now
                left = self.deadline.left(self.now)
                turn = turn_beside(self.plan, self.candidates, self.flights, self.now, left)
                if (candidate := turn.candidate) is not None and self._too_late(candidate):
                    candidate.out = self.ran_late = True
                    continue
                if candidate is not None and self._may_send(candidate):
                    sent = yield from self._send(candidate)
                    if sent or not self.flights or late:
                        continue
                if not self.flights:
                    yield from self._sleep(turn)
                    continue
                until = turn.until if late else None
            outcome = yield from self._watch(until)
            if outcome is not None:
                return outcome

    def _too_late(self, candidate: Candidate) -> bool:
        queued = self.candidates.queued(candidate)
        return queued and too_late(self.plan, self.book, candidate, self.now, self.deadline.at)

    def _do(self, step: s.Step) -> Steps[s.Event]:
        """Take a step: every step and event goes through here into the journal."""
        self.journal.add(self.now, step)
        event = yield step
        self.now = max(self.now, event.at)
        if isinstance(event, (s.Woke, s.Failed)) and event.congestion is not None:
            self.candidates.congestion = event.congestion
        if isinstance(event, s.Listed):
            self.candidates.grow(event.catalogue, more=event.more, now=self.now)
        if isinstance(event, (s.Done, s.Failed)):
            flight = self.flights.find(event.number)
            self.journal.add_end(event, None if flight is None else flight.attempt)
        elif not isinstance(event, s.Woke):
            self.journal.add(event.at, event)
        return event

    def _raise_if_hopeless(self) -> None:
        """End the request if nothing is in flight and nobody can be asked any more."""
        if self.flights:
            return
        if self.ran_late and not any(map(self.candidates.alive, self.candidates.all)):
            raise deadline_exceeded(self.journal, self.plan)
        doubt = bool(self.failures.faults) or self.candidates.empty
        exhausted = self._out_of_retries()
        error = self._final_error(exhausted=exhausted) if doubt else None
        if error is not None and (exhausted or not self.failures.plainer.last_resort()):
            raise error

    def _final_error(self, *, exhausted: bool) -> FreeRouterError | None:
        return final_error(
            self.plan,
            self.candidates,
            self.journal,
            self.failures.faults,
            now=self.now,
            exhausted=exhausted,
            rejected=self.answer_check.rejected,
        )

    def _sleep(self, turn: Turn) -> Steps[None]:
        """Wait for the candidate that returns first, if it does so in time."""
        deadline = self.deadline.of_wait(in_line=turn.in_line)
        wake = math.inf if turn.until is None else turn.until
        if wake == math.inf or (deadline is not None and wake >= deadline):
            raise self._final_error(exhausted=True) or deadline_exceeded(self.journal, self.plan)
        before = self.now
        stays, wait = self.candidates.stays_in(turn.scope), self.candidates.wait(turn, self.now)
        woke = yield from self._do(s.Sleep(wake, turn.scope, deadline, stays, wait))
        self.deadline.waited(self.now - before, in_line=turn.in_line)
        if self.now - before >= RERANK_AFTER:
            self.candidates.age(self.now)
        self.candidates.waited(turn.scope, woke.full if isinstance(woke, s.Woke) else {})

    # -- sending --------------------------------------------------------------------------------

    def _may_send(self, candidate: Candidate | None = None) -> bool:
        """Whether another attempt may start: as the only one, beside late ones, or as a hedge."""
        if self._out_of_retries() or self.showing.committed is not None or self._past_deadline():
            return False
        if self.flights.all_overdue or candidate is None:
            return self.flights.all_overdue
        return self.flights.hedge(self.plan, candidate, self.candidates.congestion, self.now)

    def _out_of_retries(self) -> bool:
        allowed = self.plan.policy.max_retries
        return allowed is not None and self.count > allowed

    def _send(self, candidate: Candidate) -> Steps[bool]:
        """Reserve and send; whether a limit let it."""
        attempt = new_attempt(
            candidate,
            self.plan,
            self.state,
            number=self.count + 1,
            now=self.now,
            deadline=self.deadline.at,
            hedge=not self.flights.all_overdue,
            resumes=self.showing.resumes,
        )
        if not (yield from self._reserve(candidate, attempt)):
            return False
        again = self.flights.repeat(candidate)
        strange = again and is_strange(self.book, candidate.model)
        if self.flights.is_full(strange=strange):
            yield from self._cancel(self.flights.first, "silent too long")
        self.count += 1
        self.flights.launch(candidate, attempt, self.plan, self.now, repeats=again)
        yield from self._do(s.Send(attempt))
        return True

    def _reserve(self, candidate: Candidate, attempt: s.Attempt) -> Steps[bool]:
        """Take a share of every limit; whether all had room."""
        need = self.plan.need.part_for(candidate.model)
        account = candidate.account
        if self.background and (held := self.state.held(account, self.now)) is not None:
            self.candidates.limited(candidate, account.scope, held.ends, held)
            return False
        charges = self.state.charges(candidate, need, self.plan.policy, self.now)
        if not charges:
            return True
        tokens = need.prompt_tokens + need.output_tokens
        keep = HEDGE_RESERVE if attempt.hedge else 0.0
        waits = None
        if not self.background and self.candidates.bound_to(candidate):
            waits = self.deadline.of_wait(in_line=True)
        step = s.Reserve(attempt, charges, tokens, keep, self.deadline.at, waits)
        event = yield from self._do(step)
        if not isinstance(event, s.Refused):
            return True
        if attempt.hedge:  # an ordinary attempt may use what a hedge must leave
            self.state.hedges -= 1
            self.flights.first.hedge_at = math.inf
        else:
            until = self.deadline.wait_of(event)
            wait = wait_of(event, candidate.account.provider)
            self.candidates.limited(candidate, event.scope, until, wait)
        return False

    # -- watching -------------------------------------------------------------------------------

    def _watch(self, until: float | None) -> Steps[Outcome | None]:
        """Wait for news, and handle it. `until`: when the next candidate can be asked."""
        moment = self._next_moment()
        if until is not None and self._may_send():
            moment = min(moment, until)
        event = yield from self._do(s.Watch(moment))
        self.flights.review(self.plan, self.now, self.deadline.at)
        return (yield from self._handle(event))

    def _next_moment(self) -> float:
        """When something is to be decided even without news."""
        if self.showing.committed is not None:
            return math.inf
        moment = self.flights.next_moment(self.now)
        if self.deadline.at is not None and not self.flights.speak:
            moment = min(moment, self.deadline.at)
        return moment

    def _past_deadline(self) -> bool:
        waits = self.showing.committed is None and not self.flights.speak
        return waits and self.deadline.passed(self.now)

    def _handle(self, event: s.Event) -> Steps[Outcome | None]:
        """What follows from an event. News of a cancelled attempt changes nothing."""
        number = event.number if isinstance(event, (s.Token, s.Failed, s.Done)) else 0
        flight = self.flights.find(number)
        if flight is not None and isinstance(event, s.Done):
            return (yield from self._done(flight, event))
        if flight is not None and isinstance(event, s.Token):
            yield from self._token(flight, event)
            return None
        if flight is not None and isinstance(event, s.Failed):
            outcome = yield from self._failed(flight, event.fault, event.shown, event.partial)
            if outcome is not None:
                return outcome
        if self.flights and self._past_deadline():
            yield from self._cancel_all("out of time")
            raise deadline_exceeded(self.journal, self.plan)
        return None

    def _token(self, flight: InFlight, event: s.Token) -> Steps[None]:
        if flight.token_at is None:
            self.flights.spoke(flight, event.at)
        step = self.showing.token(flight, event)
        if step is not None:
            yield from self._do(step)
        if isinstance(step, s.Commit):
            yield from self._cancel_all("another was first", but=flight)

    def _cancel_all(self, why: str, but: InFlight | None = None) -> Steps[None]:
        for flight in self.flights:
            if flight is not but:
                yield from self._cancel(flight, why)

    def _cancel(self, flight: InFlight, why: str) -> Steps[None]:
        """Stop an attempt."""
        self.flights.remove(flight)
        self.showing.cancelled(flight)
        fault = self.failures.cancelled(flight, self.now, self.deadline.at)
        self.journal.attempted(flight.attempt, fault, flight.sent, self.now)
        yield from self._do(s.Cancel(flight.attempt, why))

    # -- failures -------------------------------------------------------------------------------

    def _failed(
        self, flight: InFlight, fault: Fault, shown: s.Shown | None, answer: Answer | None
    ) -> Steps[Outcome | None]:
        """Learn from a failure. It is an outcome after all if the caller saw text of it, and
        `answer` has calls: they reach the caller as invalid ones."""
        self.flights.remove(flight)
        fault = understood(fault, flight.attempt, self.plan, self.state)
        seconds, left = self.now - flight.sent, self.deadline.left(self.now)
        self.failures.record(flight.candidate, flight.attempt, fault, self.now, seconds, left)
        self.journal.attempted(flight.attempt, fault, flight.sent, self.now)
        self.journal.blamed = self.failures.blamed
        self.deadline.put_off(flight.speaking(self.now))
        after = self.showing.failed(flight, fault, shown)
        if after == "broken":
            flawed = (
                None if answer is None else self.plan.operation.with_invalid_calls(answer, fault)
            )
            if flawed is not None:
                return self.showing.outcome(flight.attempt, Checked(flawed), self.journal)
            error = stream_broken(self.journal, flight.attempt, fault)
            error.answer = self.answer_check.rejected if fault.effect.unaccepted else None
            raise error
        if after != "unseen":  # the next has as long for a first token as the first attempt had
            self.answer_check.restart()
            self.deadline.restart(self.now)
        elif answer is not None and self.plan.run_guards is None:
            self.answer_check.keep_flawed(answer, fault, flight.attempt)
        step = self.showing.next_thought(self.flights)
        if step is not None:
            yield from self._do(step)
        return None

    # -- answers --------------------------------------------------------------------------------

    def _done(self, flight: InFlight, event: s.Done) -> Steps[Outcome | None]:
        """Check what claims to be an answer: it ends the request, or counts as a failure."""
        self.failures.told_cost(flight.candidate, event.answer.cost, self.now)
        checked = self.answer_check.check(
            event.answer,
            flight.candidate.model.id,
            self.now,
            shown=self.showing.committed is flight,
            resumes=self.showing.resumes,
        )
        if checked.fault is None:
            checked = yield from self._validate(flight, checked)
        if checked.fault is not None:
            self.answer_check.keep_rejected(checked, flight.attempt.account)
            fault = replace(checked.fault, status=checked.fault.status or 200)
            return (yield from self._failed(flight, fault, event.shown, checked.answer))
        yield from self._answered(flight, event, checked.answer)
        return self.showing.outcome(flight.attempt, checked, self.journal)

    def _validate(self, flight: InFlight, checked: Checked) -> Steps[Checked]:
        """Ask the validator and the guards, if there are any."""
        if self.plan.operation.validate is None and self.plan.run_guards is None:
            return checked
        deadline = None if self.showing.committed is flight else self.deadline.at
        event = yield from self._do(s.Validate(flight.attempt, checked.answer, deadline))
        if not isinstance(event, s.Judged):
            return checked
        if event.ruling is not None:
            self.book.judged(flight.candidate.model.identity, event.ruling)
        return self.answer_check.apply(event, checked.answer)

    def _answered(self, flight: InFlight, event: s.Done, answer: Answer) -> Steps[None]:
        """Learn from the answer, and cancel the other attempts."""
        self.flights.remove(flight)
        yield from self._cancel_all("another answered")
        if self.background:
            self.state.answered_background(flight.candidate.account, self.now)
        flight.answered(self.book, tokens_of(answer), self.plan.need, self.now)
        self.failures.answered(flight, self.now, event.spent_until)
        self.journal.attempted(flight.attempt, None, flight.sent, self.now)
