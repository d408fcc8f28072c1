"""`SlowStart`: how many background requests of an account may be under way.

Not every limit is stated. A job that begins with hundreds of requests at once runs into those that
are not, and everybody waits for the account then. So it begins with two, and interactive requests
under way count, too: they use up the same limit. One more may go after each round of answers.
Where a limit of the minute is stated and people are there, few at once use it up, so one more may
go only each minute.

When the account refuses, none goes for a minute, and then one, and one more each minute. If it
soon refuses again, none goes for twice as long as the last time. So it is not the job that finds a
limit out again and again. Interactive requests are never held back: people are few.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..catalogue.providers import Account
from .adaptive_limits import states_rate

FIRST = 2.0
"""Requests at once at first."""
MINUTE = 60.0
"""Seconds after a refusal in which none goes, and of which each lets one more go afterwards."""
LONGEST = 1_800.0
"""Most seconds in which none goes."""
POLL = 0.05
"""Seconds after which one that was held back may try again."""


@dataclass(slots=True)
class _Start:
    under_way: int = 0
    allowed: float = FIRST
    steady_until: float = 0.0
    paused_until: float = 0.0
    pause: float = 0.0
    """Seconds of the last pause; 0: no request was refused."""


class SlowStart:
    """By the account's scope, in this process. Times are unix seconds."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Start] = {}

    def free_at(self, scope: str, under_way: int, now: float) -> float:
        """When one more may go; `now`: at once. `under_way`: requests of either lane."""
        account = self._accounts.get(scope)
        if account is None:
            return now
        if now < account.paused_until:
            return account.paused_until
        if account.under_way and under_way >= int(account.allowed):
            return now + POLL
        return now

    def sent(self, scope: str) -> None:
        """One was sent."""
        self._accounts.setdefault(scope, _Start()).under_way += 1

    def ended(self, scope: str) -> None:
        """One has ended, however it did."""
        account = self._accounts[scope]
        account.under_way = max(0, account.under_way - 1)

    def answered(self, of: Account, now: float, *, alone: bool = False) -> None:
        """One was answered. If no more could go meanwhile, one more may go now and then. `alone`:
        whether no people are there."""
        account = self._accounts[of.scope]
        if now < account.steady_until or account.under_way + 1 < int(account.allowed):
            return
        if account.pause or (states_rate(of) and not alone):
            account.allowed += 1.0
            account.steady_until = now + MINUTE
        else:
            account.allowed += 1.0 / account.allowed

    def refused(self, scope: str, now: float) -> None:
        """The account refused a request of either lane."""
        account = self._accounts.setdefault(scope, _Start())
        if now < account.paused_until:
            return  # the job has no part in it
        again = now < account.paused_until + 2 * account.pause
        account.pause = min(LONGEST, 2 * account.pause) if again else MINUTE
        account.allowed, account.paused_until = 1.0, now + account.pause
        account.steady_until = account.paused_until + MINUTE
