"""A strategy of the user's own: a callable that orders the candidates of each request."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ..catalogue.model import Catalogue
from ..errors import BadSetting, DeadlineExceeded
from ..routing.candidates import Candidates
from ..routing.need import Need
from ..routing.policy import Policy, Ranker
from ..routing.situation import Situation
from ..runtime.callables import CallableFailed
from ..runtime.runtime import Runtime
from .resolve import Resolved


async def apply_strategy(
    strategy: Ranker,
    runtime: Runtime,
    resolved: Resolved,
    policy: Policy,
    catalogue: Catalogue,
    need: Need,
    max_seconds: float | None = None,
) -> Policy:
    """The policy with the strategy's order for a request. It runs on a thread of its own.

    Args:
        max_seconds: how long the strategy may take. None: as long as it wants.

    Raises:
        BadSetting: the strategy raised an error.
        DeadlineExceeded: it took too long.
    """
    now, book = runtime.clock.now(), runtime.state.health
    situation = Situation(need=need, policy=policy, book=book, now=now)
    candidates = Candidates.of(catalogue, resolved.accounts, situation)
    models = [candidate.model for candidate in candidates.all if not candidate.named]
    try:
        async with asyncio.timeout(max_seconds):
            ranked = await runtime.run_on_thread(lambda: list(strategy(need, models)))
    except TimeoutError:
        message = f"the strategy {strategy!r} took longer than {max_seconds:g} s"
        raise DeadlineExceeded(message) from None
    except CallableFailed as error:
        raise BadSetting(f"the strategy {strategy!r} failed: {error}") from None
    return replace(policy, order={model.id: place for place, model in enumerate(ranked)})
