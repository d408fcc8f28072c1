"""When refusals prove that no further model would help (law 11).

While there is time and somebody who was not asked, a request goes on. It ends before its time only

1. by our own check before anything is sent (`wire.request`, guards of the caller),
2. if independent models say alike what is true of the request whoever is asked: of two accounts and
   of two families, and a cause whose `Effect` is universal. A refusal that is not understood is
   never that, however many say it.
3. if it cost enough: refusals that are not understood may come from a bad request, and each costs
   a request of somebody's quota. After `ENOUGH` of them, one of every account at least, the rest
   is not asked. They are spread over accounts and families (`kinship`), so that the next one is
   always the likeliest to differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..wire.fault import Fault
from .candidate import Candidate
from .kinship import same_family

ENOUGH = 8
"""Refusals of a request after which the others are taken to refuse it, too."""
GUARDED_MODELS = 4
"""Models whose answers the caller's guards must reject before that is the prompt's fault."""

Faults = Sequence[tuple[Candidate, Fault]]


def proved(faults: Faults) -> bool:
    """Whether the last refusal, with an earlier one, proves that the request is at fault."""
    if not faults:
        return False
    candidate, fault = faults[-1]
    if fault.effect.by_guard:
        return len({c.model.id for c, f in faults if f.effect.by_guard}) >= GUARDED_MODELS
    return fault.effect.universal and any(
        earlier.cause is fault.cause and independent(candidate, other)
        for other, earlier in faults[:-1]
    )


def enough(faults: Faults, alive: Sequence[Candidate]) -> bool:
    """Whether further refusals would cost more than they tell. `alive`: who may still be asked."""
    refusing = {c.account.scope for c, fault in faults if of_request(fault)}
    refusals = sum(of_request(fault) for _, fault in faults)
    return refusals >= ENOUGH and all(c.account.scope in refusing for c in alive)


def of_request(fault: Fault) -> bool:
    """Whether it is, or may be, the request that was refused."""
    effect = fault.effect
    return effect.unrecognised or effect.universal or effect.by_guard or effect.of_part


def independent(one: Candidate, other: Candidate) -> bool:
    """Whether two models share neither an account nor a family."""
    return one.account.scope != other.account.scope and not same_family(one.model, other.model)
