"""`Process`: a real `Runtime`, on the one loop and the virtual time of its whole run."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from history import Ending, History
from network import Network
from scene import Call
from stores import Link

from freerouter_core import ChatRequest, Provider, Router
from freerouter_core.client.answer_cache.cached_run import CachedRun
from freerouter_core.client.request_run import RequestRun
from freerouter_core.routing.plan import Outcome
from freerouter_core.runtime.ledger.store import Store
from freerouter_core.runtime.loop.clock import RealClock, VirtualClock
from freerouter_core.runtime.loop.job import LoopThread, Work
from freerouter_core.runtime.loop.os_threads import NativeLoop
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.runtime.stream_output import Show
from freerouter_core.wire.request import Prompt

T = TypeVar("T")
_owner: contextvars.ContextVar[Process | None] = contextvars.ContextVar("owner", default=None)
_WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
_TOOLS = ({"type": "function", "function": {"name": "weather", "parameters": _WEATHER}},)


class Machine:
    """A computer's clocks: `wall` is wrong by `skew`, which jumps change. `steady` goes on."""

    def __init__(self, true: VirtualClock, skew: float) -> None:
        self.true, self.skew = true, skew

    def wall(self) -> float:
        return self.true.now() + self.skew

    def steady(self) -> float:
        return self.true.elapsed


class MachineClock(RealClock):
    """The package's real clock, on a simulated machine."""

    def __init__(self, machine: Machine, loop: NativeLoop) -> None:
        self._machine, self._loop = machine, loop
        super().__init__(machine.steady)

    def wall(self) -> float:
        return self._machine.wall()

    def new_event_loop(self, busy: Callable[[], bool]) -> NativeLoop:
        self._is_busy = busy
        return self._loop


class _RecordingRun(CachedRun):
    """A request whose journal is kept."""

    async def __call__(self, show: Show | None = None) -> Outcome:
        runtime = self.runtime
        assert isinstance(runtime, Process)
        running = RequestRun(self.context, self.client, self.request, show)
        runtime.history.journals[int(self.request.label)] = (runtime.name, running.journal)
        return await running.run()


class _RecordingRouter(Router):
    """A router that keeps the journals of its requests, which no answer and no error may tell."""

    def _run_of(self, prompt: Prompt) -> CachedRun:
        return _RecordingRun(self._context, self, ChatRequest.of(prompt))


class Process(Runtime):
    """One process, from its start until it is killed."""

    def __init__(
        self,
        name: str,
        clock: MachineClock,
        network: Network,
        store: Store | None,
        link: Link,
        number: int,
        providers: tuple[Provider, ...],
        history: History,
    ) -> None:
        super().__init__(clock=clock, client=network, seed=number, cache=None, state="memory")
        self.name, self.history = name, history
        self._network, self._link = network, link
        if store is not None:
            self.ledger.store = store
        self.ledger._grant_numbers = itertools.count(number << 40)  # noqa: SLF001  # not random
        self._router = _RecordingRouter(providers=providers, runtime=self)
        self.tasks: dict[asyncio.Task[Any], None] = {}
        """All that run here, in the order in which they began."""

    def _start_thread(self) -> LoopThread:
        return LoopThread(self.clock)

    async def acall(self, work: Work[T]) -> T:
        thread = self._running_thread()
        thread.active_jobs += 1  # the real clock follows no jump while a request is under way
        try:
            return await super().acall(work)
        finally:
            thread.active_jobs -= 1

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something in this process, until it is killed."""
        context = contextvars.copy_context()
        context.run(_owner.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    @staticmethod
    def current_name() -> str:
        """The name of the process that runs at this moment."""
        owner = _owner.get()
        return "nobody" if owner is None else owner.name

    @property
    def alive(self) -> bool:
        return self._link.alive

    def kill(self) -> None:
        """End it at once. First it is cut off, so that nobody hears what its cleaning up says."""
        self._link.alive = self._network.alive = False
        for task in list(self.tasks):
            task.cancel()

    # -- callers ----------------------------------------------------------------------------------

    async def ask(self, call: Call) -> None:
        """One call, from a caller's point of view."""
        clock = self._link.clock
        ending = Ending(call.number, self.name, clock.elapsed, clock.elapsed, "pending")
        self.history.endings.append(ending)
        request = ChatRequest(
            [{"role": "user", "content": f"Say what this is about: #{call.number}#"}],
            tools=_TOOLS if call.tool else (),
            timeout=call.timeout,
            label=str(call.number),
        )
        try:
            if call.streamed:
                ending.shown = ""
                stream = self._router.astream(request)
                try:
                    async for delta in stream:
                        ending.shown += delta.text
                finally:
                    await stream.aclose()
                outcome = stream.outcome
            else:
                outcome = await self._router.achat(request)
            ending.end, ending.text = "answered", outcome.answer.text
            if outcome.answer.cost:
                self.history.charges.append(f"call {call.number}: {outcome.answer.cost} USD")
        except asyncio.CancelledError:
            ending.end = "cancelled" if self.alive else "killed"
        except Exception as error:
            ending.end, ending.text = "failed", f"{type(error).__name__}: {error}"
            ending.error = error
        ending.at = clock.elapsed
        self.history.tell(ending.at, ending.end, self.name, call.number, ending.text)


def owned_task(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, T],
    context: contextvars.Context | None = None,
) -> asyncio.Task[T]:
    """The loop's task factory: each task belongs to the process that made it."""
    task = asyncio.Task(work, loop=loop, context=context)
    owner = _owner.get() if context is None else context.get(_owner)
    if owner is not None:
        owner.tasks[task] = None
        task.add_done_callback(lambda done: owner.tasks.pop(done, None))
        if not owner.alive:
            task.cancel()
    return task
