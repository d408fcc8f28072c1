"""Whom to ask beside attempts that are late: another model, or the same one once more.

Another model comes first. If nobody else can be asked soon, a request that is silent for too long
is sent once more to its own model (`silence`): of a model that loses one request in ten, the next
one is answered in its usual time. The first to answer wins.

Where the model has answered others meanwhile, this request alone was lost. Else all who wait for
it may be silent for the same reason, so one request asks again for all. A model that rests or has
turned somebody away is asked when it may be asked again. A paid model is not asked again, because
it may charge twice, and neither is one on this machine, which would only have more to do.
"""

from __future__ import annotations

import math

from .candidate import Candidate
from .candidates import Candidates, Turn
from .health_book import HealthBook
from .in_flight import Flights, InFlight
from .plan import Plan
from .silence import is_strange, patience

SOON = 5.0
"""Seconds for which another candidate's turn is waited for instead."""
LOOK_AGAIN = 2.5
"""Seconds after which is looked again what came of the request that asks for all."""


def turn_beside(
    plan: Plan, candidates: Candidates, flights: Flights, now: float, time_left: float | None
) -> Turn:
    """Whose turn it is beside the attempts under way, if there are any. `time_left`: seconds until
    the caller's deadline; None: there is none."""
    late = flights.all_overdue
    turn = candidates.next(
        now,
        fresh_only=not late,
        avoid=flights.model_ids,
        beside=flights.scopes,
        time_left=time_left,
    )
    if turn.candidate is not None or not late or not flights:
        return turn
    until = math.inf if turn.until is None else turn.until
    if until <= now + SOON:
        return turn
    deadline = None if time_left is None else now + time_left
    for flight in flights:
        if candidates.max_tries == 1 or not _may_repeat(flight, flights):
            continue
        strange = is_strange(candidates.book, flight.candidate.model)
        if strange and flights.is_full(strange=True):
            continue
        alone = _alone_is_lost(flight, candidates.book)
        if not alone and _is_asked_for(flight, flights, candidates.book):
            until = min(until, now + LOOK_AGAIN)
            continue
        when = candidates.open_at(flight.candidate, now, time_left)
        others = _others(flight, flights, candidates.book)
        seldom = not alone and (
            (flights.is_full() and not strange) or _fails(flight.candidate, candidates.book, now)
        )
        ends = patience(plan, candidates.book, flight, deadline, others=others, seldom=seldom)
        when = max(when, flight.sent + ends)
        if when <= now:
            return Turn(flight.candidate)
        until = min(until, when)
    return Turn(until=until if until < math.inf else None)


def _others(flight: InFlight, flights: Flights, book: HealthBook) -> int:
    """Requests of other callers that wait for its model."""
    own = sum(other.candidate is flight.candidate for other in flights)
    return book.in_flight.get(flight.candidate.model.identity, own) - own


def _may_repeat(flight: InFlight, flights: Flights) -> bool:
    """Whether a late request may be sent once more. Of those to one model, it is the last sent."""
    candidate = flight.candidate
    last = [other for other in flights if other.candidate is candidate][-1]
    return flight is last and candidate.model.free and not candidate.account.local


def _fails(candidate: Candidate, book: HealthBook, now: float) -> bool:
    """Whether its model or its account answers others with failures, or turned this call away."""
    bench = book.accounts.get(candidate.account.scope)
    record = book.of(candidate.model.identity)
    rests = bench is not None and bench.until > now
    return bool(candidate.turned_away or record.strikes or rests)


def _alone_is_lost(flight: InFlight, book: HealthBook) -> bool:
    """Whether its model has answered others since it was sent."""
    record = book.of(flight.candidate.model.identity)
    return not record.last_fault and record.availability.seen_at >= flight.sent


def _is_asked_for(flight: InFlight, flights: Flights, book: HealthBook) -> bool:
    """Whether another request asks for all who wait for its model."""
    own = sum(other.repeats for other in flights if other.candidate is flight.candidate)
    return book.repeats.get(flight.candidate.model.identity, 0) > own
