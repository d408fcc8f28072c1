"""`InFlight`: an attempt under way. `Flights`: all attempts of one request that are under way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from .candidate import Candidate
from .congestion import FREE, Congestion
from .health_book import HealthBook
from .hedge import Prospect, price_of, take_hedge, wanted
from .need import Need
from .plan import Plan
from .state import RoutingState
from .steps import Attempt
from .timeouts import soft_timeout
from .ways import form_way

MAX_IN_FLIGHT = 3
"""Attempts of one request in flight at most."""
REVIEW_INTERVAL = 2.5
"""Seconds between two reviews of what is expected of a model that has not answered yet."""


@dataclass(slots=True, eq=False, kw_only=True)
class InFlight:
    """An attempt under way, and until when it is alone. Times are unix seconds."""

    attempt: Attempt
    candidate: Candidate
    sent: float
    review_at: float
    """When to look again whether it is overdue; infinite once its first token came."""
    hedge_at: float
    """When to look whether a second attempt is worth its price."""
    token_at: float | None = None
    """When its first token came."""
    overdue: bool = False
    """Whether its soft timeout has passed: another model may be asked, too."""
    thinks: bool = False
    """Whether it has shown reasoning, or would."""
    place: int = 0
    ahead: int = 0
    """The candidate's, when this was sent."""
    repeats: bool = False
    """Whether its model was asked already, and was silent for too long."""
    repeated: bool = False
    """Whether its model was asked once more, because this was silent for too long."""

    def review(self, plan: Plan, book: HealthBook, now: float, deadline: float | None) -> None:
        """Find out whether it is overdue by what is known now.

        For a model that has not answered yet, the answers of other models may have changed that.
        """
        model = self.candidate.model
        ends = self.sent + soft_timeout(plan, book, model, self.sent, deadline)
        self.overdue, self.review_at = now >= ends, min(ends, now + REVIEW_INTERVAL)

    def speaking(self, now: float) -> float:
        """Seconds since its first token; 0: none came."""
        return 0.0 if self.token_at is None else now - self.token_at

    def answered(self, book: HealthBook, tokens: int, need: Need, now: float) -> None:
        """Learn from its answer: how long it took, and which ways of asking the model did."""
        form = self.attempt.form
        book.answered(
            self.candidate.model.identity,
            now,
            first_token=None if self.token_at is None else self.token_at - self.sent,
            seconds=now - self.sent,
            tokens=tokens,
            ways=(*need.ways, *need.inputs, *([] if form is None else [form_way(form)])),
            way=need.way,
        )


_is_overdue = attrgetter("overdue")


