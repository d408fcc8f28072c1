"""A strategy of the user's own: asked on a thread of its own, it says in which order models are to be tried."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ..catalogue.model import Catalogue
from ..errors import BadSetting, DeadlineExceeded
from ..routing.candidates import Candidates
from ..routing.need import Need, Policy, Ranker
from ..runtime.callables import CallableFailed
from ..runtime.runtime import Runtime
from .resolve import Resolved


async def ordered(
    strategy: Ranker,
    runtime: Runtime,
    policy: Policy,
    resolved: Resolved,
    catalogue: Catalogue,
    need: Need,
    within: float | None = None,
) -> Policy:
    """The policy with the order that the strategy gives. `within`: seconds it has. Raises `BadSetting`, `DeadlineExceeded`."""
    now = runtime.clock.now()
    candidates = Candidates.of(
        catalogue, resolved.accounts, need, policy, runtime.state.health, now, None
    )
    models = [candidate.model for candidate in candidates.all if not candidate.named]
    try:
        async with asyncio.timeout(within):
            ranked = await runtime.run_on_thread(lambda: list(strategy(need, models)))
    except TimeoutError:
        raise DeadlineExceeded(f"the strategy {strategy!r} took longer than {within:g} s") from None
    except CallableFailed as error:
        raise BadSetting(f"the strategy {strategy!r} failed: {error}") from None
    return replace(policy, order={model.id: n for n, model in enumerate(ranked)})
