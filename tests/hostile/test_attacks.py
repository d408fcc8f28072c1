"""No response stops the loop, fills the memory or leaves the tree of errors (law 12)."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator

import pytest

from freerouter_core import ChatRequest, Router
from freerouter_core.errors import FreeRouterError
from freerouter_core.runtime.loop.watchdog import Watchdog

from .attacks import ATTACKS, Attack, router_under

pytestmark = pytest.mark.slow

DOCUMENT = json.dumps([{"name": str(n), "values": [n] * 30} for n in range(5_000)])
"""About a megabyte of JSON."""
LONGEST_PAUSE = 4.0
"""The most that the loop may work between two looks at what else there is to do, in readings of
`DOCUMENT` on the same machine: 50 ms where one takes 12."""


def ask(router: Router, attack: Attack) -> str:
    """What came of a request: the name of the model that answered, or of the error."""
    request = ChatRequest([{"role": "user", "content": "hello"}], **attack.request)
    try:
        if not attack.streamed:
            return router.chat(request).answer.model
        with router.stream(request) as stream:
            for _ in stream:
                pass
            return stream.outcome.answer.model
    except FreeRouterError as error:
        return type(error).__name__


def watchdog_of(router: Router) -> Watchdog:
    """The loop's own watchdog, which from now on measures work, not time lost to others."""
    runtime = router._runtime
    watchdog = runtime._running_thread().loop.watchdog
    watchdog.reset(time.thread_time)
    return watchdog


def reading() -> float:
    """Seconds of work in which this machine reads `DOCUMENT`, now."""
    began = time.thread_time()
    json.loads(DOCUMENT)
    return time.thread_time() - began


@pytest.fixture
def own_garbage() -> Iterator[None]:
    """The collector looks at what the test makes, not at all that the tests have loaded."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("own_garbage")
@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_stops_the_loop_or_leaves_the_tree(name: str) -> None:
    attack = ATTACKS[name]
    pauses = []
    for _ in range(3):  # the collector of garbage, or another process, may be in one of them
        router = router_under(attack)
        router.free_models()
        watchdog = watchdog_of(router)
        before = reading()
        assert ask(router, attack)
        pauses.append(watchdog.longest / max(before, reading()))
        if pauses[-1] < LONGEST_PAUSE:
            return
    assert min(pauses) < LONGEST_PAUSE
