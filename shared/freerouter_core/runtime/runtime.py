"""The `Runtime`: one thread, one event loop, and everything that requests share.

There is one per process, started at first use, renewed after a fork, closed at exit. All I/O and all shared state live on its
loop, so nothing here takes a lock but starting, and no caller's loop or thread can pull a connection from under another's
feet. Callers submit and wait; cancelling the caller cancels the request here.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import itertools
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

from ..errors import FreeRouterError
from ..events import AttemptFailed, Event, ModelChosen, Observer, Waiting, counted, log, write
from ..routing import steps as s
from ..routing.failures import RoutingState
from ..routing.session_memory import SessionMemory
from ..wire.answer import Answer
from ..wire.fault import Fault
from .discovery import Discovery
from .endpoint_stats import EndpointStats
from .http.transport import Transport
from .ledger import Ledger
from .ledger.open_store import open_store
from .ledger.state_sync import StateSync
from .loop.bridge import new_thread_event
from .loop.clock import Clock, RealClock
from .loop.job import LoopThread
from .loop.os_threads import new_queue, start_thread
from .loop.portal import Portal

T = TypeVar("T")
START_TIMEOUT, CLOSING = 10.0, 1.0
UNTOLD, MOST_COUNTS = 10_000, 3_000
"""Events that wait for slow observers before further ones are left out, and names that are counted by."""
_count = itertools.count(1)


class CallableFailed(Exception):
    """A callable of the user's raised; its words, and no more: what it raised stays on its own thread. `rejected`: it was a
    ValueError or an AssertionError, which is how a validator says no; anything else is a mistake in it."""

    def __init__(self, words: str, rejected: bool) -> None:
        super().__init__(words)
        self.rejected = rejected


class Runtime(Portal):
    """What all routers of a process share: connections, limits, health, catalogues, observers."""

    _current: ClassVar[Runtime | None] = None
    _lock: ClassVar[Any] = threading.RLock()
    _all: ClassVar[weakref.WeakSet[Runtime]] = weakref.WeakSet()

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        client: Any = None,
        seed: int | None = None,
        cache: Path | str | None = "user",
        state: str | None = None,
    ) -> None:
        """`client`: the httpx client or transport all requests go through. `cache`: the folder that keeps catalogues
        ("user": the user's cache directory; None: nothing is kept). `state`: as `FREEROUTER_STATE`; None: what that says."""
        self.clock: Clock = clock or RealClock()
        self.client = client
        self.name = f"runtime-{next(_count)}"
        self.rng = Random(seed)  # noqa: S311  # chooses models, guards no secret
        self.state = RoutingState()
        me = weakref.ref(
            self
        )  # the thread holds the ledger, and must not hold whoever nobody else holds any more

        def emit(event: Event) -> None:
            runtime = me()
            if runtime is not None:
                runtime.emit(event)

        self.ledger = Ledger(self.clock, emit=emit)
        self.state_sync = StateSync(self.state, self.ledger, self.clock)
        self._state_url: str | None = None
        if state is None and not isinstance(self.clock, RealClock):
            state = "memory"  # time that does not pass cannot be shared
        if state is not None:
            self.open_state(state)
        self.discovery = Discovery(self.clock, self._folder, self.emit)
        self.endpoint_stats = EndpointStats(
            self.clock, self.state.health, self._folder, self.discovery.stats
        )
        self.log = log
        self.sessions: dict[str, SessionMemory] = {}
        """What is remembered of each session, by its name."""
        self.counts: Counter[str] = Counter()
        """What requests came to, since the process began; see `Router.stats`."""
        self._cache = cache
        self._loop_thread: LoopThread | None = None
        self._numbers = 0
        self._observers: list[Observer] = []
        self._events: Any = None
        self._delivering = 0
        self.dev_transport: Any = None
        """The transport of the world that answers in DEV_MODE, once there is one."""
        Runtime._all.add(self)

    @classmethod
    def current(cls) -> Runtime:
        """The process's runtime, made at first use."""
        runtime = cls._current
        if runtime is None:
            with cls._lock:
                runtime = cls._current
                if runtime is None:
                    runtime = cls._current = cls()
        return runtime

    # -- life -------------------------------------------------------------------------------------------------------

    def _running_thread(self) -> LoopThread:
        thread = self._loop_thread
        if thread is not None:
            return thread
        with Runtime._lock:
            if self._loop_thread is None:
                thread = LoopThread(self.clock)
                thread.shutdown_tasks = self.ledger.tasks
                thread.shutdown_hooks += [self.state_sync.flush, self.ledger.drain]
                start_thread(thread.run, "freerouter")
                if not thread.started.wait(START_TIMEOUT):
                    raise FreeRouterError(
                        f"the runtime's thread did not start within {START_TIMEOUT:g} s"
                    )
                self._loop_thread = thread
                weakref.finalize(self, _stop, thread).atexit = False
            return self._loop_thread

    def close(self) -> None:
        """Cancel what is under way, close connections, end the thread. The next call starts anew."""
        with Runtime._lock:
            thread, self._loop_thread = self._loop_thread, None
        if thread is not None and not thread.loop.is_closed():
            thread.ended = new_thread_event()
            with contextlib.suppress(RuntimeError):
                thread.loop.call_soon_threadsafe(thread.loop.stop)
                thread.ended.wait(START_TIMEOUT)
        self.discovery.forget_tasks()
        self.endpoint_stats.forget_tasks()
        self.ledger.forget()
        events, self._events = self._events, None
        if events is not None:
            self._flush(events, CLOSING)
            events.put(None)

    def _forked(self) -> None:
        """In a child process: the thread is not here, and the sockets are the parent's. Drop them; close nothing."""
        if self._loop_thread is not None:
            _abandoned.append(self._loop_thread)
            self._loop_thread = None
        self.discovery.forget_tasks()
        self.endpoint_stats.forget_tasks()
        self.ledger.forget()
        self.state_sync.forget()
        self._events = None
        self.rng.seed()

    def open_state(self, url: str) -> None:
        """Keep limits and health where `url` (as `FREEROUTER_STATE`) says; decided once, by whoever asks first."""
        if self._state_url is None:
            self._state_url = url
            store = open_store(url)
            if store is not None:
                self.ledger.store = store

    # -- what the driver needs --------------------------------------------------------------------------------------

    def transport_for(self, client: Any = None) -> Transport:
        """The transport over an httpx client or transport; None: the runtime's own, else the
        network."""
        thread = self._running_thread()
        client = self.client if client is None else client
        transport = thread.transports.get(id(client))
        if transport is None:
            transport = thread.transports[id(client)] = Transport(client)
        return transport

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    async def run_on_thread(self, call: Callable[[], T]) -> T:
        """Run a callable of the user's on a thread of its own: it may wait, or call a model itself."""
        # The outcome crosses as a value: a StopIteration, say, cannot be set as a future's exception.
        future: asyncio.Future[tuple[Any, BaseException | None]] = (
            asyncio.get_running_loop().create_future()
        )
        context = contextvars.copy_context()
        callbacks = self._running_thread().callbacks

        def settle(outcome: tuple[Any, BaseException | None]) -> None:
            if not future.done():
                future.set_result(outcome)

        def work() -> None:
            try:
                outcome: tuple[Any, BaseException | None] = (context.run(call), None)
            except BaseException as caught:  # whatever it is, the request must hear of it
                outcome = (None, caught)
            with contextlib.suppress(RuntimeError):
                callbacks.post(settle, outcome)

        with self.clock.held():
            start_thread(work, "freerouter-callable")
            value, error = await future
        if error is not None:
            rejected = isinstance(error, (ValueError, AssertionError))
            raise CallableFailed(f"{type(error).__name__}: {error}"[:500], rejected) from None
        return value  # type: ignore[no-any-return]

    async def validate(
        self, validator: Callable[[Answer], object] | None, answer: Answer
    ) -> tuple[str | None, bool]:
        """(what a user's validator has against an answer, in words, or None; whether that is the answer's fault)."""
        if validator is None:
            return None, True
        try:
            await self.run_on_thread(lambda: validator(answer))
        except CallableFailed as error:
            return str(error), error.rejected
        return None, True

    # -- events -----------------------------------------------------------------------------------------------------

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` with every event, in order, on a thread of its own, in the context of the call that the event belongs to. Returns
        what ends it."""
        with Runtime._lock:
            self._observers = [*self._observers, observer]

        def unsubscribe() -> None:
            with Runtime._lock:
                self._observers = [other for other in self._observers if other is not observer]

        return unsubscribe

    def flush(self, seconds: float = START_TIMEOUT) -> None:
        """Wait until every event so far has been told, but not longer than that. Not for observers, who would wait for themselves."""
        events = self._events
        if events is not None:
            self._flush(events, seconds)

    def _flush(self, events: Any, seconds: float) -> None:
        if threading.get_ident() != self._delivering:  # an observer would wait for itself
            delivered = new_thread_event()
            events.put(delivered.set)
            delivered.wait(seconds)

    def emit(self, event: Event) -> None:
        write(event)
        for name, n in counted(event).items():
            named = name.startswith(
                ("asked:", "failed:")
            )  # by models, of which callers may name any
            if not named or name in self.counts or len(self.counts) < MOST_COUNTS:
                self.counts[name] += n
        if self._observers:
            events = self._events
            if events is None:
                events = self._events = new_queue()
                start_thread(lambda: self._deliver(events), "freerouter-events")
            if events.qsize() < UNTOLD:
                events.put((event, contextvars.copy_context()))
            else:
                if not self.counts["untold"]:
                    log.warning("an observer takes its time: events are left out")
                self.counts["untold"] += 1

    def _deliver(self, events: Any) -> None:
        self._delivering = threading.get_ident()
        while (item := events.get()) is not None:
            if callable(item):
                item()
                continue
            event, context = item
            for observer in self._observers:
                try:
                    context.run(observer, event)
                except BaseException:  # whatever it is, the others are told
                    log.exception("an observer failed")

    def emit_step(self, step: s.Step) -> None:
        """Tell observers of a step the driver has taken."""
        if isinstance(step, s.Send):
            attempt = step.attempt
            self.emit(
                ModelChosen(
                    attempt.model.id, attempt.account.provider, attempt.number, attempt.hedge
                )
            )
        elif isinstance(step, s.Sleep):
            self.emit(Waiting(max(0.0, step.until - self.clock.now())))

    def emit_failure(self, attempt: s.Attempt, fault: Fault) -> None:
        self.emit(
            AttemptFailed(
                attempt.model.id,
                attempt.account.provider,
                fault.kind.value,
                fault.cause,
                fault.status,
                fault.message,
            )
        )

    def _folder(self) -> Path | None:
        if self._cache is None:
            return None
        if self._cache == "user":
            from platformdirs import user_cache_path

            return user_cache_path("freerouter")
        return Path(self._cache)


_abandoned: list[LoopThread] = []
"""Cores of a parent process: kept so that no destructor touches what the parent still uses."""


def _stop(thread: LoopThread) -> None:
    """End the thread of a runtime that nobody holds any more."""
    with contextlib.suppress(RuntimeError):
        thread.loop.call_soon_threadsafe(thread.loop.stop)


def _after_fork() -> None:
    Runtime._lock = threading.RLock()
    for runtime in list(Runtime._all):
        runtime._forked()


def _at_exit() -> None:
    for runtime in list(Runtime._all):
        runtime.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
