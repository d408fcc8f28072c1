"""`AccountBenches`: accounts that are at a limit, in debt, or whose key is refused.

A bench of an account stops all its models, so it needs better proof than a bench of one model. Some
refusals do not say whose limit it was. They are taken for the account's if several of its models
were refused within a minute, and none of them answered meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from ..catalogue.model import ModelIdentity
from ..wire.fault import Cause, Fault
from .guessed_bench import guessed_bench

UNCLEAR_MODELS = 3
"""Models of one account that an unexplained 429 must meet before it is taken for the account's."""
UNCLEAR_SECONDS = 60.0
"""Seconds within which that must happen."""
SAME_FAILURE = 60.0
"""Seconds after the end of a bench within which the same refusal continues it."""


@dataclass(slots=True)
class Bench:
    """Why an account is not asked, and until when (unix seconds).

    `stated`: the provider named the time; else it is a guess, and one probe ends it. `strikes`:
    refusals in a row for this cause.
    """

    until: float
    stated: bool
    cause: Cause
    strikes: int = 1


@dataclass(slots=True)
class AccountBenches:
    """The benches of all accounts, by scope. Only the book's methods change them."""

    benches: dict[str, Bench] = field(default_factory=dict)
    _unclear: dict[str, dict[ModelIdentity, float]] = field(default_factory=dict)
    """When each model of a scope last met a 429 that did not say whose limit it was."""

    def get(self, scope: str) -> Bench | None:
        """The account's bench, ended or not; None: it has none."""
        return self.benches.get(scope)

    def refused(self, scope: str, fault: Fault, now: float, rng: Random) -> None:
        """Bench an account. A guess never replaces a stated wait that has not ended."""
        if fault.effect.key_refused:
            self.benches[scope] = Bench(math.inf, True, fault.cause)
            return
        before = self.benches.get(scope)
        bench = _next_bench(before, fault, now, rng)
        if (
            before is None
            or not before.stated
            or before.until <= max(now, bench.until if bench.stated else now)
        ):
            self.benches[scope] = bench

    def reconcile_day(self, scope: str, spent: bool, ends: float) -> bool:
        """Apply the provider's own count of an account's day; whether that changed anything.

        It overrules what was concluded from refusals: with new credits the day has a new limit.
        """
        bench = self.benches.get(scope)
        if spent and (bench is None or bench.until < ends):
            self.benches[scope] = Bench(ends, True, Cause.ACCOUNT_DAY)
            return True
        if not spent and bench is not None and bench.cause.effect.reset == "utc-day":
            del self.benches[scope]
            return True
        return False

    def refused_unclearly(self, scope: str, identity: ModelIdentity, now: float) -> bool:
        """Note a 429 that does not say whose limit it was; whether to take it for the account's."""
        since = now - UNCLEAR_SECONDS
        recent = {other: at for other, at in self._unclear.get(scope, {}).items() if at > since}
        self._unclear[scope] = recent | {identity: now}
        return len(self._unclear[scope]) >= UNCLEAR_MODELS

    def answered(self, scope: str) -> None:
        """One of its models answered: the unclear refusals were not the account's limit."""
        self._unclear.pop(scope, None)


def _next_bench(before: Bench | None, fault: Fault, now: float, rng: Random) -> Bench:
    continued = (
        before is not None and before.cause == fault.cause and before.until > now - SAME_FAILURE
    )
    strikes = before.strikes + 1 if before is not None and continued else 1
    if fault.until is None:
        return Bench(now + guessed_bench(strikes, rng), False, fault.cause, strikes)
    # A reset in the past means that the clocks differ: a storm of retries would not help.
    until = max(fault.until, now + min(60.0, 2.0 ** (strikes - 1)))
    return Bench(until, True, fault.cause, strikes)
