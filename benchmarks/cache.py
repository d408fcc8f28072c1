"""What a kept answer costs, beside LangChain's InMemoryCache and SQLiteCache.

    python benchmarks/cache.py

Prints microseconds a call (the median of many) in one run on one machine: a hit, what a miss adds,
how many of 64 equal concurrent calls are sent, and what 10,000 entries take. SQLiteCache takes part
where langchain-community is installed.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.caches import BaseCache, InMemoryCache

from freerouter_core import AnswerCache, Router
from freerouter_core.runtime.cache.memory import MemoryBytes
from freerouter_core.runtime.cache.sqlite import SqliteBytes
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

CALLS = 2_000
ENTRIES = 10_000
ANSWER = b'{"text":"' + b"A sentence of an answer. " * 40 + b'"}'
QUESTION = "Why is the sky blue?"


def median(call: Callable[[], object], calls: int = CALLS) -> float:
    """Microseconds a call."""
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def world() -> World[Any]:
    return World([SimModel("acme/a:free", first_token=0.0, speed=1e9)])


def hits(folder: Path) -> dict[str, float]:
    """Microseconds of a hit, by what keeps the answer."""
    told = {}
    for name, place in (("memory", "memory"), ("SQLite", f"sqlite:///{folder}/hits.answers.db")):
        router = world().router(answer_cache=place)
        router.chat(QUESTION)
        router.cache_stats()  # it is written
        told[f"Router.chat, {name}"] = median(lambda: router.chat(QUESTION))  # noqa: B023
        llm = ChatFreeRouter(router=router)
        llm.invoke(QUESTION)
        told[f"ChatFreeRouter.invoke, {name}"] = median(lambda: llm.invoke(QUESTION))  # noqa: B023
    caches: dict[str, BaseCache] = {"InMemoryCache": InMemoryCache()}
    try:
        from langchain_community.cache import SQLiteCache

        caches["SQLiteCache"] = SQLiteCache(str(folder / "langchain.db"))
    except ImportError:
        sys.stderr.write("without SQLiteCache: langchain-community is not installed\n")
    for name, cache in caches.items():
        llm = ChatFreeRouter(router=world().router(), cache=cache)
        llm.invoke(QUESTION)
        told[f"ChatFreeRouter.invoke, LangChain's {name}"] = median(lambda: llm.invoke(QUESTION))  # noqa: B023
    return told


def miss(place: str) -> tuple[float, float]:
    """(microseconds of CPU that a miss adds to a call, those of the call without a cache).

    Both are the least of many rounds, which are taken in turn over one world: what a runtime has
    learnt of it costs more than a miss.
    """
    numbers = iter(range(10**9))
    asked = world()
    without, kept = asked.router(), asked.router(answer_cache=AnswerCache(store=place))

    def cpu(router: Router, calls: int = 20) -> float:
        began = time.process_time()
        for _ in range(calls):
            router.chat(f"{next(numbers)}")
        return (time.process_time() - began) / calls * 1e6

    rounds = [(cpu(kept), cpu(without)) for _ in range(200)][10:]
    call = min(other for _, other in rounds)
    return min(one for one, _ in rounds) - call, call


def concurrent() -> int:
    """How many of 64 equal calls are sent."""
    asked = world()
    router = asked.router(answer_cache="memory")

    async def main() -> None:
        await asyncio.gather(*(router.achat(QUESTION) for _ in range(64)))

    asyncio.run(main())
    return len(asked.asked)


async def sizes(folder: Path) -> dict[str, float]:
    """Bytes of 10,000 entries, as a multiple of their answers'."""
    answers = ENTRIES * len(ANSWER)
    file = folder / "sizes.answers.db"
    tracemalloc.start()
    memory = MemoryBytes()
    for n in range(ENTRIES):
        await memory.put({f"{n:064x}": b"%d" % n + ANSWER}, 0.0, None, 10 * answers)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    store = SqliteBytes(file)
    for n in range(0, ENTRIES, 100):
        values = {f"{m:064x}": ANSWER for m in range(n, n + 100)}
        await store.put(values, 0.0, None, 10 * answers)
    await store.close()
    return {"memory": used / answers, "SQLite": file.stat().st_size / answers}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = hits(folder)
        base = told["ChatFreeRouter.invoke, LangChain's InMemoryCache"]
        for what, microseconds in told.items():
            print(f"hit   {what:45} {microseconds:7.0f} µs  {microseconds / base:5.2f} ×")  # noqa: RUF001
        for name, place in (("memory", "memory"), ("SQLite", f"sqlite:///{folder}/misses.db")):
            added, call = miss(place)
            print(f"miss  CPU that {name} adds to Router.chat: {added:.0f} µs, to {call:.0f} µs")
        print(f"64 equal calls at once send {concurrent()}")
        for where, ratio in asyncio.run(sizes(folder)).items():
            print(f"{ENTRIES:,} entries in {where}: {ratio:.2f} × their answers' bytes")  # noqa: RUF001


if __name__ == "__main__":
    main()
