"""What a router can be asked about models, limits and choices. `router_reports` documents each.

Each query runs on the runtime's loop. None sends a chat request. What is known changes only with
`quota`, which believes OpenRouter's own count, and with `grade` and `reset`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..catalogue.model import Catalogue, Model
from ..catalogue.providers import Account
from ..errors import BadSetting, FreeRouterError, NoCandidates
from ..guards.moderation import classifiers_in
from ..reports import (
    BackgroundPlan,
    CostEstimate,
    Explanation,
    HealthReport,
    Models,
    Performance,
    PerformanceReport,
    QuotaLine,
    QuotaReport,
    Recommendations,
    SessionStats,
    Stats,
)
from ..routing.charges import Charge, charges_of
from ..routing.fit import able
from ..routing.lanes import is_long
from ..routing.named import find_named
from ..routing.need import Need, checked_need
from ..routing.pacing import Pacing
from ..routing.policy import Policy
from ..routing.recommend import WEIGHTS, check_wish, recommend
from ..routing.task import analyse
from ..routing.usage_stats import HISTORY_HOURS, HOUR, Tally, add
from ..runtime.key_proof import KeyProof, prove_key
from ..runtime.key_status import KeyStatus, fetch_key_status
from ..wire.history import readable
from ..wire.json_values import parse_json
from ..wire.request import ChatRequest
from .context import Context
from .custom_strategy import apply_strategy
from .embedding.queries import models_of_rows
from .model_status import model_statuses
from .resolve import unique


async def pick_models(context: Context, pick: Callable[[Catalogue], list[Model]]) -> Models:
    """The models that `pick` takes from the catalogue."""
    return Models(pick(await context.catalogue(await context.listing())))


async def free_models(context: Context) -> Models:
    return await pick_models(context, Catalogue.free)


async def safety_classifiers(context: Context) -> Models:
    return await pick_models(context, classifiers_in)


async def affordable_models(context: Context, max_cost_per_token: float) -> Models:
    def pick(catalogue: Catalogue) -> list[Model]:
        affordable = [
            m
            for m in catalogue
            if m.chat
            and max(m.prompt_price, m.completion_price) <= max_cost_per_token
            and (m.free or m.prompt_price + m.completion_price > 0)
        ]
        return sorted(
            affordable, key=lambda m: (m.prompt_price + m.completion_price, -m.context, m.id)
        )

    return await pick_models(context, pick)


async def models(context: Context) -> Models:
    resolved, config = await context.listing(), context.config
    settings, policy = resolved.settings, resolved.policy
    free_only, free_first = config.show_free_only, config.prefer_free
    if free_only is None:
        free_only = settings.openrouter_show_free_only
    if free_first is None:
        free_first = settings.openrouter_prefer_free_models
    # Listing a model does not ask it, so paid ones may be listed whatever `allow_paid` says.
    listing = replace(
        policy, allow_paid=not free_only, max_cost_per_token=config.max_cost_per_token
    )

    def pick(catalogue: Catalogue) -> list[Model]:
        chat = [m for m in catalogue if m.chat and m.context >= policy.min_context]
        fitting = [m for m in chat if able(m, Need(output_tokens=0), listing) is None]
        return sorted(fitting, key=lambda m: (free_first and not m.free, -m.context, m.id))

    return await pick_models(context, pick)


async def refresh(context: Context) -> Catalogue:
    resolved = await context.opened()
    return await context.runtime.discovery.refresh(resolved.accounts.values(), context.transport)


async def health(context: Context, wait: float | None = None) -> HealthReport:
    """`wait`: seconds to wait for a first list of models. None: as long as fetching takes."""
    runtime, resolved = context.runtime, await context.opened()
    catalogue = await context.catalogue(resolved, wait=wait)
    # The order does not matter here: a named model and all that may follow it.
    preferred = () if resolved.policy.others else resolved.policy.preferred
    policy = replace(resolved.policy, allow_paid=False, preferred=preferred)
    rows = await model_statuses(runtime, catalogue, resolved, Need(output_tokens=0), policy)
    age = max(0.0, runtime.clock.now() - catalogue.fetched) if len(catalogue) else None
    return HealthReport(
        rows=tuple(rows),
        listed=len(catalogue),
        age=age,
        accounts=tuple(account.provider for account in resolved.accounts.values()),
        simulated=any(account.simulated for account in resolved.accounts.values()),
    )


async def explain(context: Context, request: ChatRequest) -> Explanation:
    runtime, resolved = context.runtime, await context.opened()
    catalogue = await context.catalogue(resolved)
    need, policy = _need(request, resolved.policy), resolved.policy
    if request.model and request.model != "auto":
        policy = replace(policy, preferred=unique((request.model, *policy.preferred)))
    name = context.config.session_name
    memory = None if name is None else runtime.sessions.get(name)  # a question begins no session
    if memory is not None:
        policy = memory.keeping(policy, runtime.state.health, runtime.clock.now())
    strategy = context.config.strategy
    if callable(strategy):
        policy = await apply_strategy(strategy, runtime, resolved, policy, catalogue, need)
    rows = await model_statuses(runtime, catalogue, resolved, need, policy)
    return Explanation(tuple(rows))


def _need(request: ChatRequest, policy: Policy) -> Need:
    """The need of a request that is only asked about. An empty text stands for any request."""
    if request.messages != ChatRequest.of("").messages:
        request = readable(request)
    return checked_need(request, allow_paid=True, task=policy.task)  # nothing is sent


async def estimate_cost(
    context: Context, request: ChatRequest, model: str | None = None
) -> CostEstimate:
    resolved = await context.opened()
    catalogue = await context.catalogue(resolved)
    need = _need(request, resolved.policy)
    if model is None:
        rows = await model_statuses(context.runtime, catalogue, resolved, need, resolved.policy)
        chosen = at_least_one([row.model for row in rows if row.reason is None])[0]
    else:
        named = find_named(model, catalogue, resolved.accounts)
        chosen = named or Model(model, listed=False)
    cost = chosen.cost(need.prompt_tokens, need.output_tokens)
    return CostEstimate(
        model=chosen.id,
        tier="free" if chosen.free else "paid",
        prompt_tokens=need.prompt_tokens,
        completion_tokens=need.output_tokens,
        usd=cost if cost < math.inf else None,
        source=f"catalogue of {chosen.provider}" if chosen.listed else "not listed",
    )


async def recommendations(
    context: Context,
    text: str,
    limit: int,
    capabilities: Sequence[str],
    provider_preference: Mapping[str, float],
    weights: Mapping[str, float],
) -> Recommendations:
    check_wish(text, limit, provider_preference, weights)
    runtime, resolved = context.runtime, await context.opened()
    catalogue = await context.catalogue(resolved)
    paid = resolved.policy.allow_paid
    best = recommend(
        [model for model in catalogue if model.chat and (model.free or paid)],
        analyse(text),
        capabilities=(capabilities,) if isinstance(capabilities, str) else capabilities,
        preference=provider_preference,
        weights={**WEIGHTS, **weights},
        book=runtime.state.health,
        now=runtime.clock.now(),
    )
    return Recommendations(best[:limit])


async def stats(context: Context) -> Stats:
    runtime = context.runtime
    catalogue = await context.catalogue(await context.opened(), required=False)
    sessions = tuple(SessionStats.of(memory) for memory in runtime.sessions.values())
    return Stats.of(catalogue, runtime.counts, dict(runtime.discovery.stats), sessions)


async def quota(context: Context, ask: bool = True) -> QuotaReport:
    """`ask`: whether to ask providers for their own count, where they have one."""
    runtime, resolved = context.runtime, await context.opened()
    catalogue = await context.catalogue(resolved, required=False)
    now, book = runtime.clock.now(), runtime.state.health
    accounts = list(resolved.accounts.values())
    lines: list[QuotaLine] = []
    plans: list[BackgroundPlan] = []
    told = await _key_statuses(context, accounts, ask)
    for account, statuses in zip(accounts, told, strict=True):
        if statuses:
            spent = [status.ends(now) for status in statuses if status.spent]
            ends = max(spent, default=statuses[0].ends(now))
            book.reconcile_day(account.scope, bool(spent), ends)
            lines += [_told_line(account, status) for status in statuses]
        free = [m for m in catalogue if m.provider == account.provider and m.free]
        free += [m for m in models_of_rows((account,)) if m.free]
        for charge in dict.fromkeys(c for model in free for c in charges_of(account, model)):
            used = await runtime.ledger.used(charge)
            if used or charge.limit.scope == "account":
                lines.append(_line(account, charge, used))
            if is_long(charge):
                took, plan = await runtime.ledger.plan(charge, resolved.pace)
                if took or resolved.lane == "background":
                    plans.append(_plan(account, charge, took, plan))
    in_line = {
        account.provider: waiting
        for account in accounts
        if any(waiting := runtime.ledger.in_line(account.scope))
    }
    runtime.state_sync.push_soon()
    waits = {
        account.provider: (bench.cause, bench.until - now)
        for account in accounts
        if (bench := book.accounts.get(account.scope)) is not None and bench.until > now
    }
    return QuotaReport(tuple(lines), waits, now, in_line, tuple(plans))


async def prove_keys(context: Context) -> tuple[KeyProof, ...]:
    now = context.runtime.clock.now()
    accounts = context.resolved.accounts.values()
    return tuple(
        await asyncio.gather(
            *(prove_key(account, context.transport(account), now) for account in accounts)
        )
    )


async def performance(context: Context, model: str | None, hours: float) -> PerformanceReport:
    if not 0 < hours < math.inf:
        raise BadSetting(f"hours={hours!r} must be positive")
    runtime = context.runtime
    with contextlib.suppress(FreeRouterError):  # this needs no key
        await context.opened()
    await runtime.state_sync.push_history()
    since = int(runtime.clock.now() // HOUR - min(hours, HISTORY_HOURS))
    by_model: dict[tuple[str, str], Tally] = {}
    total: Tally = {}
    for (_, identity), tally in (await runtime.ledger.history(since)).items():
        provider, _, name = parse_json(identity)
        if model is None or model in (name, f"{provider}:{name}"):
            add(by_model.setdefault((provider, name), {}), tally)
            add(total, tally)
    rows = [Performance.of(name, provider, tally) for (provider, name), tally in by_model.items()]
    rows.sort(key=lambda row: (-row.answers - row.failures, row.model))
    return PerformanceReport(tuple(rows), Performance.of("all", "", total), hours)


async def grade(context: Context, model: str, points: float) -> None:
    if not 0 <= points <= 10:
        raise BadSetting(f"points={points} must be 0 to 10")
    runtime, resolved = context.runtime, await context.opened()
    catalogue = await context.catalogue(resolved, required=False)
    named = find_named(model, catalogue, resolved.accounts)
    if named is None:
        raise BadSetting(f"no model is called {model!r}", hint="router.free_models() lists them")
    runtime.state.health.graded(named.identity, points)
    runtime.state_sync.push_soon()


async def reset(context: Context) -> None:
    runtime = context.runtime
    with contextlib.suppress(FreeRouterError):  # without a key there is no shared state to reset
        await context.opened()
    runtime.state.health.reset()
    runtime.state.price_caps.clear()
    runtime.state_sync.push_soon()


def at_least_one(models: list[Model]) -> list[Model]:
    """The models, unchanged. Raises `NoCandidates` if there are none."""
    if not models:
        raise NoCandidates("no free model is listed at the moment")
    return models


async def _key_statuses(
    context: Context, accounts: Sequence[Account], ask: bool
) -> list[tuple[KeyStatus, ...]]:
    if not ask:
        return [()] * len(accounts)
    return await asyncio.gather(
        *(fetch_key_status(account, context.transport(account)) for account in accounts)
    )


def _told_line(account: Account, status: KeyStatus) -> QuotaLine:
    """A limit of an account as its provider counts it."""
    return QuotaLine(
        provider=account.provider,
        scope="account",
        kind=status.kind,
        used=status.used,
        limit=status.limit,
        per=status.per,
        reset=status.reset,
    )


def _plan(account: Account, charge: Charge, took: float, plan: Pacing) -> BackgroundPlan:
    """What background requests may take of one of those limits."""
    limit = _line(account, charge, took)
    return BackgroundPlan(
        provider=limit.provider,
        scope=limit.scope,
        kind=limit.kind,
        per=limit.per,
        used=took,
        share=plan.share,
        reserved=plan.reserved,
        next_at=plan.free_at,
    )


def _line(account: Account, charge: Charge, used: float) -> QuotaLine:
    """One of the limits that the ledger counts."""
    limit = charge.limit
    kinds = (
        ("texts" if limit.counts == "texts" else "requests", limit.requests),
        ("tokens", limit.tokens),
        ("concurrent", limit.concurrent),
    )
    kind, size = next((kind, size) for kind, size in kinds if size is not None)
    scope = limit.scope if limit.scope != "model" else charge.scope.rpartition("|")[2]
    return QuotaLine(
        provider=account.provider,
        scope=scope,
        kind=kind,
        used=used,
        limit=size,
        per=limit.per,
        reset=limit.reset,
    )
