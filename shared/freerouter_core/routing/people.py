"""`People`: when interactive requests came that an account could have served.

What a job may take of an account depends on whether people are there. A request that goes to one
account might have gone to any other of its router, and the next one may have to: so it counts for
all of them.

A visit lasts while requests come. Those who begin to work seldom stop after one, so room is kept
for more of them until nobody has come for `STAYS` seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..catalogue.calendar import DAY
from ..catalogue.providers import Account, Limit

STAYS = 600.0
"""Seconds after a request until which more are expected."""
NEWS = 60.0
"""Seconds after which other processes are told again that a visit lasts."""


@dataclass(slots=True)
class Visit:
    """The latest visit of people. Times are unix seconds.

    `first`: when people came for the first time that is known. `since` and `last`: the first and
    the last request of this visit. `told`: when other processes were told of it.
    """

    first: float
    since: float
    last: float
    told: float = 0.0

    def lasts(self, now: float) -> bool:
        """Whether more requests are expected."""
        return now - self.last <= STAYS

    def lately(self, now: float) -> bool:
        """Whether anybody came within a day."""
        return now - self.last <= DAY


class People:
    """The latest visit by the scope that limits are counted in."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        self.touched: set[str] = set()
        """Scopes of which other processes should be told."""

    def came(self, accounts: Iterable[Account], now: float) -> None:
        """An interactive request has come that any of these accounts may serve."""
        for account in accounts:
            for scope in _scopes(account.scope, account.limits):
                visit = self._visits.get(scope)
                if visit is None:
                    visit = self._visits[scope] = Visit(now, now, now)
                elif not visit.lasts(now):
                    visit.since = now
                visit.last = max(visit.last, now)
                if now >= visit.told + NEWS:
                    visit.told = now
                    self.touched.add(scope)

    def visit(self, scope: str) -> Visit | None:
        """The latest visit to an account, by its scope or by that of one of its models. None:
        nobody ever came."""
        visit = self._visits.get(scope)
        if visit is None and scope.count("|") > 2:
            visit = self._visits.get("|".join(scope.split("|", 3)[:3]))
        return visit

    def told(self, scope: str, theirs: Visit) -> None:
        """Learn from another process."""
        own = self._visits.get(scope)
        if own is None:
            self._visits[scope] = theirs
            return
        early, late = sorted((own, theirs), key=lambda visit: visit.since)
        joined = late.since if not early.lasts(late.since) else early.since
        own.first, own.since = min(own.first, theirs.first), joined
        own.last = max(own.last, theirs.last)


@lru_cache(maxsize=1_024)
def _scopes(account: str, limits: tuple[Limit, ...]) -> tuple[str, ...]:
    """An account's own scope, and that of its address, where a limit is counted by it."""
    if any(limit.scope == "ip" for limit in limits):
        return account, f"{account.rpartition('|')[0]}|ip"
    return (account,)
