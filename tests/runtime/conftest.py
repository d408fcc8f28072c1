"""Fixtures of the runtime's own tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from freerouter_core.routing.engine import Route
from freerouter_core.routing.plan import Outcome
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.simulator import SimModel, World

from .rig import Drive, Rig


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World([SimModel("acme/a:free", first_token=1.0, speed=1e6, jitter=0.0)], clock=clock)


@pytest.fixture
def rig(world: World, clock: VirtualClock) -> Rig:
    return Rig(world.transport(), clock)


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Drive `route` to its end, on a rig's runtime."""

    def run(rig: Rig, route: Callable[[], Route], **options: Any) -> Outcome:
        driver = rig.driver(route, monkeypatch, **options)
        return rig.runtime.call(driver.run)

    return run
