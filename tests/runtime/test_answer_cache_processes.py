"""Kept answers of several processes, some of which are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import AnswerCache, ChatRequest, Limit, Provider, Router, Runtime
from freerouter_core.simulator import SimModel, World

from .ledgers import REDIS_SERVER

CONTEXT = multiprocessing.get_context("spawn")


def router_of(url: str, place: str) -> Router:
    limits: list[Limit] = []
    provider = Provider("openrouter", url, "sk-shared", limits=limits)
    runtime = Runtime(cache=None, state="memory")
    cache = AnswerCache(store=place)
    return Router(providers=(provider,), runtime=runtime, answer_cache=cache, timeout=30.0)


def ask_all(url: str, place: str, barrier: Any, results: Any) -> None:
    """Ask ten questions, each at the same time as the others do."""
    router = router_of(url, place)
    router.models()
    texts = []
    for n in range(10):
        barrier.wait(60)
        texts.append(router.chat(f"question {n}").text)
    results.put((texts, router.cache_stats()))
    router.close()


def write_on(url: str, place: str, at: int, started: Any) -> None:
    """Ask one question after the other, until it is killed."""
    router = router_of(url, place)
    for n in range(1_000_000):
        router.chat(ChatRequest.of(f"{os.getpid()} {n} {'x' * 3_000}"))
        if n == at:
            started.set()


@pytest.fixture(params=["sqlite", REDIS_SERVER])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/x.db"
    import redis

    url: str = request.getfixturevalue("redis_server")
    with redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.mark.slow
@pytest.mark.timeout(240)  # four processes start
def test_four_processes_send_each_question_once(serve: Any, place: str) -> None:
    world = World([SimModel("acme/a:free", first_token=0.2, jitter=0)], clock="real")
    url = serve(world)
    barrier, results = CONTEXT.Barrier(4), CONTEXT.Queue()
    arguments = (url, place, barrier, results)
    processes = [CONTEXT.Process(target=ask_all, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    told = [results.get(timeout=200) for _ in processes]
    for process in processes:
        process.join(30)

    assert len(world.asked) == 10
    assert len({tuple(texts) for texts, _ in told}) == 1
    assert sum(stats["misses"] for _, stats in told) == 10
    assert sum(stats["requests_saved"] for _, stats in told) == 30
    assert sum(stats["joined"] for _, stats in told) > 0
    assert {stats["entries"] for _, stats in told} == {10}


@pytest.mark.slow
@pytest.mark.timeout(240)  # processes start and are killed, again and again
def test_a_process_that_is_killed_while_it_writes_leaves_no_torn_answer(
    serve: Any, place: str
) -> None:
    world = World([SimModel("acme/a:free", first_token=0.0, speed=1e6)], clock="real")
    url = serve(world)
    for at in (5, 8, 13):  # the last answer is still being written
        started = CONTEXT.Event()
        process = CONTEXT.Process(target=write_on, args=(url, place, at, started))
        process.start()
        assert started.wait(60)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(30)

    router = router_of(url, place)
    kept = router.kept_answers(1_000)
    stats = router.cache_stats()
    assert len(kept) == stats["entries"] >= 15
    assert all(answer["text"] for answer in kept)
    assert stats["bytes"] == sum(answer["bytes"] for answer in kept)
    asked = len(world.asked)
    assert router.chat("one more").text
    assert router.chat("one more").cached is not None
    assert len(world.asked) == asked + 1
    router.close()
    if place.startswith("sqlite"):
        with sqlite3.connect(place.removeprefix("sqlite:///")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()


@pytest.mark.slow
@pytest.mark.timeout(240)  # a process starts and is killed
def test_who_is_killed_while_it_asks_keeps_nobody_waiting(serve: Any, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/x.db"
    asked = threading.Event()

    def says(body: Any) -> None:
        asked.set()

    slow = World([SimModel("acme/a:free", first_token=30.0, jitter=0, says=says)], clock="real")
    quick = World([SimModel("acme/a:free", first_token=0.1)], clock="real")
    url = serve(slow)
    process = CONTEXT.Process(target=ask_one, args=(url, place))
    process.start()
    assert asked.wait(60)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(30)

    router = router_of(serve(quick), place)
    before = time.monotonic()
    assert router.chat("question").text
    assert time.monotonic() - before < 10
    assert len(quick.asked) == 1
    router.close()


def ask_one(url: str, place: str) -> None:
    router_of(url, place).chat("question")
