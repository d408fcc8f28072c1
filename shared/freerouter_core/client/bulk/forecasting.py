"""`progress_of`: how a job stands, with the forecast of its end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...catalogue.model import Catalogue, Model
from ...catalogue.providers import Account
from ...errors import FreeRouterError
from ...reports.bulk import BulkProgress
from ...routing.charges import Charge, charges_of
from ...routing.forecast import Pace, Source, Use, forecast, paced
from ...routing.lanes import is_long
from ..context import Context
from .job_store import Counts
from .options import Measured
from .work import Work

AT_ONCE = 0.1
"""Seconds until an end that only says that nothing is known."""


async def progress_of(
    context: Context, counts: Counts, total: int | None, work: Work | None
) -> BulkProgress:
    """How a job stands. `total`: rows of the input, if that is known. `work`: what this process
    does for it."""
    runtime = context.runtime
    now = runtime.clock.now()
    measured = Measured(now) if work is None else work.measured
    if counts.complete:
        total = counts.rows
    total = None if total is None else max(total, counts.rows)
    left = None if total is None else max(0, total - counts.done - counts.failed)
    passed = max(now - measured.started, 1e-3)
    ended = measured.answered + measured.failed
    ends, pace = None, _pace(measured, now)
    if left == 0:
        ends = now
    elif left is not None:
        sources = await _sources(context, pace)
        unmeasured = measured.flow.rate(now) is None
        if ended and unmeasured and not all(any(source.limits()) for source in sources):
            pace = replace(pace, fastest=min(pace.fastest, pace.requests * ended / passed))
        ends = forecast(left, sources, pace, now)
        if pace.fastest == math.inf and ends is not None and ends - now < AT_ONCE:
            ends = None  # no limit and no measure says how long a request takes
    waits_for, waits = ("", None) if work is None else work.waits_for(now)
    return BulkProgress(
        done=counts.done,
        failed=counts.failed,
        read=counts.rows,
        total=total,
        in_flight=measured.in_flight,
        waiting=measured.waiting,
        rate=60.0 * ended / passed if ended else None,
        ends=ends,
        seconds=None if ends is None else ends - now,
        waits_for=waits_for,
        waits=waits,
        compared=None if work is None or work.feed is None else work.feed.compares,
        until=measured.until if left != 0 else None,
    )


def _pace(measured: Measured, now: float) -> Pace:
    if not measured.answered:
        return Pace()
    seconds = max(measured.seconds / measured.answered, 1e-3)
    requests = max(1.0, measured.requests / measured.answered)
    rate = measured.flow.rate(now)
    # While limits hold it back, only what may be in flight bounds it.
    most = measured.largest / seconds if measured.largest else math.inf
    return Pace(
        requests=requests,
        tokens=measured.tokens / measured.answered or 1_000.0,
        seconds=seconds,
        fastest=most if rate is None else min(most, rate * requests),
    )


async def _sources(context: Context, pace: Pace) -> list[Source]:
    """What each account can give, as far as its limits are known."""
    try:
        resolved = await context.opened()
        catalogue = await context.catalogue(resolved, wait=0.0, required=False)
    except FreeRouterError:
        return []
    sources = [await _source(context, account, catalogue) for account in resolved.accounts.values()]
    if resolved.lane == "background" and context.config.pace == "even":
        now = context.runtime.clock.now()
        return [part for source in sources for part in paced(source, pace, now)]
    return sources


async def _source(context: Context, account: Account, catalogue: Catalogue) -> Source:
    runtime = context.runtime
    now = runtime.clock.now()
    models = [m for m in catalogue if m.provider == account.provider and m.free and m.chat]
    charges = _charges(context, account, models, now)
    own = [c for c in charges if c.limit.scope != "model"]
    by_model: dict[str, list[Charge]] = {}
    for charge in charges:
        if charge.limit.scope == "model":
            by_model.setdefault(charge.scope, []).append(charge)
    bench = runtime.state.health.accounts.get(account.scope)
    return Source(
        uses=await _uses(context, own),
        parts=tuple([Source(uses=await _uses(context, part)) for part in by_model.values()]),
        rests_until=bench.until if bench is not None and bench.firm else 0.0,
    )


def _charges(
    context: Context, account: Account, models: Sequence[Model], now: float
) -> Iterable[Charge]:
    """Every limit of an account that is stated or was learnt, once."""
    learnt = context.runtime.state.adaptive_limits.of_account(account, now)
    stated = (charge for model in models for charge in charges_of(account, model))
    return dict.fromkeys((*stated, *learnt))


async def _uses(context: Context, charges: Iterable[Charge]) -> tuple[Use, ...]:
    ledger, uses = context.runtime.ledger, []
    for charge in charges:
        planned = charge.amount is None and is_long(charge)
        reserved = (await ledger.plan(charge, "even"))[1].reserved if planned else 0.0
        uses.append(Use(charge.limit, await ledger.used(charge), reserved))
    return tuple(uses)
