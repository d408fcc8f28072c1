"""`Lookup`: where the answer to a request may be kept, worked out on the caller's thread.

`ReusePolicy` is what is the same for all requests of a router, `Lookup` what one request needs. A
hit in memory, or in a file that is open, is answered here at once: no other thread is woken.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from ...catalogue.model import Model
from ...catalogue.providers import Account
from ...errors import BadRequest
from ...events import AnswerCacheUsed
from ...guards.identity import identity_of
from ...routing.answer_cache import BESIDE_STATE, AnswerCache
from ...routing.answer_key import AnswerKeys
from ...routing.journal import Journal
from ...routing.plan import Cached, Outcome
from ...routing.reuse import StoredAnswer, mark_of_sources, slots, source_of, usable
from ...routing.steps import Attempt
from ...runtime.cache.cache import Cache, place_beside
from ...runtime.runtime import Runtime
from ...wire.answer import Answer
from ...wire.history import read_request
from ...wire.json_values import Json
from ...wire.request import ChatRequest, Lane
from ..config import RouterConfig
from ..resolve import Resolved

caller: ContextVar[str] = ContextVar("freerouter_caller", default="")
"""On whose behalf a router is asked. Two callers share no kept answer and no conversation. Empty:
there is one caller."""
_MISS = AnswerCacheUsed(result="miss")
_turns = itertools.count()
"""Whose turn it is among the variants of a request."""


def place_of(settings: AnswerCache, state: str) -> str:
    """Where answers are kept, if the state is kept at `state`."""
    return place_beside(state) if settings.store == BESIDE_STATE else settings.store


class ReusePolicy:
    """What of a router decides which kept answers it may use."""

    def __init__(
        self, config: RouterConfig, resolved: Resolved, runtime: Runtime, settings: AnswerCache
    ) -> None:
        own = [config.strategy] if callable(config.strategy) else []
        self.settings = settings
        marks = tuple(identity_of(judge) for judge in (*config.guards, *own))
        self.keys = AnswerKeys(resolved.policy, marks, settings.namespace)
        self.policy = resolved.policy
        self.accounts = {source_of(account): account for account in resolved.accounts.values()}
        self.terms = (config.tool_streaming, config.on_stream_break)
        """What decides how an answer is streamed."""
        self.asks = (config, resolved.accounts)
        """What decides how asking may fail, besides the time."""
        self.place = place_of(settings, runtime.state_of(resolved.settings.freerouter_state))
        # A kept answer serves every key. But who has a key of his own does not stand in the line of
        # another's, so he waits for nobody who does.
        scopes = [account.scope for account in self.accounts.values()]
        self.lease_end = f"|{mark_of_sources(scopes)}"
        self.flight_end = f"{self.lease_end}|{self.place}"

    def lookup(self, runtime: Runtime, request: ChatRequest) -> Lookup | None:
        """Where the answer to a request is looked for. None: the request is malformed."""
        try:
            read = read_request(request)
            key = self.keys.of(request, caller.get(), read)
        except (BadRequest, TypeError, ValueError, RecursionError):
            return None  # asking will tell what is wrong with it
        keys = slots(key, request, self.settings.variants)
        return Lookup(self, runtime, request, read, keys, runtime.caches.open(self.place))


@dataclass(slots=True)  # frozen ones take longer to make
class Lookup:
    """One request, the keys that its answers are kept under, and the cache.

    `read` is what `read_request` made of the request: what is asked is what the key was made of.
    """

    policy: ReusePolicy
    runtime: Runtime
    request: ChatRequest
    read: Json
    keys: tuple[str, ...]
    cache: Cache
    looked: bool = False
    """Whether nothing was there a moment ago."""

    @property
    def account_of(self) -> dict[str, Account]:
        """The accounts whose answers will do, by source."""
        return self.policy.accounts

    def lease(self, key: str, lane: Lane) -> str:
        """What is claimed of a key. Only those of the same accounts wait for each other, and nobody
        who is waited for waits for the background."""
        return f"{key}{self.policy.lease_end}|{lane}"

    def flight(self, key: str) -> str:
        """The name of requests under way that may be joined: of the same accounts and cache."""
        return f"{key}{self.policy.flight_end}"

    def at_once(self) -> Outcome | None:
        """A kept answer, if it can be had without waiting. On any thread."""
        if self.request.fresh or self.request.validate is not None or len(self.keys) > 1:
            return None
        values = self._being_kept() or self.cache.read(self.keys)
        kept = self._usable(values.get(self.keys[0])) if values else None
        self.looked = values is not None
        return None if kept is None else self.outcome(kept)

    async def values(self) -> dict[str, bytes]:
        """What is kept under the keys. What is being written is newer."""
        written = self._being_kept()
        if len(written) == len(self.keys) or (self.looked and self.cache.shared):
            return written  # who asks for other processes, too, looks again
        return {**await self.cache.get(self.keys), **written}

    def _being_kept(self) -> dict[str, bytes]:
        if not self.cache.shared:
            return {}  # memory is written at once
        flights = self.runtime.flights
        found = ((key, flights.being_kept(self.flight(key))) for key in self.keys)
        return {key: value for key, value in found if value is not None}

    def usable(self, values: Mapping[str, bytes]) -> dict[str, StoredAnswer]:
        """Those of the values that may serve this request."""
        kept = ((key, self._usable(values[key])) for key in self.keys if key in values)
        return {key: answer for key, answer in kept if answer is not None}

    def chosen(self, kept: Mapping[str, StoredAnswer]) -> tuple[str, StoredAnswer] | None:
        """(the key, the answer) whose turn it is. None: one is to be asked for."""
        if len(kept) < len(self.keys):
            return None
        return list(kept.items())[next(_turns) % len(kept)]

    def free_key(self, values: Collection[str], kept: Collection[str]) -> str:
        """The key that the next answer is kept under: one that nothing is under and that waits for
        nothing, else one whose answer will not do here, else any in turn."""
        if len(self.keys) == 1:
            return self.keys[0]
        flights = self.runtime.flights
        idle = [key for key in self.keys if self.flight(key) not in flights]
        empty = [key for key in idle if key not in values]
        useless = [key for key in idle if key not in kept]
        return (empty or useless or [self.keys[next(_turns) % len(self.keys)]])[0]

    def _usable(self, value: bytes | None) -> StoredAnswer | None:
        kept = None if value is None else StoredAnswer.decode(value)
        now, ttl = self.runtime.clock.wall(), self.policy.settings.ttl
        return kept if kept is not None and usable(kept, self.account_of, now, ttl) else None

    def outcome(self, kept: StoredAnswer, *, joined: bool = False) -> Outcome:
        """A kept answer as the outcome of this request. `joined`: it was waited for."""
        runtime, account = self.runtime, self.account_of[kept.source]
        now = runtime.clock.wall()
        cached = Cached(max(0.0, now - kept.at), joined)
        named = self.request.model if self.request.model not in (None, "auto") else ""
        model = Model(kept.model, account.provider)
        attempt = Attempt(
            number=0, model=model, account=account, soft_timeout=0.0, stall_timeout=0.0
        )
        result = "joined" if joined else "hit"
        self.tell(result, kept.answer, account.provider, kept.model, cached.age)
        return Outcome(
            answer=kept.answer,
            attempt=attempt,
            journal=Journal(started=runtime.clock.now()),
            asked_for=named or next(iter(self.policy.policy.preferred), ""),
            cached=cached,
        )

    def tell_miss(self) -> None:
        """Emit that a request is sent."""
        self.runtime.emit(_MISS)

    def tell(
        self,
        result: str,
        answer: Answer | None = None,
        provider: str = "",
        model: str = "",
        age: float | None = None,
    ) -> None:
        """Emit what came of a look into the cache."""
        usage = (answer.usage if answer is not None else None) or {}
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        self.runtime.emit(
            AnswerCacheUsed(
                result=result,
                model=model,
                provider=provider,
                age=age,
                prompt_tokens=prompt if isinstance(prompt, int) else None,
                completion_tokens=completion if isinstance(completion, int) else None,
            )
        )
