"""`begin`: a background request whose accounts are all full waits before it chooses.

The rows of a job mostly stand in line. While no account has room, nothing is gained by ranking the
models, and the ranking would be an old one once there is. So such a row waits first, and chooses
once. It knows of the limits what others were told (`full_limits`).

It chooses first if limits are not all that counts: a model was named, a paid one is allowed, a list
of models is still on its way, an account rests, no model fits, or there is no time to wait.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import NamedTuple

from ..catalogue.providers import Account
from . import steps as s
from .charges import Refusal
from .deadline import Deadline
from .journal import Journal
from .plan import Plan
from .selection import any_fits
from .situation import Situation
from .state import RoutingState
from .waits import wait_of


class Begun(NamedTuple):
    """A request that may choose now: its situation, and until when it may go on."""

    situation: Situation
    deadline: Deadline


def first_room(accounts: Iterable[Account], full: Mapping[str, Refusal]) -> Refusal | None:
    """The refusal that ends first, if all accounts are full. None: one may have room. `full`: which
    limits are full, by scope."""
    first: Refusal | None = None
    for account in accounts if full else ():
        refusal = full.get(account.scope)
        if refusal is None:
            return None
        if first is None or refusal.until < first.until:
            first = refusal
    return first


def with_room(accounts: Iterable[Account], full: Mapping[str, Refusal]) -> list[Account]:
    """The accounts that may have room."""
    return [account for account in accounts if account.scope not in full]


def begin(
    plan: Plan, state: RoutingState, journal: Journal, rng: Random, now: float
) -> Generator[s.Step, s.Event, Begun]:
    """Begin a request at `now` (unix seconds). It waits first, if it is of use."""
    state.began(plan.accounts.values(), now, background=plan.lane == "background")
    deadline = Deadline(plan, journal.started, now)
    situation = plan.situation(state.health, now, rng, state.requests)
    if situation.full:
        situation = yield from _until_room(plan, situation, journal, deadline)
    return Begun(situation, deadline)


def _until_room(
    plan: Plan, situation: Situation, journal: Journal, deadline: Deadline
) -> Generator[s.Step, s.Event, Situation]:
    """Wait while all accounts are full. Returns the situation after that."""
    if not _only_limits_count(plan, situation):
        return situation
    while (sleep := _sleep(plan, situation, deadline)) is not None:
        journal.add(situation.now, sleep)
        woke = yield sleep
        deadline.waited(woke.at - situation.now, in_line=True)
        news = woke if isinstance(woke, s.Woke) else s.Woke(woke.at)
        situation = replace(
            situation,
            now=max(situation.now, news.at),
            full=news.full,
            congestion=situation.congestion if news.congestion is None else news.congestion,
            lines=situation.lines | {sleep.scope},
        )
    return situation


def _only_limits_count(plan: Plan, situation: Situation) -> bool:
    """Whether nothing besides limits decides when the request can be asked."""
    policy, benches = plan.policy, situation.book.accounts
    if plan.pending or policy.preferred or policy.allow_paid:
        return False
    for account in plan.accounts.values():
        bench = benches.get(account.scope)
        if bench is not None and bench.until > situation.now:
            return False
    return any_fits(plan.catalogue, plan.accounts, situation)


def _sleep(plan: Plan, situation: Situation, deadline: Deadline) -> s.Sleep | None:
    """The next wait. None: it is time to choose."""
    first = first_room(plan.accounts.values(), situation.full)
    ends = deadline.of_wait(in_line=True)
    if first is None or (ends is not None and first.until >= ends):
        return None
    wait = wait_of(first, first.scope.partition("|")[0])
    until = max(situation.now, first.until)
    return s.Sleep(until, first.scope, ends, len(plan.accounts) == 1, wait)
