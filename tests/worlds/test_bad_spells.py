"""Servers that fail for some seconds and are then as before: nothing that they said in that time
may keep anybody waiting for long afterwards."""

from __future__ import annotations

import asyncio

import pytest

from freerouter_core import Limit, Provider, Router, errors
from freerouter_core.simulator import Phase, SimModel, World

HALF_A_MINUTE = 30.0


class Callers:
    """Callers who each ask one question after the other for half a minute."""

    def __init__(
        self,
        phases: tuple[Phase, ...],
        *,
        models: int = 4,
        callers: int = 6,
        timeout: float = 60.0,
        pause: float = 0.2,
        limits: list[Limit] | None = None,
    ) -> None:
        served = [
            SimModel(f"a/m{n}:free", first_token=0.3, phases=phases, jitter=0.1)
            for n in range(models)
        ]
        self.answers: list[float] = []
        """When each answer came, seconds since the beginning."""
        self.errors: list[errors.FreeRouterError] = []
        with World(served, None, dialect="nvidia") as world:
            at = Provider("mine", "https://x.test/v1", "sk-simulated", free="all", limits=limits)
            router = Router(providers=(at,), runtime=world.runtime, timeout=timeout)

            async def caller() -> None:
                while world.elapsed < HALF_A_MINUTE:
                    try:
                        await router.achat("Good morning")
                    except errors.FreeRouterError as error:
                        self.errors.append(error)
                    else:
                        self.answers.append(world.elapsed)
                    await asyncio.sleep(pause)

            async def all_of_them() -> None:
                await asyncio.gather(*(caller() for _ in range(callers)))

            world.runtime.call(all_of_them)

    def answered_after(self, moment: float) -> int:
        return sum(at > moment for at in self.answers)


@pytest.mark.parametrize("failure", ["500", "503", "cut", "hang"])
@pytest.mark.parametrize(("timeout", "models"), [(10.0, 4), (60.0, 1)])
def test_refusals_of_a_server_in_trouble_are_no_limit(
    failure: str, timeout: float, models: int
) -> None:
    """It fails for three seconds, and then sheds load. A limit of seven a minute was learnt from
    that, its window was full of what had failed, and no test of it fitted: a minute of silence."""
    phases = (Phase(3.0, 6.0, failure), Phase(6.0, 7.5, "429-bare"))
    lived = Callers(phases, models=models, timeout=timeout)

    assert lived.answered_after(20.0) > 60
    assert len(lived.errors) <= 6


@pytest.mark.parametrize("timeout", [3.0, 10.0, 60.0])
@pytest.mark.parametrize("limit", [30, None])
def test_an_outage_is_over_for_everybody_soon_after_it_ends(
    timeout: float, limit: int | None
) -> None:
    """Where a minute's limit was stated, one request in twenty seconds looked whether it was over.
    Callers with less time than that were told no, without any request."""
    phases = (Phase(5.0, 13.0, "503"),)
    limits = [] if limit is None else [Limit(limit)]
    lived = Callers(phases, callers=1, timeout=timeout, pause=1.0, limits=limits)

    assert lived.answered_after(13.0) >= 7
    assert min(at for at in lived.answers if at > 13.0) < 19.0
    assert len(lived.errors) <= 3
