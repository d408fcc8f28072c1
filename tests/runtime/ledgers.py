"""Ledgers over each kind of store."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.routing.charges import Charge
from freerouter_core.routing.lanes import Place
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.ledger.open_store import open_store
from freerouter_core.runtime.loop.clock import RealClock

MINUTE = Charge("account", Limit(requests=5, per=60.0))
DAY = Charge("account", Limit(requests=9, per=86_400.0, reset="utc-day"))
TOKENS = Charge("account|m", Limit(tokens=100, per=60.0))
LANES = Charge("account|m", Limit(concurrent=1))
REDIS_SERVER = pytest.param("redis-server", marks=pytest.mark.system)
SHARED = ["sqlite", "redis", REDIS_SERVER]
"""The stores that processes share."""


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("the server did not start")


def ledger_at(state: str, emit: Any = None) -> Ledger:
    return Ledger(RealClock(), open_store(state), emit)


async def reserve(ledger: Ledger, *charges: Charge, tokens: int = 0) -> Any:
    return await ledger.reserve(Place(False, 1), charges, tokens, 0.0)


async def settled(ledger: Ledger) -> None:
    while ledger.tasks:
        await asyncio.wait(set(ledger.tasks))
