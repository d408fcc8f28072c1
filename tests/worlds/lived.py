"""Calls at one account, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from freerouter_core import Provider, Router, errors
from freerouter_core.simulator import Phase, SimAccount, SimModel, World


class Lived:
    """Calls at one account, in bursts with a gap, and what became of them."""

    def __init__(
        self,
        calls: int,
        *,
        models: int = 1,
        provider: str = "mine",
        account: SimAccount | None = None,
        phases: tuple[Phase, ...] = (),
        first_token: float = 1.0,
        gap: float = 0.0,
        burst: int = 1,
        warm: int = 0,
        starts: float = 0.0,
        dialect: str = "",
        **options: Any,
    ) -> None:
        dialect = dialect or ("openrouter" if provider == "openrouter" else "nvidia")
        served = [
            SimModel(f"a/m{n}:free", first_token=first_token, phases=phases) for n in range(models)
        ]
        self.ends: Counter[str] = Counter()
        self.errors: list[errors.FreeRouterError] = []
        self.times: list[float] = []
        """Seconds that each answer took."""
        accounts = None if account is None else [account]
        with World(served, accounts, dialect=dialect) as world:
            at = Provider(provider, "https://x.test/v1", "sk-simulated", free="all", limits=[])
            router = Router(providers=(at,), runtime=world.runtime, **{"timeout": 60.0, **options})
            for number in range(warm):  # one after the other, before it begins
                router.chat(f"Hello {number}")
            world.runtime.call(lambda: asyncio.sleep(max(0.0, starts - world.elapsed)))
            world.requests.clear()
            began = world.elapsed

            async def call(number: int) -> None:
                await asyncio.sleep(gap * (number // burst))
                asked = world.elapsed
                try:
                    await router.achat(f"Question {number}")
                except errors.FreeRouterError as error:
                    self.ends[type(error).__name__] += 1
                    self.errors.append(error)
                else:
                    self.ends["answered"] += 1
                    self.times.append(world.elapsed - asked)

            async def together() -> None:
                await asyncio.gather(*(call(n) for n in range(calls)))

            world.runtime.call(together)
            self.seconds = world.elapsed - began
            self.fates = Counter(seen.fate for seen in world.requests)
        self.refused = sum(self.fates.values()) - self.fates["answer"]
