"""Whom to ask beside attempts that are late: another model, or the same one once more.

Another model comes first. If nobody else can be asked soon, a request that is silent for too long
is sent once more to its own model (`silence`): of a model that loses one request in ten, the next
one is answered in its usual time. The first to answer wins.

It is not sent again if the model seems to be down or has turned it away. Where the model has
answered others meanwhile, this request alone was lost. Else all who wait for it may be silent for
the same reason, so one request asks again for all. A paid model is not asked again, because it may
charge twice, and neither is one on this machine, which would only have more to do.
"""

from __future__ import annotations

import math

from ..wire.fault import Cause
from .candidates import Candidates, Turn
from .health_book import HealthBook
from .in_flight import MAX_IN_FLIGHT, Flights, InFlight
from .plan import Plan
from .silence import patience

SOON = 5.0
"""Seconds for which another candidate's turn is waited for instead."""
SILENT = frozenset({Cause.NO_TOKEN, Cause.SLOW, Cause.READ_TIMEOUT})
"""Failures that were silence, too."""
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
    full = len(flights) >= MAX_IN_FLIGHT  # the first of them is given up for another
    deadline = None if time_left is None else now + time_left
    for flight in flights:
        if candidates.max_tries == 1 or not _may_repeat(flight, candidates.book, now):
            continue
        alone = _alone_is_lost(flight, candidates.book)
        if not alone and _is_asked_for(flight, flights, candidates.book):
            until = min(until, now + LOOK_AGAIN)
            continue
        when = candidates.open_at(flight.candidate, now, time_left)
        others = _others(flight, flights, candidates.book)
        given_up = full and not alone
        ends = patience(plan, candidates.book, flight, deadline, others=others, given_up=given_up)
        when = max(when, flight.sent + ends)
        if when <= now:
            return Turn(flight.candidate)
        until = min(until, when)
    return Turn(until=until if until < math.inf else None)


def _others(flight: InFlight, flights: Flights, book: HealthBook) -> int:
    """Requests of other callers that wait for its model."""
    own = sum(other.candidate is flight.candidate for other in flights)
    return book.in_flight.get(flight.candidate.model.identity, own) - own


def _may_repeat(flight: InFlight, book: HealthBook, now: float) -> bool:
    """Whether a late request may be answered if it is sent once more."""
    candidate = flight.candidate
    record = book.of(candidate.model.identity)
    bench = book.accounts.get(candidate.account.scope)
    failed = record.strikes and record.last_fault not in SILENT  # or it would be given up for ever
    refused = candidate.turned_away or failed or (bench is not None and bench.until > now)
    if flight.repeated or refused:
        return False
    return candidate.model.free and not candidate.account.local


def _alone_is_lost(flight: InFlight, book: HealthBook) -> bool:
    """Whether its model has answered others since it was sent."""
    record = book.of(flight.candidate.model.identity)
    return not record.strikes and record.availability.seen_at >= flight.sent


def _is_asked_for(flight: InFlight, flights: Flights, book: HealthBook) -> bool:
    """Whether another request asks for all who wait for its model."""
    own = sum(other.repeats for other in flights if other.candidate is flight.candidate)
    return book.repeats.get(flight.candidate.model.identity, 0) > own
