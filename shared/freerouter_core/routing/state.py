"""`RoutingState`: what the requests of a runtime learn from each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..catalogue.providers import Account
from .adaptive_limits import AdaptiveLimits
from .candidate import Candidate
from .charges import Charge, budget, of_texts
from .health_book import HealthBook
from .need import Need
from .people import People
from .policy import Policy
from .slow_start import SlowStart
from .steps import Wait
from .unstated_days import UnstatedDays


@dataclass(kw_only=True)
class RoutingState:
    """One per runtime, touched on its loop only."""

    health: HealthBook = field(default_factory=HealthBook)
    adaptive_limits: AdaptiveLimits = field(default_factory=AdaptiveLimits)
    people: People = field(default_factory=People)
    slow_start: SlowStart = field(default_factory=SlowStart)
    days: UnstatedDays = field(default_factory=UnstatedDays)
    price_caps: dict[str, bool] = field(default_factory=dict)
    """By account scope: whether the price cap is understood (True) or does harm (False)."""
    requests: int = 0
    """Requests since the process began."""
    hedges: int = 0
    """Hedges among their attempts."""

    def remember_price_cap(self, scope: str, understood: bool) -> None:
        """Whether an account understands the price cap is now known."""
        if self.price_caps.get(scope) is not understood:
            self.price_caps[scope] = understood
            self.health.touched.add(f"g|{scope}")

    def held(self, account: Account, now: float) -> Wait | None:
        """Until when a background request of an account is held back, and why; None: it may go. See
        `SlowStart` and `UnstatedDays`."""
        under_way = self.adaptive_limits.in_flight.get(account.scope, 0)
        started = self.slow_start.free_at(account.scope, under_way, now)
        allowed = self.days.free_at(account, now, self.people.visit(account.scope))
        if max(started, allowed) <= now:
            return None
        provider = account.provider
        if started > allowed:
            return Wait(f"a job begins slowly at {provider}", started)
        reason = (
            f"{provider} states no limit, so a small day is presumed while people ask it too "
            "(limits=[…] of its Provider states one)"
        )
        return Wait(reason, allowed)

    def began(self, accounts: Iterable[Account], now: float, *, background: bool) -> None:
        """A request has begun that any of these accounts may serve."""
        self.requests += 1
        if not background:
            self.people.came(accounts, now)

    def answered_background(self, account: Account, now: float) -> None:
        """A background request of an account was answered."""
        visit = self.people.visit(account.scope)
        alone = visit is None or not visit.lasts(now)
        self.slow_start.answered(account, now, alone=alone)

    def charges(
        self, candidate: Candidate, need: Need, policy: Policy, now: float
    ) -> tuple[Charge, ...]:
        """The limits that a request falls under: the stated ones and the learnt ones.

        A paid request under `daily_budget_usd` falls under the stated ones and the budget.
        """
        account, model = candidate.account, candidate.model
        if policy.daily_budget_usd is None or model.free:
            stated = of_texts(candidate.charges, need.calls)
            return stated + self.adaptive_limits.charges(account, model, now)
        cost = model.cost(need.prompt_tokens, need.output_tokens)
        return (*candidate.charges, budget(account, policy.daily_budget_usd, cost))
