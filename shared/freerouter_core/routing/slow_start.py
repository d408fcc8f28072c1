"""`SlowStart`: how many background requests of an account may be under way.

Not every limit is stated. A job that begins with hundreds of requests at once runs into those that
are not, and everybody waits for the account then. So it begins with a few, and with one more for
each answer. When the account refuses, half as many may go, for a while. Interactive requests are
never held back: people are few.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 2.0
"""Requests at once at first."""
STEADY = 600.0
"""Seconds after a refusal in which no more may go than now."""
POLL = 0.05
"""Seconds after which one that was held back may try again."""


@dataclass(slots=True)
class _Account:
    under_way: int = 0
    allowed: float = FIRST
    steady_until: float = 0.0
    refused: bool = False


class SlowStart:
    """By the account's scope, in this process. Times are unix seconds."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def room(self, scope: str) -> bool:
        """Whether one more may go."""
        account = self._accounts.get(scope)
        return account is None or account.under_way < int(account.allowed)

    def sent(self, scope: str) -> None:
        """One was sent."""
        self._accounts.setdefault(scope, _Account()).under_way += 1

    def ended(self, scope: str) -> None:
        """One has ended, however it did."""
        account = self._accounts[scope]
        account.under_way = max(0, account.under_way - 1)

    def answered(self, scope: str, now: float) -> None:
        """One was answered. If no more could go meanwhile, one more may go from now on."""
        account = self._accounts[scope]
        if now >= account.steady_until and account.under_way + 1 >= int(account.allowed):
            account.allowed += 1.0 / account.allowed if account.refused else 1.0

    def refused(self, scope: str, now: float) -> None:
        """The account refused a request of either lane."""
        account = self._accounts.get(scope)
        if account is not None and now >= account.steady_until:
            account.allowed = max(1.0, account.allowed / 2.0)
            account.steady_until, account.refused = now + STEADY, True
