"""`CachedRun`: one request that may be served by a kept answer, or by an equal one under way.

In order: it looks for a kept answer, joins an equal request of this process, waits a little for one
of another process, and else asks. What was asked is kept if it is good. A request whose router
keeps no answers is asked at once.
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from functools import partial

from ...errors import BadRequest, DeadlineExceeded, FreeRouterError, Refused, StreamBroken
from ...guards.base import ChatClient
from ...routing.journal import Journal
from ...routing.plan import Cached, Outcome
from ...routing.reuse import StoredAnswer, replayed, stored
from ...runtime.cache.cache import LEASE, Cache
from ...runtime.cache.single_flight import Flight, Terms
from ...runtime.callables import CallableFailed
from ...runtime.stream_output import Show
from ...wire.delta import Delta
from ...wire.request import ChatRequest, Lane
from ..context import Context
from ..request_run import RequestRun
from .lookup import Lookup

LONGEST_WAIT = 30.0
"""Seconds that a request waits for another process that asks the same."""
FIRST_LOOK, LAST_LOOK = 0.02, 0.25
"""Seconds between looks at what the other process has kept: they double."""


class CachedRun:
    """One request. Called on the runtime's loop, it runs; `show` gets the deltas of a stream."""

    def __init__(self, context: Context, client: ChatClient, request: ChatRequest) -> None:
        self.context, self.client, self.request = context, client, request
        self.runtime = context.runtime
        self.show: Show | None = None
        self.started = 0.0
        self._lookup: Lookup | None = None
        self._looked = False
        if context.lookup_is_ready:  # a long prompt takes time, which others need not wait for
            self._look()

    def at_once(self) -> Outcome | None:
        """A kept answer, if it can be had without waiting."""
        if self._lookup is None or self.context.config.session_name is not None:
            return None  # what a session remembers is touched on the runtime's loop only
        return self._lookup.at_once()

    async def __call__(self, show: Show | None = None) -> Outcome:
        """Return the outcome. Raises an error of the `FreeRouterError` tree."""
        self.show, self.started = show, self.runtime.clock.now()
        if not self._looked:
            self._look()
        lookup = self._lookup
        if lookup is None:
            return await self._ask(self.request, show)
        values: dict[str, bytes] = {}
        kept: dict[str, StoredAnswer] = {}
        if not self.request.fresh:
            values = await lookup.values()
            kept = lookup.usable(values)
            outcome = await self._accepted(lookup, kept) if kept else None
            if outcome is not None:
                self._replay(outcome)
                return self._remembered(outcome)
        return self._remembered(await self._shared(lookup, lookup.free_key(values, kept)))

    def _remembered(self, outcome: Outcome) -> Outcome:
        """The outcome, which is a step of the session also if nothing was asked."""
        memory = None if outcome.cached is None else self.context.session_memory()
        if memory is not None:
            seconds = self.runtime.clock.now() - self.started
            memory.reused(self.request.label, outcome, seconds)
        return outcome

    def _look(self) -> None:
        self._looked = True
        try:
            self._lookup = self.context.lookup(self.request)
        except FreeRouterError:  # asking raises it, and tells observers
            return

    async def _ask(self, request: ChatRequest, show: Show | None) -> Outcome:
        read = None if self._lookup is None else self._lookup.read
        return await RequestRun(self.context, self.client, request, show, read).run()

    # -- kept answers -------------------------------------------------------------------------

    async def _accepted(
        self, lookup: Lookup, usable: dict[str, StoredAnswer], *, joined: bool = False
    ) -> Outcome | None:
        """The kept answer whose turn it is, if this request's validator takes it."""
        chosen = lookup.chosen(usable)
        if chosen is None:
            return None
        key, kept = chosen
        if not await self._is_valid(kept):
            await lookup.cache.drop((key,))
            lookup.tell("dropped", kept.answer, model=kept.model)
            usable.pop(key)
            return None
        return lookup.outcome(kept, joined=joined)

    async def _is_valid(self, kept: StoredAnswer | Outcome) -> bool:
        validate = self.request.validate
        if validate is None:
            return True
        answer = kept.answer
        try:
            await self.runtime.run_on_thread(lambda: validate(answer))
        except CallableFailed:
            return False
        return True

    def _replay(self, outcome: Outcome) -> None:
        """Show an answer as a stream."""
        if self.show is not None:
            for delta in self._deltas(outcome):
                self.show(delta)

    def _deltas(self, outcome: Outcome) -> list[Delta]:
        fragments = self.context.config.tool_streaming == "fragments"
        first, *others = replayed(outcome.answer, fragments=fragments) or [Delta()]
        return [replace(first, model=outcome.attempt.model.id), *others]

    # -- equal requests under way -------------------------------------------------------------

    async def _shared(self, lookup: Lookup, key: str) -> Outcome:
        """Join a flight, or start one. A flight that ended of its own caller's doing, and not of
        the request, is followed by another."""
        flights = self.runtime.flights
        request = self.request
        # Nobody who is waited for waits for one who stands behind all others.
        lane = self._lane
        name = lookup.flight(key)
        own = f"{name}|background" if lane == "background" else name
        terms = self._terms(lookup)
        while True:
            flight = flights.under_way(name) or flights.under_way(own)
            if flight is None or request.fresh:
                flight = flights.start(own, terms, partial(self._lead, lookup, key, request))
                outcome = await flight.follow(self.show)
                return _copied(outcome) if flight.joined else outcome
            joined = await self._joined(flight, terms)
            if joined is not None:
                provider, model = joined.provider, joined.attempt.model.id
                lookup.tell("joined", joined.answer, provider, model, 0.0)
                return joined
            request = self._rest()

    @property
    def _lane(self) -> Lane:
        return self.request.lane or self.context.resolved.lane

    def _terms(self, lookup: Lookup) -> Terms:
        request, policy = self.request, lookup.policy
        shown = (*policy.terms, request.replaces, request.validate)
        return Terms(self.show is not None, shown, (*policy.asks, self._lane), self.until)

    async def _joined(self, flight: Flight[Outcome], terms: Terms) -> Outcome | None:
        """The outcome of a request under way. None: it is of no use here, so ask."""
        same = flight.terms.shown == terms.shown
        follows = same and flight.terms.streamed
        try:
            outcome = await flight.follow(self.show if follows else None, self.until)
        except DeadlineExceeded:  # of the other caller
            return None
        except TimeoutError:
            raise DeadlineExceeded("an equal request under way gave no answer in time") from None
        except FreeRouterError as error:
            if isinstance(error, StreamBroken):
                shared = follows and self.show is not None
            else:  # one of the other caller's options, time or accounts says nothing here
                shared = isinstance(error, (BadRequest, Refused)) or terms.fails_as(flight.terms)
            if not (same and shared):
                return None
            raise copy.copy(error) from None
        outcome = _copied(outcome)
        if not same and not await self._is_valid(outcome):
            return None
        journal = Journal(started=self.runtime.clock.now())
        outcome = replace(outcome, cached=Cached(0.0, joined=True), journal=journal)
        if not follows:
            self._replay(outcome)
        return outcome

    @property
    def until(self) -> float | None:
        """When this request must have an answer, by the runtime's clock."""
        resolved, own = self.context.resolved, self.request.timeout
        if own is not None:
            return self.started + own
        if resolved.timeout is None:
            return None
        return self.started + resolved.timeout + (resolved.max_wait or 0.0)

    def _rest(self) -> ChatRequest:
        """This request, with the time that is left of it. A default timeout counts from the first
        request that is sent."""
        until, resolved = self.until, self.context.resolved
        if until is None or (self.request.timeout is None and resolved.max_wait is not None):
            return self.request
        return self.request.but(timeout=max(0.001, until - self.runtime.clock.now()))

    # -- asking -------------------------------------------------------------------------------

    async def _lead(
        self, lookup: Lookup, key: str, request: ChatRequest, flight: Flight[Outcome]
    ) -> Outcome:
        """Ask for all who follow, and keep what came. One process at a time does."""
        if not lookup.cache.shared:
            return await self._ask_for_all(lookup, key, request, flight)
        caches, lease = self.runtime.caches, lookup.lease(key, self._lane)
        renewal: asyncio.Task[None] | None = None
        try:
            if not request.fresh:
                theirs = await self._of_another_process(lookup, lease)
                if theirs is not None:
                    for delta in self._deltas(theirs) if self.show is not None else ():
                        flight.show(delta)
                    return theirs
                request = self._rest()
            renewal = caches.spawn(_renew(lookup.cache, lease))
            return await self._ask_for_all(lookup, key, request, flight)
        finally:
            if renewal is not None:
                renewal.cancel()
            caches.spawn(_release(lookup.cache, lease, after=flight.kept))

    async def _ask_for_all(
        self, lookup: Lookup, key: str, request: ChatRequest, flight: Flight[Outcome]
    ) -> Outcome:
        lookup.tell_miss()
        outcome = await self._ask(request, None if self.show is None else flight.show)
        kept = stored(outcome, self.runtime.clock.wall())
        if kept is None:
            return outcome
        try:
            value = kept.encode()
        except (TypeError, ValueError, RecursionError):
            return outcome  # a validator has put something into it that JSON has no form for
        keeping = self._keep(lookup, key, kept, value)
        if lookup.cache.shared:
            # Nobody waits for it: until it is done, the flight has the answer.
            flight.value, flight.kept = value, self.runtime.caches.spawn(keeping)
        else:
            await keeping
        return outcome

    async def _keep(self, lookup: Lookup, key: str, kept: StoredAnswer, value: bytes) -> None:
        settings = lookup.policy.settings
        if await lookup.cache.put({key: value}, settings.ttl, settings.max_bytes):
            lookup.tell("stored", kept.answer, model=kept.model)

    # -- other processes ----------------------------------------------------------------------

    async def _of_another_process(self, lookup: Lookup, lease: str) -> Outcome | None:
        """The answer that another process asks for at this moment. None: this one is to ask.

        It takes the lease, or waits for the answer of who holds it. That is no longer than asking
        takes: the other one has begun before, and who died renews no lease.
        """
        clock, pause = self.runtime.clock, FIRST_LOOK
        now = clock.now()
        left = LONGEST_WAIT if self.until is None else (self.until - now) / 2
        give_up = now + min(LONGEST_WAIT, left)
        waited = False
        while True:
            claimed = await lookup.cache.claim(lease)
            kept = lookup.usable(await lookup.cache.get(lookup.keys))
            outcome = await self._accepted(lookup, kept, joined=waited)
            if outcome is not None or claimed or clock.now() >= give_up:
                return outcome
            waited = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_LOOK)


def _copied(outcome: Outcome) -> Outcome:
    """An outcome whose caller may change it, whoever else has got it."""
    return replace(outcome, answer=copy.deepcopy(outcome.answer))


async def _renew(cache: Cache, key: str) -> None:
    """Keep a lease while its request is under way."""
    while True:
        await asyncio.sleep(LEASE / 3)
        await cache.claim(key)


async def _release(cache: Cache, key: str, after: asyncio.Task[None] | None) -> None:
    """Give a lease back, once the answer is kept."""
    if after is not None:
        await asyncio.wait({after})
    await cache.release(key)
