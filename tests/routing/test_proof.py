"""When refusals prove that no further model would help (law 11)."""

from __future__ import annotations

import pytest

from freerouter_core.routing.candidate import Candidate
from freerouter_core.routing.proof import ENOUGH, enough, independent, of_request, proved
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import account, busy, model

FLAGGED = Fault(Kind.REFUSED, Cause.MODERATION)
REFUSAL = Fault(Kind.REFUSED, Cause.REFUSAL)
ODD = Fault(Kind.UNFIT, Cause.BAD_REQUEST)
GUARD = Fault(Kind.REFUSED, Cause.GUARD)


def candidate(name: str, provider: str) -> Candidate:
    return Candidate(model=model(name, provider), account=account(provider))


A, B = candidate("acme/x", "one"), candidate("bolt/y", "one")
C, D = candidate("bolt/y", "two"), candidate("acme/z", "two")


@pytest.mark.parametrize(
    ("one", "other", "are"), [(A, C, True), (A, B, False), (A, D, False), (A, A, False)]
)
def test_independent_models_share_neither_an_account_nor_a_family(
    one: Candidate, other: Candidate, are: bool
) -> None:
    assert independent(one, other) is independent(other, one) is are


def test_only_independent_models_that_say_alike_prove_anything() -> None:
    assert proved([(A, FLAGGED), (C, FLAGGED)])
    assert proved([(A, FLAGGED), (B, busy()), (C, FLAGGED)])
    assert not proved([(A, FLAGGED), (B, FLAGGED)]), "one account"
    assert not proved([(A, FLAGGED), (D, FLAGGED)]), "one family"
    assert not proved([(A, FLAGGED), (C, REFUSAL)]), "another cause"
    assert not proved([(A, FLAGGED)])
    assert not proved([])


def test_what_is_not_understood_never_proves_anything() -> None:
    assert not proved([(A, ODD), (C, ODD)])
    assert not proved([(A, busy()), (C, busy())])


def test_guards_must_reject_four_models_answers() -> None:
    rejected = [(candidate(f"m{n}", "one"), GUARD) for n in range(4)]

    assert not proved(rejected[:3])
    assert not proved([rejected[0]] * 4)
    assert proved(rejected)


def test_refusals_that_are_not_understood_cost_a_bounded_number_of_requests() -> None:
    refused = [(candidate(f"m{n}", "one"), ODD) for n in range(ENOUGH)]

    assert enough(refused, [A, B])
    assert not enough(refused[1:], [A, B])
    assert not enough(refused, [A, C]), "the other account was not asked"
    assert enough([*refused, (D, ODD)], [A, C])
    assert not enough([(A, busy())] * ENOUGH, [A])


def test_a_mistake_a_refusal_and_a_guards_rejection_are_of_the_request() -> None:
    assert of_request(ODD)
    assert of_request(FLAGGED)
    assert of_request(GUARD)
    assert not of_request(busy())
