"""Law 3: one router serves every kind of caller, cancels with its caller, and leaks nothing."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from freerouter_core import ChatRequest, Provider, Router, Runtime, errors
from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.runtime.loop.job import LoopThread
from freerouter_core.simulator import SimModel, World

from ..conftest import Serve
from ..inspection import comes_to_rest, health_of, open_sockets

HANGING = SimModel("acme/hang:free", script=["hang"] * 500)
LONG = "a long story about a lighthouse keeper and the sea " * 100
"""What a model repeats for minutes at 20 tokens a second."""


def quick() -> World[RealClock]:
    return World([SimModel("acme/a:free", first_token=0.0, speed=1e6)], clock="real")


def router_to(url: str, **policy: Any) -> Router:
    return Router(providers=(Provider("openrouter", url, "sk-test", limits=[]),), **policy)


@pytest.fixture
def router(serve: Serve) -> Router:
    return router_to(serve(quick()))


def freerouter_threads() -> list[str]:
    """Those that a runtime keeps. One more imports aiohttp, once in a process, and ends."""
    names = [thread.name for thread in threading.enumerate()]
    return [
        name for name in names if name.startswith("freerouter") and name != "freerouter-aiohttp"
    ]


def test_a_plain_call_is_answered(router: Router) -> None:
    assert "You said: one" in router.chat("one").text


def test_three_event_loops_in_turn_are_served(router: Router) -> None:
    texts = [asyncio.run(_achat(router, str(n))) for n in range(3)]

    assert [text[-1] for text in texts] == ["0", "1", "2"]


async def _achat(router: Router, prompt: str) -> str:
    return (await router.achat(prompt)).text


async def test_a_synchronous_call_inside_a_running_loop_is_answered(router: Router) -> None:
    """As in a Jupyter cell: the loop is blocked during the call, and nothing deadlocks."""
    assert "sync" in router.chat("sync").text
    assert "async" in (await router.achat("async")).text
    assert "".join(d.text for d in router.stream("streamed")).endswith("streamed")


def test_forty_threads_share_one_runtime(router: Router) -> None:
    with ThreadPoolExecutor(40) as pool:
        texts = list(pool.map(lambda n: router.chat(f"n{n}").text, range(120)))

    assert [text.rpartition(" ")[2] for text in texts] == [f"n{n}" for n in range(120)]
    assert freerouter_threads() == ["freerouter", "freerouter-state"]


async def test_a_hundred_tasks_on_one_loop_are_answered(router: Router) -> None:
    outcomes = await asyncio.gather(*(router.achat(f"n{n}") for n in range(100)))

    assert len({o.text for o in outcomes}) == 100


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_parent_and_child_work_after_a_fork(router: Router) -> None:
    router.chat("before")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's coverage is not collected
        try:
            os.write(writing, router.chat("child").text[-5:].encode())
        finally:
            os._exit(0)
    os.close(writing)
    text = os.read(reading, 100)
    os.close(reading)
    os.waitpid(child, 0)

    assert text == b"child"
    assert router.chat("parent").text.endswith("parent")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_stream_of_the_parent_ends_in_a_child_with_an_error(serve: Serve) -> None:
    """Its items come in the parent only. A child that waited for them would wait for ever."""
    slow = SimModel("acme/a:free", first_token=0.0, speed=20.0)
    router = router_to(serve(World([slow], clock="real")))
    stream = router.stream("tell me a story of two words")
    next(stream)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's coverage is not collected
        signal.setitimer(signal.ITIMER_REAL, 20.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        try:
            list(stream)
        except errors.FreeRouterError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    said = os.read(reading, 1_000)
    os.close(reading)
    os.waitpid(child, 0)

    assert b"ask again in this process" in said
    assert list(stream)


def test_a_pickled_router_is_equal_and_works(router: Router) -> None:
    copy = pickle.loads(pickle.dumps(router))

    assert copy == router
    assert copy.chat("copy").text.endswith("copy")


def test_equal_routers_share_a_runtime_and_what_it_learnt(router: Router) -> None:
    router.chat("x")
    twin = pickle.loads(pickle.dumps(router))

    assert twin._runtime is router._runtime
    assert twin.explain("y").rows[0].health is not None


def test_a_validator_sees_the_callers_context_variables(serve: Serve) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []
    router = router_to(serve(quick()))
    variable.set("mine")

    router.chat(ChatRequest.of("x").but(validate=lambda answer: seen.append(variable.get())))

    assert seen == ["mine"]


def test_a_validator_may_call_a_model(router: Router) -> None:
    inner: list[str] = []

    def validate(answer: object) -> None:
        inner.append(router.chat("inner").text)

    router.chat(ChatRequest.of("outer").but(validate=validate))

    assert inner[0].endswith("inner")


def settles(condition: Callable[[], bool]) -> bool:
    return any(condition() or threading.Event().wait(0.01) for _ in range(300))


async def test_cancelling_a_task_cancels_the_request(serve: Serve) -> None:
    world = World([HANGING], clock="real")
    router = router_to(serve(world), fallback_models=(), model="acme/hang:free")
    task = asyncio.create_task(router.achat("x"))
    while not world.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert comes_to_rest(Runtime.current())


async def test_closing_an_asynchronous_stream_cancels_the_request(serve: Serve) -> None:
    world = World([SimModel("acme/a:free", first_token=0.0, speed=20.0)], clock="real")
    router = router_to(serve(world))
    stream = router.astream(LONG)
    async for _ in stream:
        break
    await stream.aclose()

    assert comes_to_rest(Runtime.current())


def test_closing_a_stream_cancels_the_request(serve: Serve) -> None:
    world = World([SimModel("acme/a:free", first_token=0.0, speed=20.0)], clock="real")
    router = router_to(serve(world))
    stream = router.stream(LONG)
    next(iter(stream))
    stream.close()

    assert comes_to_rest(Runtime.current())
    health = health_of(Runtime.current(), "acme/a:free")
    assert health.failures == health.answers == 0


def test_ctrl_c_cancels_the_request(serve: Serve) -> None:
    """Ctrl-C while a plain call waits: KeyboardInterrupt here, the request is cancelled there."""
    world = World([HANGING], clock="real")
    router = router_to(serve(world), model="acme/hang:free")

    def interrupt() -> None:
        while not world.requests:
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        router.chat("x")

    assert comes_to_rest(Runtime.current())


def test_calls_failures_and_streams_leak_nothing(serve: Serve) -> None:
    """Threads, sockets and tasks are as before."""
    fates = [None, "cut", None, "429-upstream", "mid-stream-error"] * 9
    names = [f"acme/{letter}:free" for letter in "abcdef"]
    world = World([SimModel(name, first_token=0.0, script=fates) for name in names], clock="real")
    url = serve(world)
    router = router_to(url)
    router.chat("warm up")
    router.close()
    before = open_sockets()
    for n in range(12):
        try:
            if n % 2:
                router.chat("x")
            else:
                stream = router.stream("x")
                next(iter(stream))
                stream.close()
        except errors.FreeRouterError:
            router.reset()
    assert comes_to_rest(Runtime.current())
    router.close()
    gc.collect()

    assert freerouter_threads() == []
    assert settles(
        lambda: open_sockets() <= before
    )  # the server in this process closes its side when it notices


def test_a_runtime_that_is_garbage_collected_ends_its_thread(serve: Serve) -> None:
    runtime = Runtime()
    router_to(serve(quick()), runtime=runtime).chat("x")
    runtime.call(lambda: asyncio.sleep(0))  # its thread has left the call, which holds the runtime
    del runtime
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "freerouter":
            thread.join(5)

    assert freerouter_threads() == []


def test_who_closes_waits_until_the_thread_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = LoopThread.run

    def run_and_dawdle(self: LoopThread) -> None:
        run(self)
        sum(range(3_000_000))

    monkeypatch.setattr(LoopThread, "run", run_and_dawdle)
    router = World([SimModel("a/b:free")]).router()
    router.chat("x")
    assert freerouter_threads() == ["freerouter"]
    router.close()

    assert freerouter_threads() == []


def test_a_closed_world_is_forgotten() -> None:
    """Its transport leads back to the runtime, so nothing may hold what the thread held."""
    world = World([SimModel("a/b:free")])
    world.router().chat("x")
    kept = weakref.ref(world.runtime)
    world.close()
    del world
    gc.collect()

    assert kept() is None


def test_a_closed_router_can_be_used_again(router: Router) -> None:
    router.chat("x")
    router.close()

    assert router.chat("again").text.endswith("again")


def test_a_call_from_the_runtimes_own_thread_is_refused(router: Router) -> None:
    async def inside() -> str:
        return router.chat("x").text

    with pytest.raises(errors.FreeRouterError, match="own thread"):
        Runtime.current().call(inside)


GEVENT = """
    import gevent.monkey; gevent.monkey.patch_all()
    import gevent, time
    from freerouter_core.simulator import SimModel, World
    world = World([SimModel("acme/a:free", first_token=0.5, speed=1e6, jitter=0)], clock="real")
    router = world.router()
    router.chat("warm up")
    ticks, answered = [], []
    def tick():
        for _ in range(8):
            ticks.append(time.monotonic()); gevent.sleep(0.01)
    def ask(n):
        text = router.chat(f"n{n}").text
        answered.append(time.monotonic())
        return text
    jobs = [gevent.spawn(ask, n) for n in range(20)] + [gevent.spawn(tick)]
    started = time.monotonic()
    gevent.joinall(jobs, raise_error=True)
    assert len({job.value for job in jobs[:-1]}) == 20
    assert answered[-1] - started < 20 * 0.5, "greenlets waited for each other"
    assert ticks[3] < answered[0], "the hub was blocked while requests were under way"
    assert "".join(d.text for d in router.stream("green")).endswith("green")
    router.close()
    print("fine")
"""


def test_greenlets_of_a_patched_process_do_not_block_each_other() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(GEVENT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() == "fine", done.stderr


def test_a_process_that_does_not_close_its_router_ends_quietly() -> None:
    program = """
        from freerouter_core.simulator import SimModel, World
        world = World([SimModel("acme/a:free")])
        stream = world.router().stream("x")
        next(iter(stream))
        print(world.router().chat("bye").text[-3:])
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr, done.returncode) == ("bye", "", 0)


def test_a_callers_event_loop_is_not_kept_alive() -> None:
    with World([SimModel("a/m:free")]) as world:
        router = world.router()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(router.achat("x"))
        loop.close()
        gone = weakref.ref(loop)
        del loop
        router.chat("y")  # the runtime's thread has left the call that woke the closed loop
        gc.collect()

        assert gone() is None


FORKS = """
import os
from freerouter_core.runtime.http import aiohttp_transport
assert aiohttp_transport.load() is None, "its import begins here"
child = os.fork()
if child == 0:
    import aiohttp
    os._exit(7)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_waits_for_an_import_that_is_under_way() -> None:
    assert subprocess.run([sys.executable, "-c", FORKS], timeout=60, check=False).returncode == 7
