"""The `Runtime`: one thread, one event loop, and everything that requests share.

There is one per process. It starts at first use, is renewed after a fork, and is closed at exit.

What travels. Callers live on any thread or event loop; requests run on the runtime's own loop. A
caller submits a coroutine through the `Portal` and waits for its result. Deltas of a stream cross
in batches. Context variables travel along, so logs and traces see the caller's.

What may wait. All I/O and all shared state live on the runtime's loop, so nothing there needs a
lock, and nothing there may block. User callables may block, so they run on threads of their own.
Observers get events on one more thread. Only starting and closing take a lock.

What is cancelled, and how. A caller that is interrupted, cancelled or closed cancels its request
on the loop. `close` cancels all requests, lets the store learn how they ended, closes connections
and ends the thread; the next call starts a new one. A forked child cannot use the thread, sockets
or files of its parent. It drops them without closing them, because the parent still does.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import ClassVar, TypeVar

from ..catalogue.model import ModelIdentity
from ..catalogue.providers import Account
from ..errors import FreeRouterError, forgets_locals
from ..events import Event, Observer
from ..routing.charges import Refusal
from ..routing.congestion import Congestion
from ..routing.need import Need
from ..routing.plan import Outcome
from ..routing.running import RunningRequest
from ..routing.session_memory import SessionMemory
from ..routing.state import RoutingState
from ..wire.request import Lane, Pace
from .cache.cache import Caches
from .cache.single_flight import SingleFlight
from .callables import run_on_thread
from .discovery import Discovery
from .endpoint_stats import EndpointStats
from .http.transport import HttpClient, Transport
from .ledger import Ledger
from .ledger.open_store import open_store
from .ledger.state_sync import StateSync
from .loop.clock import Clock, RealClock
from .loop.job import LoopThread
from .loop.os_threads import start_thread
from .loop.portal import Portal
from .observers import EventBus
from .space_records import SpaceRecord

T = TypeVar("T")
E = TypeVar("E", bound=Event)
START_TIMEOUT = 10.0
"""Seconds in which the thread must start, and in which it must end."""
CLOSE_FLUSH_TIMEOUT = 1.0
"""Seconds that `close` gives observers for the events so far."""
_runtime_numbers = itertools.count(1)


class Runtime(Portal):
    """What all routers of a process share: connections, limits, health, catalogues, observers."""

    _current: ClassVar[Runtime | None] = None
    _lock: ClassVar[contextlib.AbstractContextManager[bool]] = threading.RLock()
    _all: ClassVar[weakref.WeakSet[Runtime]] = weakref.WeakSet()

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        client: HttpClient | None = None,
        seed: int | None = None,
        cache: Path | str | None = "user",
        state: str | None = None,
    ) -> None:
        """Does no I/O.

        `client`: the httpx client or transport for all requests; None: the network.
        `cache`: the folder for catalogues; "user": the user's cache directory; None: no folder.
        `state`: as the variable FREEROUTER_STATE; None: what that variable says.
        """
        self.clock: Clock = clock or RealClock()
        self.client = client
        self.name = f"runtime-{next(_runtime_numbers)}"
        self.rng = Random(seed)  # noqa: S311  # chooses models, guards no secret
        self.sessions: dict[str, SessionMemory] = {}
        """What is remembered of each session, by its name."""
        self.spaces: dict[str, SpaceRecord] = {}
        """The spaces of indexes that this process has embedded for, by where their record is."""
        self.proved: dict[tuple[str, ModelIdentity], float] = {}
        """When a model last proved to serve a space, unix seconds, by the record's digest."""
        self.running: dict[int, Callable[[], RunningRequest]] = {}
        """What tells how each request under way stands, by its number. For the loop's thread."""
        self.jobs: dict[int, tuple[str, Callable[[], object]]] = {}
        """(the name of each job that is worked on, what tells how it stands). It is no coroutine,
        and may wait: call it on a thread."""
        self.dev_transport: HttpClient | None = None
        """The transport of the world that answers in DEV_MODE, once there is one."""
        self._events = EventBus()
        # The loop's thread holds the ledger. It holds the bus, not the runtime, so that a runtime
        # nobody uses any more is collected, and its thread ends.
        self.ledger = Ledger(self.clock, emit=self._events.emit)
        self.state = RoutingState(people=self.ledger.demands.people)
        self.state_sync = StateSync(self.state, self.ledger, self.clock)
        self.caches = Caches(self.clock, self._events.emit)
        self.flights: SingleFlight[Outcome] = SingleFlight(self.clock)
        self.discovery = Discovery(self.clock, self._cache_folder, self._events.emit)
        self.endpoint_stats = EndpointStats(
            self.clock, self.state.health, self._cache_folder, self.discovery.stats
        )
        self._cache = cache
        self._state_url: str | None = None
        if state is None and not isinstance(self.clock, RealClock):
            state = "memory"  # virtual time cannot be shared with other processes
        if state is not None:
            self.open_state(state)
        self._loop_thread: LoopThread | None = None
        self._ends_thread: weakref.finalize[[LoopThread], Runtime] | None = None
        self._last_number = 0
        weakref.finalize(self, self._events.close).atexit = False
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

    # -- lifetime -----------------------------------------------------------------------------

    def _running_thread(self) -> LoopThread:
        if sys.is_finalizing():  # no other thread runs any more: a caller would wait for ever
            raise FreeRouterError("the interpreter is shutting down", hint="ask before it ends")
        thread = self._loop_thread
        if thread is not None:
            return thread
        with Runtime._lock:
            if self._loop_thread is None:
                self._loop_thread = self._start_thread()
            return self._loop_thread

    def _start_thread(self) -> LoopThread:
        thread = LoopThread(self.clock)
        thread.shutdown_tasks = [self.ledger.tasks, self.caches.tasks]
        thread.shutdown_hooks += [self.state_sync.flush, self.ledger.drain, self.caches.drain]
        try:
            thread.os_thread = start_thread(thread.run, "freerouter")
        except RuntimeError as error:  # the interpreter is ending, or there are too many threads
            raise FreeRouterError(f"no thread could be started: {error}") from None
        if not thread.started.wait(START_TIMEOUT):
            raise FreeRouterError(f"the runtime's thread did not start within {START_TIMEOUT:g} s")
        self._ends_thread = weakref.finalize(self, _stop_thread, thread)
        self._ends_thread.atexit = False
        return thread

    def close(self) -> None:
        """Cancel what is under way, close connections, end the thread. The next call restarts."""
        with Runtime._lock:
            thread, self._loop_thread = self._loop_thread, None
            if self._ends_thread is not None:
                self._ends_thread.detach()  # it holds what the thread holds: perhaps this runtime
        if thread is not None and not thread.loop.is_closed():
            thread.end(START_TIMEOUT)
        self._forget_tasks()
        self._events.close(CLOSE_FLUSH_TIMEOUT)

    def _reset_after_fork(self) -> None:
        """In a child process: drop what is the parent's, and close nothing."""
        if self._loop_thread is not None:
            self._loop_thread.of_parent = True
            _abandoned.append(self._loop_thread)
            self._loop_thread = None
        self._forget_tasks()
        self.state_sync.forget()
        self._events.reset_after_fork()
        self.rng.seed()

    def _forget_tasks(self) -> None:
        self.discovery.forget_tasks()
        self.endpoint_stats.forget_tasks()
        self.ledger.forget()
        self.state.health.crowds.forget()
        self.caches.forget()
        self.flights.forget()
        self.running.clear()
        self.jobs.clear()

    @forgets_locals
    def open_state(self, url: str) -> None:
        """Keep limits and health where `url` (as FREEROUTER_STATE) says. Only the first counts."""
        if self._state_url is None:
            store = open_store(url)
            self._state_url = url
            if store is not None:
                self.ledger.store = store

    def state_of(self, url: str) -> str:
        """Where the state is kept, if the variable FREEROUTER_STATE says `url`."""
        return self._state_url or url

    @property
    def state_file(self) -> Path | None:
        """The file of the state. None: it is kept in memory, or by a server."""
        path = getattr(self.ledger.store, "path", None)
        return path if isinstance(path, Path) else None

    # -- what requests need -------------------------------------------------------------------

    def transport_for(self, client: HttpClient | None = None) -> Transport:
        """The transport over an httpx client or transport. None: the runtime's own, else the
        network."""
        thread = self._running_thread()
        client = self.client if client is None else client
        transport = thread.transports.get(id(client))
        if transport is None:
            transport = thread.transports[id(client)] = Transport(client)
        return transport

    def next_number(self) -> int:
        """The number of a new request: its place in the order of arrival."""
        self._last_number += 1
        return self._last_number

    def congestion(
        self, accounts: Iterable[Account], lane: Lane = "interactive"
    ) -> dict[str, Congestion]:
        """What one more request of each account costs others, by provider."""
        now, limits = self.clock.now(), self.state.adaptive_limits
        return {
            account.provider: self.ledger.congestion(
                account, limits.of_account(account, now), now, lane
            )
            for account in accounts
        }

    def full_limits(
        self, lane: Lane, need: Need, pace: Pace, deadline: float | None, max_wait: float | None
    ) -> dict[str, Refusal]:
        """Which limits are full for a background request, as others were told; by scope. The
        arguments are fields of its plan."""
        if lane != "background":
            return {}
        now, tokens = self.clock.now(), need.prompt_tokens + need.output_tokens
        bound = deadline if max_wait is None else now + max_wait
        return self.ledger.full.known(tokens, pace, now, bound)

    async def run_on_thread(self, call: Callable[[], T]) -> T:
        """Run a user callable on a thread of its own: it may block, or call a model itself.

        Raises `CallableFailed` if it raises.
        """
        return await run_on_thread(call, self._running_thread().callbacks, self.clock)

    @property
    def state_folder(self) -> Path | None:
        """The folder for records beside the state; None: the state is in memory."""
        if not self.ledger.store.shared:
            return None
        path = getattr(self.ledger.store, "path", None)
        if isinstance(path, Path):
            return path.parent
        from platformdirs import user_state_path

        return user_state_path("freerouter")

    def _cache_folder(self) -> Path | None:
        if self._cache is None:
            return None
        if self._cache == "user":
            from platformdirs import user_cache_path

            return user_cache_path("freerouter")
        return Path(self._cache)

    # -- events -------------------------------------------------------------------------------

    @property
    def counts(self) -> Counter[str]:
        """What requests came to since the process began; see `Router.stats`."""
        return self._events.counts

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` with every event, in order. Returns a function that ends this.

        It is called on a thread of its own, in the context of the call that an event belongs to.
        """
        return self._events.subscribe(observer)

    def flush(self, seconds: float = START_TIMEOUT) -> None:
        """Wait until observers have got every event so far, at most `seconds`.

        An observer that calls this does not wait: it would wait for itself.
        """
        self._events.flush(seconds)

    def tell(self, observer: Callable[[E], object], event: E) -> None:
        """Call one observer with an event, as those that are subscribed are called.

        Virtual time waits until it was told: a wait is not over before anybody heard of it.
        """
        stopped = contextlib.ExitStack()
        stopped.enter_context(self.clock.stopped())
        self._events.tell(observer, event, stopped.close)

    def emit(self, event: Event) -> None:
        """Log an event, count it, and queue it for the observers."""
        self._events.emit(event)


_abandoned: list[LoopThread] = []
"""Threads of a parent process. Kept, so that no destructor touches what the parent still uses."""


def _stop_thread(thread: LoopThread) -> None:
    """End the thread of a runtime that was collected."""
    with contextlib.suppress(RuntimeError):
        thread.loop.call_soon_threadsafe(thread.loop.stop)


def _after_fork() -> None:
    Runtime._lock = threading.RLock()
    for runtime in list(Runtime._all):
        runtime._reset_after_fork()


def _close_all() -> None:
    for runtime in list(Runtime._all):
        runtime.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_close_all)
