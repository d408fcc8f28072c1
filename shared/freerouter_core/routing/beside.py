"""Whom to ask beside attempts that are late: another model, or the same one once more.

Another model comes first. If nobody else can be asked soon, a request that is silent for too long
is sent once more to its own model: of a model that loses one request in ten, the next one is
answered in its usual time. It may be sent again, each time after twice as long. The first to answer
wins.

It is not sent again if the model seems to be down, has turned it away, or never answered: then its
usual time is not known. Where the model has answered others meanwhile, this request alone was lost.
Else all who wait for it may be silent for the same reason, so one request asks again for all. A
paid model is not asked again, because it may charge twice, and neither is one on this machine,
which would only have more to do.
"""

from __future__ import annotations

import math

from .candidates import Candidates, Turn
from .health_book import HealthBook
from .in_flight import MAX_IN_FLIGHT, Flights, InFlight
from .plan import Plan
from .timeouts import expected_seconds

SOON = 5.0
"""Seconds for which another candidate's turn is waited for instead."""
PATIENCE = 1.5
"""How long a request is silent before it is sent to the same model once more, as a multiple of the
usual time; twice as long each time. A model whose answers take 20 to 40 seconds got 96 requests for
60 answers while only the soft timeout decided, and gets 61."""
GIVEN_UP = 8.0
"""The same for a request that is given up, because as many are under way as may be."""
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
    for flight in flights:
        if not _may_repeat(flight, candidates.book, now):
            continue
        if _is_asked_for(flight, flights, candidates.book):
            until = min(until, now + LOOK_AGAIN)
            continue
        usual = expected_seconds(plan, candidates.book, flight.candidate.model)
        patience = PATIENCE * 2.0 ** (flight.candidate.tries - 1)
        if len(flights) >= MAX_IN_FLIGHT:  # the first of them is given up for it
            patience = max(patience, GIVEN_UP)
        when = candidates.open_at(flight.candidate, now, time_left)
        when = max(when, flight.sent + patience * usual)
        if when <= now:
            return Turn(flight.candidate)
        until = min(until, when)
    return Turn(until=until if until < math.inf else None)


def _may_repeat(flight: InFlight, book: HealthBook, now: float) -> bool:
    """Whether a late request may be answered if it is sent once more."""
    candidate = flight.candidate
    record = book.of(candidate.model.identity)
    bench = book.accounts.get(candidate.account.scope)
    refused = candidate.turned_away or record.strikes or (bench is not None and bench.until > now)
    if flight.repeated or refused or not record.answers:
        return False
    return candidate.model.free and not candidate.account.local


def _is_asked_for(flight: InFlight, flights: Flights, book: HealthBook) -> bool:
    """Whether another request asks for all who wait for its model, and none was answered since."""
    identity = flight.candidate.model.identity
    own = sum(other.repeats for other in flights if other.candidate is flight.candidate)
    answered_since = book.of(identity).availability.seen_at >= flight.sent
    return not answered_since and book.repeats.get(identity, 0) > own
