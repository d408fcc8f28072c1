"""How one request is brought to an answer.

Theory. `route` is a generator: it yields a step, is sent the event that came of it, and returns an `Outcome` or raises an
error of the tree. It never waits, never looks at a clock (each event says when it happened) and never sends anything; its
driver does. So every decision can be tested without a network, replayed from a journal, and run a thousand times a second.

    Reserve  → Granted | Refused        before anything is sent, on every limit of the path
    Send     → Woke                     the attempt is now in flight; several may be
    Watch    → Token | Failed | Done | Woke
    Commit   → Woke                     the first visible token decides: from here on the caller sees this attempt
    Cancel   → Woke                     what lost, or is no longer wanted
    Validate → Judged                   the caller's own opinion of an answer
    Sleep    → Woke                     nobody can be asked now, and nothing is in flight

The life of a request: ask whoever's turn it is (`field`). A failure is understood (`judge`), taken to heart (`health`), and
the next is asked. An attempt that outlives its patience is not cut: another is asked beside it, and whoever answers first
wins; that costs no more requests than cutting it would, and saves the answer that was about to come. Hedging is the same a
little earlier, at the model's own 95th percentile, and only within a budget. Before the first visible token all of this is
invisible; after it a failure is `StreamBroken`, because text once shown is never repeated, or where the owner wants it
another model continues what was shown (`seam`, `wire.splice`).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from random import Random

from ..errors import FreeRouterError, StreamBroken
from ..wire.answer import Answer
from ..wire.fault import Cause, Fault, Kind
from ..wire.redact import redact_answer, redact_fault
from ..wire.splice import ends_cleanly
from . import steps as s
from .candidates import Candidate, Candidates
from .failures import Failures, RoutingState, charged
from .final_error import checked_answer, deadline_exceeded, final_error, ruled, stream_broken
from .journal import Journal
from .plan import Outcome, Plan
from .resume import Seam, resumable
from .timeouts import LOOK, InFlight, hedge_after, soft_timeout, stall_timeout, too_late

SIDE_BY_SIDE = 3
"""Attempts in flight at most."""
MOST = 200_000
"""Tokens that an answer may be said to have had."""
HEDGE_SHARE, HEDGE_KEEP = 0.05, 0.3
"""Hedges per request at most; the part of each limit they leave alone."""

Route = Generator[s.Step, s.Event, Outcome]


def route(plan: Plan, state: RoutingState, journal: Journal, rng: Random) -> Route:
    """Steps that lead to an answer for `plan`, written to `journal` as they are taken; its `started` is the time now.

    Raises an error of the tree when there is no answer to be had.
    """
    run = _Run(plan, state, journal, rng)
    try:
        return (yield from run.steps())
    except FreeRouterError as error:
        if run.seams and not isinstance(error, StreamBroken):
            raise stream_broken(
                journal, run.seams[-1].attempt, run.seams[-1].fault, error
            ) from None
        raise
    finally:
        for flight in run.in_flight:
            state.health.left(flight.candidate.model.identity)
            state.health.landed(flight.candidate.model.identity)
            state.adaptive_limits.landed(flight.candidate.account)


class _Run:
    def __init__(self, plan: Plan, state: RoutingState, journal: Journal, rng: Random) -> None:
        self.plan, self.state, self.journal, self.rng = plan, state, journal, rng
        self.now = now = journal.started
        self.book = state.health
        state.requests += 1
        self.candidates = Candidates.of(
            plan.catalogue,
            plan.accounts,
            plan.need,
            plan.policy,
            self.book,
            now,
            rng,
            state.requests,
            plan.congestion,
        )
        journal.skipped = self.candidates.skipped
        self.in_flight: list[InFlight] = []
        self.deadline = plan.deadline
        self.resumes: str | None = None
        """What a broken stream has shown, for the next attempt to continue."""
        self.seams: list[Seam] = []
        self.committed: InFlight | None = None
        self.count = 0
        self.late = False
        """Whether somebody was left out because no time is left."""
        self.failures = Failures(plan, state, self.candidates, rng)
        self.rejected: Answer | None = None
        self.silent: str | None = None
        """Who answered nothing after a tool's result or a broken stream: legitimate if a second model agrees."""

    # -- the loop ---------------------------------------------------------------------------------------------------

    def steps(self) -> Route:
        while True:
            self._hopeless()
            late = all(f.overdue for f in self.in_flight)
            turn = self.candidates.next(
                self.book,
                self.now,
                fresh_only=not late,
                avoid=frozenset(f.candidate.model.id for f in self.in_flight),
            )
            chosen = turn.candidate
            if chosen is not None and too_late(
                self.plan, self.book, chosen, self.now, self.deadline
            ):
                chosen.out = self.late = True
                continue
            if chosen is not None and self._may_send():
                sent = yield from self._send(chosen)
                if sent or not self.in_flight or late:
                    continue
            if not self.in_flight:
                yield from self._sleep(turn.until, turn.scope)
                continue
            moment = self._next_moment()
            if late and turn.until is not None and self._may_send():
                moment = min(moment, turn.until)
            outcome = self._take((yield from self._do(s.Watch(moment))))
            if outcome is not None:
                finished = yield from outcome
                if finished is not None:
                    return finished
            elif self.in_flight and self._past_deadline():
                yield from self._cancel_all("out of time")
                raise deadline_exceeded(self.journal, self.plan)

    def _do(self, step: s.Step) -> Generator[s.Step, s.Event, s.Event]:
        self.journal.add(self.now, step)
        event = yield step
        self.now = max(self.now, event.at)
        if not isinstance(event, s.Woke):
            self.journal.add(event.at, self._told(event))
        return event

    def _told(self, event: s.Event) -> s.Event:
        """The event as it is written down: without keys, wherever a model or a server quoted one."""
        if not isinstance(event, (s.Done, s.Failed)):
            return event
        flight = next((f for f in self.in_flight if f.attempt.number == event.number), None)
        if flight is None:
            return event
        account = flight.attempt.account
        if isinstance(event, s.Failed):
            return replace(event, fault=redact_fault(event.fault, account))
        return replace(event, answer=redact_answer(event.answer, account, with_text=True))

    def _hopeless(self) -> None:
        if (
            self.late
            and not self.in_flight
            and not any(map(self.candidates.alive, self.candidates.all))
        ):
            raise deadline_exceeded(self.journal, self.plan)
        if self.in_flight or not (self.failures.faults or self.candidates.empty):
            return
        error = self._final_error(exhausted=self._spent())
        if error is not None:
            raise error

    def _final_error(self, *, exhausted: bool) -> FreeRouterError | None:
        faults, journal = self.failures.faults, self.journal
        return final_error(
            self.plan,
            self.candidates,
            self.book,
            journal,
            faults,
            self.now,
            exhausted=exhausted,
            rejected=self.rejected,
        )

    def _spent(self) -> bool:
        allowed = self.plan.policy.max_retries
        return allowed is not None and self.count > allowed

    def _sleep(self, until: float | None, scope: str | None) -> Generator[s.Step, s.Event, None]:
        """Wait for whoever returns first, if that is in time; `final_error` has made sure that somebody will."""
        deadline = self.deadline
        wake = until if until is not None else math.inf
        if (deadline is not None and wake >= deadline) or wake == math.inf:
            raise self._final_error(exhausted=True) or deadline_exceeded(self.journal, self.plan)
        yield from self._do(s.Sleep(wake, scope, self.deadline))
        if scope is not None:
            self.candidates.blocked.pop(scope, None)

    # -- sending ----------------------------------------------------------------------------------------------------

    def _may_send(self) -> bool:
        """Whether another attempt may start: none is in flight, or those that are have outlived their patience."""
        if self._spent() or self.committed is not None or self._past_deadline():
            return False
        if not self.in_flight:
            return True
        return all(f.overdue for f in self.in_flight) or self._may_hedge()

    def _may_hedge(self) -> bool:
        if self.plan.policy.hedge != "auto" or len(self.in_flight) != 1:
            return False
        flight = self.in_flight[0]
        within = self.state.hedges + 1 <= max(1.0, HEDGE_SHARE * self.state.requests)
        return within and flight.token_at is None and self.now >= flight.hedge_at

    def _send(self, candidate: Candidate) -> Generator[s.Step, s.Event, bool]:
        hedge = bool(self.in_flight) and not all(f.overdue for f in self.in_flight)
        health = self.book.of(candidate.model.identity)
        attempt = s.Attempt(
            number=self.count + 1,
            model=candidate.model,
            account=candidate.account,
            soft_timeout=soft_timeout(
                self.plan, self.book, candidate.model, self.now, self.deadline
            ),
            stall_timeout=stall_timeout(self.book, candidate.model),
            price_cap=candidate.price_cap
            and self.state.price_caps.get(candidate.account.scope, True),
            hedge=hedge,
            resumes=self.resumes,
            lacks=health.lacks_at(self.now),
        )
        charges = charged(self.plan, self.state, candidate, self.now)
        if charges:
            tokens = self.plan.need.prompt_tokens + self.plan.need.output_tokens
            event = yield from self._do(
                s.Reserve(attempt, charges, tokens, HEDGE_KEEP if hedge else 0.0)
            )
            if isinstance(event, s.Refused):
                if hedge:  # it keeps a part back that an ordinary attempt may use
                    self.in_flight[0].hedge_at = math.inf
                elif event.scope in candidate.scopes:
                    self.candidates.blocked[event.scope] = event.until
                else:
                    candidate.not_before = event.until
                return False
        if len(self.in_flight) >= SIDE_BY_SIDE:
            yield from self._cancel(self.in_flight[0], "silent too long")
        self.count += 1
        self.state.hedges += hedge
        candidate.tries += 1
        self.book.sent(candidate.model.identity, self.now)
        candidate.place = self.state.adaptive_limits.sent(
            candidate.account, candidate.model, self.now
        )
        hedge_at = self.now + hedge_after(self.plan, self.book, candidate.model)
        look = self.now + min(attempt.soft_timeout, LOOK if not health.answers else math.inf)
        self.in_flight.append(InFlight(attempt, candidate, self.now, look, hedge_at))
        yield from self._do(s.Send(attempt))
        return True

    def _next_moment(self) -> float:
        times = [f.soft_deadline for f in self.in_flight if not f.overdue]
        if (
            self.plan.policy.hedge == "auto"
            and len(self.in_flight) == 1
            and self.in_flight[0].hedge_at > self.now
        ):
            times.append(self.in_flight[0].hedge_at)
        if self.deadline is not None and self.committed is None:
            times.append(self.deadline)
        if self.committed is not None:
            return math.inf
        return min(times, default=math.inf)

    def _past_deadline(self) -> bool:
        return self.deadline is not None and self.committed is None and self.now >= self.deadline

    def _cancel_all(
        self, why: str, but: InFlight | None = None
    ) -> Generator[s.Step, s.Event, None]:
        for flight in [f for f in self.in_flight if f is not but]:
            yield from self._cancel(flight, why)

    def _cancel(self, flight: InFlight, why: str) -> Generator[s.Step, s.Event, None]:
        self._land(flight)
        if flight.overdue:
            late = Fault(Kind.SLOW, Cause.NO_TOKEN if flight.token_at is None else Cause.SLOW)
            key, lost, policy = (
                flight.candidate.model.identity,
                self.now - flight.sent,
                self.plan.policy,
            )
            most, exclude = policy.max_failures, policy.exclude_failed
            self.book.failed(
                key, late, self.now, self.rng, max_failures=most, exclude=exclude, seconds=lost
            )
            self.journal.attempted(flight.attempt, late, flight.sent, self.now)
        else:
            self.book.left(flight.candidate.model.identity)
            self.journal.attempted(flight.attempt, "cancelled", flight.sent, self.now)
        yield from self._do(s.Cancel(flight.attempt, why))

    def _land(self, flight: InFlight) -> None:
        self.in_flight.remove(flight)
        self.book.landed(flight.candidate.model.identity)
        self.state.adaptive_limits.landed(flight.candidate.account)

    # -- events -----------------------------------------------------------------------------------------------------

    def _take(self, event: s.Event) -> Generator[s.Step, s.Event, Outcome | None] | None:
        """What follows from an event: further steps, or None where nothing does."""
        for flight in self.in_flight:
            if self.now >= flight.soft_deadline and flight.token_at is None:
                flight.look(self.plan, self.book, self.now, self.deadline)
        if not isinstance(event, (s.Token, s.Failed, s.Done)):
            return None
        found = next((f for f in self.in_flight if f.attempt.number == event.number), None)
        if found is None:
            return None  # news of one that was cancelled meanwhile
        if isinstance(event, s.Token):
            return self._token(found, event)
        if isinstance(event, s.Failed):
            self._failed(found, event.fault, event.shown)
            return None
        return self._done(found, event)

    def _token(self, flight: InFlight, event: s.Token) -> Generator[s.Step, s.Event, None]:
        if flight.token_at is None:
            flight.token_at = event.at
            flight.overdue, flight.soft_deadline = False, math.inf
        if (
            event.visible
            and self.committed is None
            and self.plan.stream
            and self.plan.run_guards is None
        ):
            self.committed = flight
            yield from self._do(s.Commit(flight.attempt))
            yield from self._cancel_all("another was first", but=flight)

    def _failed(self, flight: InFlight, fault: Fault, shown: s.Shown | None) -> None:
        self._land(flight)
        fault = redact_fault(fault, flight.attempt.account)
        self.failures.record(
            flight.candidate, flight.attempt, fault, self.now, self.now - flight.sent
        )
        self.journal.attempted(flight.attempt, fault, flight.sent, self.now)
        if self.committed is flight:
            if shown is None or not resumable(self.plan.policy, fault, shown):
                error = stream_broken(self.journal, flight.attempt, fault)
                error.answer = self.rejected if fault.effect.unaccepted else None
                raise error
            self._resume(flight, fault, shown)

    def _resume(self, flight: InFlight, fault: Fault, shown: s.Shown) -> None:
        """From here on others are asked to continue, with as long for their first token as the first had."""
        self.committed, self.resumes, self.silent = None, shown.text, None
        self.seams.append(Seam(shown.length, flight.attempt, fault))
        if self.plan.deadline is not None:
            self.deadline = self.now + self.plan.deadline - self.journal.started

    def _judged(self, answer: Answer) -> tuple[Fault | None, Answer]:
        return checked_answer(self.plan.request, answer, self.now, pieced=self.resumes is not None)

    def _done(self, flight: InFlight, event: s.Done) -> Generator[s.Step, s.Event, Outcome | None]:
        fault, answer = self._judged(event.answer)
        cut = event.answer.finish_reason == "length" and self.committed is flight
        if fault is not None and cut and fault.effect.out_of_tokens:
            fault, answer = (
                None,
                answer.with_(error=None),
            )  # it was shown, and the caller's own max_tokens ended it
        if fault is not None and fault.effect.empty and (self.plan.need.after_tool or self.resumes):
            agreed = self.silent is not None and self.silent != flight.candidate.model.id
            if agreed and self.resumes:  # nobody had anything to add to what was shown
                fault, answer = self._judged(answer.with_(text=self.resumes))
                if fault is None and not ends_cleanly(self.resumes):
                    fault = Fault(
                        Kind.BROKEN,
                        Cause.CUT,
                        "nobody continued what was cut amid a sentence",
                        teaches=False,
                    )
            elif agreed:
                fault = None
            self.silent = flight.candidate.model.id
        flags, aside = self.plan.flags, ""
        if fault is None and (
            self.plan.request.validate is not None or self.plan.run_guards is not None
        ):
            bound = None if self.committed is flight else self.deadline
            told = yield from self._do(s.Validate(flight.attempt, answer, bound))
            if isinstance(told, s.Judged):
                fault, answer, aside = ruled(told, answer, self.plan.request)
                if told.ruling is not None:
                    flags += told.ruling.flags
                    self.book.ruled(flight.candidate.model.identity, told.ruling)
        if fault is not None and fault.effect.unaccepted:
            self.rejected = redact_answer(answer, flight.attempt.account, with_text=True)
        if fault is not None:
            self._failed(flight, fault if fault.status else replace(fault, status=200), event.shown)
            return None
        self._land(flight)
        yield from self._cancel_all("another answered")
        seconds = self.now - flight.sent
        tokens = (answer.usage or {}).get("completion_tokens")
        self.book.answered(
            flight.candidate.model.identity,
            self.now,
            first_token=flight.token_at - flight.sent if flight.token_at is not None else None,
            seconds=seconds,
            tokens=tokens
            if isinstance(tokens, int) and 0 <= tokens <= MOST
            else len(answer.text) // 4,
        )
        self.failures.answered(flight.candidate, flight.attempt, answer.cost, self.now, event.rests)
        self.journal.attempted(flight.attempt, None, flight.sent, self.now)
        return Outcome(answer, flight.attempt, self.journal, tuple(self.seams), flags, aside)
