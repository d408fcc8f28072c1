"""What a final error says of a request's refusals: all of them, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence

from ..catalogue.providers import Account
from ..wire.fault import Fault
from ..wire.remedies import remedy
from .account_benches import Bench
from .candidate import Candidate
from .steps import Attempt

LISTED_REFUSALS = 6
"""Different refusals that an error spells out."""
LISTED_HINTS = 3
"""Different hints that an error gives."""

Refusals = Sequence[tuple[Candidate | Attempt, Fault]]
Waiting = Sequence[tuple[Account, Bench]]
"""Accounts that are benched, and their benches."""


def tell(refusals: Refusals, waiting: Waiting = ()) -> str:
    """Every refusal: by whom, for which cause, in which words; those alike once. Then why accounts
    wait that were not asked."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for asked, fault in refusals:
        key = (asked.account.provider, fault.cause.value, fault.message)
        alike.setdefault(key, []).append(asked.model.id)
    told = []
    for (provider, cause, message), ids in alike.items():
        models = list(dict.fromkeys(ids))
        who = models[0] if len(models) == 1 else f"{len(models)} models of {provider}"
        told.append(f"{who}: {cause}" + (f" ({message})" if message else ""))
    refusing = {asked.account.scope for asked, _ in refusals}
    told += [
        f"{account.provider} waits: {bench.cause.value}"
        for account, bench in waiting
        if account.scope not in refusing
    ]
    more = len(told) - LISTED_REFUSALS
    shown = told[-LISTED_REFUSALS:]
    return "; ".join([f"{more} more", *shown] if more > 0 else shown)


def hints_of(refusals: Refusals, waiting: Waiting = ()) -> list[str]:
    """What can be done, the last refusal's first, then about accounts that wait."""
    hints = [fault.hint for _, fault in reversed(refusals)]
    hints += [remedy(bench.cause, account) for account, bench in waiting]
    return [hint for hint in dict.fromkeys(hints) if hint][:LISTED_HINTS]
