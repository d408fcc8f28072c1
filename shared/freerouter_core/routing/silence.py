"""What silence means: when a silent request's model is asked once more, and what is learnt.

Silence is no failure. The request may be slow, or lost. So a model that is silent is asked again
and again while there is time, more and more seldom, and no such try counts against it.

Where the usual time is known, it is the measure. Of a model that never answered it is not: its
request has a part of the caller's time alone. All models may be slow, so no request is given up for
one to such a model: one more is under way then. Where several callers wait for one model, one of
them asks for all (`beside`), and the more they are, the sooner.
"""

from __future__ import annotations

import math

from ..catalogue.model import Model
from .health_book import HealthBook
from .hedge import Prospect
from .in_flight import InFlight
from .plan import Plan
from .timeouts import MAX_SOFT, SHARE_OF_TIME_LEFT, expected_seconds

PATIENCE = 1.5
"""How long a request is silent before it is sent to the same model once more, as a multiple of the
usual time; twice as long each time. A model whose answers take 20 to 40 seconds got 96 requests for
60 answers while only the soft timeout decided, and gets 61."""
SELDOM = 8.0
"""The same for a request that is given up, because as many are under way as may be, and at a model
that fails others."""
STRANGE = 2.0
"""By what the time that a model which never answered has alone grows if it fails others."""


def is_strange(book: HealthBook, model: Model) -> bool:
    """Whether a model never answered."""
    return not book.of(model.identity).answers


def patience(
    plan: Plan,
    book: HealthBook,
    flight: InFlight,
    deadline: float | None,
    *,
    others: int = 0,
    seldom: bool = False,
) -> float:
    """Seconds after it was sent when its model may be asked once more. `deadline`: unix seconds;
    None: there is none. `others`: requests of other callers that wait for the model. `seldom`:
    whether the silent one is given up for it, or the model fails others."""
    model, alone = flight.candidate.model, math.inf
    if deadline is not None:  # later, another could hardly answer
        alone = SHARE_OF_TIME_LEFT * max(0.0, deadline - flight.sent)
    if is_strange(book, model):  # its usual time is not known
        alone = min(alone, MAX_SOFT)
        return alone * STRANGE if seldom else alone
    usual = expected_seconds(plan, book, model)
    multiple = min(PATIENCE * 2.0**flight.candidate.silent, max(SELDOM, alone / usual))
    if seldom:
        multiple = max(multiple, SELDOM)
    return usual * max(PATIENCE, multiple / max(1, others))


def leave_alone(plan: Plan, book: HealthBook, flight: InFlight, deadline: float | None) -> None:
    """A silent request is given up: its model is left alone as if it were still under way."""
    candidate = flight.candidate
    again = flight.sent + patience(plan, book, flight, deadline, seldom=True)
    candidate.not_before = max(candidate.not_before, again)
    candidate.silent += not flight.repeated


def outlasted(plan: Plan, book: HealthBook, flight: InFlight, now: float) -> None:
    """An attempt was silent so far, and another won: if it was for longer than was expected, its
    model is slower than was thought."""
    waited, model = now - flight.sent, flight.candidate.model
    prospect = Prospect.of(plan, book, model, now)
    if waited > prospect.seconds:
        tokens = book.pool.size_of(plan.need.way).usual(plan.need.limit)
        seconds = waited + prospect.deviation
        book.outlasted(model.identity, seconds, round(tokens), streamed=plan.stream)