class Flights:
    """The attempts of one request under way, in the order they were sent."""

    def __init__(
        self, state: RoutingState, *, hedge: bool = False, background: bool = False
    ) -> None:
        self._state, self._background = state, background
        self._hedge = hedge and not background  # a hedge is for those who wait
        self._flights: list[InFlight] = []

    def __iter__(self) -> Iterator[InFlight]:
        return iter(tuple(self._flights))

    def __len__(self) -> int:
        return len(self._flights)

    def is_full(self, *, strange: bool = False) -> bool:
        """Whether one must be given up for another. `strange`: the other repeats one to a model
        that never answered. All such may be slow, so one more is under way then."""
        return len(self._flights) >= MAX_IN_FLIGHT + strange

    @property
    def first(self) -> InFlight:
        """The attempt that was sent first. There must be one."""
        return self._flights[0]

    @property
    def all_overdue(self) -> bool:
        """Whether each is overdue; true if there is none."""
        return all(map(_is_overdue, self._flights))

    @property
    def hedge_at(self) -> float:
        """When the only attempt may get a hedge; infinite: not at all, or not any more."""
        if not self._hedge or len(self._flights) != 1 or self.first.token_at is not None:
            return math.inf
        return self.first.hedge_at

    def hedge(
        self, plan: Plan, second: Candidate, congestion: Mapping[str, Congestion], now: float
    ) -> bool:
        """Whether `second` is to be asked beside the only attempt, which counts it as a hedge.

        While that does not save its price, `hedge_at` says when to look again. `congestion`: what
        a request costs others, by provider.
        """
        if now < self.hedge_at or not second.model.free:
            return False
        flight, book = self.first, self._state.health
        alone = Prospect.of(plan, book, flight.candidate.model, now)
        other = Prospect.of(plan, book, second.model, now)
        price = price_of(second, congestion.get(second.account.provider, FREE))
        waited, soft = now - flight.sent, flight.attempt.soft_timeout
        flight.hedge_at = flight.sent + alone.hedge_after(
            other, price, soft=soft, waited=waited, wanted=wanted(flight.candidate, plan.policy)
        )
        return flight.hedge_at <= now and take_hedge(self._state)

    @property
    def speak(self) -> bool:
        """Whether one has sent a token: the wait for the first is over."""
        for flight in self._flights:  # noqa: SIM110  # a generator costs more than one attempt
            if flight.token_at is not None:
                return True
        return False

    @property
    def model_ids(self) -> frozenset[str]:
        """The ids of the models that were asked."""
        return frozenset([flight.candidate.model.id for flight in self._flights])

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of the accounts that were asked."""
        return frozenset([flight.candidate.account.scope for flight in self._flights])

    def find(self, number: int) -> InFlight | None:
        """The attempt of this number; None: it is not under way any more."""
        for flight in self._flights:
            if flight.attempt.number == number:
                return flight
        return None

    def repeat(self, candidate: Candidate) -> bool:
        """A request is to be sent: whether it was, and is silent. Then it is sent for all who wait
        for its model."""
        silent = [flight for flight in self._flights if flight.candidate is candidate]
        for flight in silent:
            flight.repeated = True
        if silent:
            candidate.silent += 1
            self._state.health.repeated(candidate.model.identity)
        return bool(silent)

    def launch(
        self,
        candidate: Candidate,
        attempt: Attempt,
        plan: Plan,
        now: float,
        *,
        repeats: bool = False,
    ) -> None:
        """An attempt is on its way: count it wherever attempts are counted."""
        state, model = self._state, candidate.model
        reviewed = not state.health.of(model.identity).answers
        review_in = min(attempt.soft_timeout, REVIEW_INTERVAL if reviewed else math.inf)
        candidate.tries += 1
        candidate.sent_at = now
        state.health.sent(model.identity, now)
        state.health.accounts.looked(candidate.account.scope, model.wire_name, now)
        candidate.place = state.adaptive_limits.sent(candidate.account, model, now)
        candidate.ahead = state.health.crowds.sent(candidate.key, candidate.place, now)
        if self._background:
            state.slow_start.sent(candidate.account.scope)
        state.days.sent(candidate.account.scope, now, background=self._background)
        self._flights.append(
            InFlight(
                attempt=attempt,
                candidate=candidate,
                sent=now,
                review_at=now + review_in,
                hedge_at=now,
                place=candidate.place,
                ahead=candidate.ahead,
                repeats=repeats,
            )
        )

    def review(self, plan: Plan, now: float, deadline: float | None) -> None:
        """Find out which of the silent attempts are overdue."""
        for flight in self._flights:
            if now >= flight.review_at:
                flight.review(plan, self._state.health, now, deadline)

    def next_moment(self, now: float) -> float:
        """When the next of them is to be looked at again, or may get a hedge."""
        moments = [flight.review_at for flight in self._flights if not flight.overdue]
        if self.hedge_at > now:
            moments.append(self.hedge_at)
        return min(moments, default=math.inf)

    def remove(self, flight: InFlight) -> None:
        """An attempt has ended."""
        self._flights.remove(flight)
        self._ended(flight)

    def abandon(self) -> None:
        """The request is over: whatever is under way is cancelled and says nothing of its model."""
        for flight in self._flights:
            self._state.health.called_off(flight.candidate.model.identity)
            self._ended(flight)
        self._flights.clear()

    def spoke(self, flight: InFlight, at: float) -> None:
        """The first token of an attempt came: its model let it in."""
        flight.token_at, flight.overdue, flight.review_at = at, False, math.inf
        self._state.health.crowds.let_in(flight.candidate.key)

    def _ended(self, flight: InFlight) -> None:
        health, candidate = self._state.health, flight.candidate
        candidate.place, candidate.ahead = flight.place, flight.ahead
        candidate.sent_at = flight.sent
        health.ended(candidate.model.identity, repeats=flight.repeats)
        health.crowds.ended(candidate.key, flight.place)
        self._state.adaptive_limits.ended(flight.candidate.account)
        if self._background:
            self._state.slow_start.ended(flight.candidate.account.scope)
