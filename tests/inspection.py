"""Looks into a runtime that change nothing in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from freerouter_core.routing.health import Health
from freerouter_core.runtime.runtime import Runtime


def health_of(runtime: Runtime, name: str) -> Health:
    """The record of the one model with this wire name. It must have one."""
    [health] = [
        health for (_, _, model), health in runtime.state.health.models.items() if model == name
    ]
    return health


def comes_to_rest(runtime: Runtime) -> bool:
    """Whether no task of the runtime is left within two seconds."""

    async def wait() -> bool:
        for _ in range(200):
            if asyncio.all_tasks() == {asyncio.current_task()}:
                return True
            await asyncio.sleep(0.01)
        return False

    return runtime.call(wait)


def open_sockets() -> int:
    """How many sockets this process holds."""
    folder = Path("/proc/self/fd")
    return sum(
        1 for fd in folder.iterdir() if fd.is_symlink() and str(fd.readlink()).startswith("socket:")
    )
