"""`ListFetch`: one fetch of a provider's list of models, by as many requests as it takes.

A request can be lost: the server accepts the connection and says nothing. So while nobody knows a
first list, a silent request is sent again beside the silent one, ever more rarely. The first list
to come wins, and the other requests are cancelled. A list that is known is renewed by a single
request: nobody waits for it, and a slow server is not asked twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from ..catalogue.counts import count_words
from ..catalogue.model import Model
from ..catalogue.providers import Account
from ..wire.fault import Cause
from ..wire.json_values import parse_json
from ..wire.judge import TRANSPORT, judge_rejection
from ..wire.redact import redact
from ..wire.rejection import read_rejection
from ..wire.remedies import remedy
from .http.transport import CONNECT_TIMEOUT, Transport, TransportFailed
from .listed_models import listed_models
from .loop.clock import Clock

MAX_VALUES = 250_000
"""Values of a list of models: OpenRouter's, the longest, has 35,000."""
FETCH_TIMEOUT = 30.0
"""Seconds a fetch may take."""
FIRST_SILENCE, LONGEST_SILENCE = 3.0, 12.0
"""Seconds of silence after which a request is sent again. They double with each request of a fetch,
so that it sends four at most: after 0, 3, 9 and 21 s. After a fetch that was all silence the next
one begins with twice as many, up to the second number: what hangs for ever is not asked so often.
"""
PATIENCE, UNREACHED_PATIENCE = 20.0, 5.0
"""Seconds for which a request without any list goes on after a first failure: where a server is in
trouble, and where nobody can be reached."""
_UNREACHED = (Cause.CONNECT, Cause.CONNECT_TIMEOUT)
_ELSE = "add a provider, or name a model, which needs no list"


class ListFailed(Exception):
    """No list, and why. Its words quote no key.

    `patience`: seconds for which asking again may help; 0: it does not.
    """

    def __init__(self, reason: str, cause: Cause = Cause.UNKNOWN, patience: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.cause, self.patience = reason, cause, patience

    def hint(self, account: Account) -> str:
        """What to do about it. Empty: nothing is known."""
        if self.cause in _UNREACHED:
            return remedy(Cause.UNREACHABLE, account)
        if self.cause is Cause.READ_TIMEOUT:
            return (
                "a server that does not answer may be overloaded, or base_url may be wrong: ask"
                f" again later, allow more time, {_ELSE}"
            )
        known = remedy(self.cause, account)
        if known or not self.patience:
            return known
        return f"a server in trouble recovers as a rule: ask again in a minute, {_ELSE}"


class ListFetch:
    """One fetch.

    Args:
        account: whose list it is.
        transport: what sends the requests.
        clock: the runtime's.
        hurried: whether the list is needed now, asked each time a request was silent.
        silence: seconds of silence after which it is sent again first; see `FIRST_SILENCE`.
    """

    def __init__(
        self,
        account: Account,
        transport: Transport,
        clock: Clock,
        hurried: Callable[[], bool],
        silence: float,
    ) -> None:
        self._account, self._transport, self._clock = account, transport, clock
        self._hurried, self._silence = hurried, silence
        self._began = clock.now()
        self._requests: list[asyncio.Task[tuple[Model, ...]]] = []
        """The oldest first."""
        self._trouble: ListFailed | None = None
        """What a request said while another was still silent."""

    async def run(self) -> tuple[Model, ...]:
        """The models of the list. Raises `ListFailed`."""
        try:
            return await self._first_list()
        finally:
            for request in self._requests:
                request.cancel()

    def failure(self) -> ListFailed:
        """Why there is no list so far: what a request said, else the silence."""
        if self._trouble is not None:
            return self._trouble
        waited, asked = self._clock.now() - self._began, len(self._requests)
        # One that got no connection would have failed by then.
        accepted = "it accepted the connection and sent no list" * (waited >= CONNECT_TIMEOUT)
        words = f"{accepted or 'no answer'} in {waited:.0f} s"
        if asked > 1:
            words += f", asked {count_words(asked, 'time')}"
        return ListFailed(words, Cause.READ_TIMEOUT, PATIENCE)

    async def _first_list(self) -> tuple[Model, ...]:
        ends = self._began + FETCH_TIMEOUT
        waiting, again, silence = {self._ask()}, self._began + self._silence, self._silence
        while waiting:
            left = min(again, ends) - self._clock.now()
            done, waiting = await asyncio.wait(
                waiting, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
            )
            for request in sorted(done, key=_failed):  # a list goes before a failure
                try:
                    return request.result()
                except ListFailed as failure:
                    if not failure.patience or self._unreached(request, failure):
                        raise
                    # A silent one may still answer. Of a server that takes one request at a time,
                    # it may be the reason why this one was refused.
                    self._trouble = failure
            now = self._clock.now()
            if now >= ends:
                break
            if waiting and now >= again:
                silence *= 2.0
                again = now + silence
                if self._hurried():
                    waiting.add(self._ask())
        raise self.failure()

    def _unreached(self, request: asyncio.Task[tuple[Model, ...]], failure: ListFailed) -> bool:
        """Whether nobody listens: of those that were sent later, none will do better."""
        earlier = self._requests[: self._requests.index(request)]
        return failure.cause in _UNREACHED and all(one.done() for one in earlier)

    def _ask(self) -> asyncio.Task[tuple[Model, ...]]:
        request = asyncio.get_running_loop().create_task(self._request())
        request.add_done_callback(_failed)  # looked at, or asyncio would log what others outran
        self._requests.append(request)
        return request

    async def _request(self) -> tuple[Model, ...]:
        account = self._account
        try:
            payload = await _get_models(account, self._transport, self._clock.now())
        except TransportFailed as error:
            raise _failure(error, account) from None
        models = listed_models(payload, account)
        if not models and not account.lists_others:
            raise ListFailed("the list of models is empty, or has an unknown shape")
        return models


def _failed(request: asyncio.Task[tuple[Model, ...]]) -> bool:
    return not request.cancelled() and request.exception() is not None


def _failure(error: TransportFailed, account: Account) -> ListFailed:
    cause = Cause(error.name) if error.name in TRANSPORT else Cause.OTHER
    detail = redact(error.detail, account)
    if cause in _UNREACHED or cause is Cause.CUT:
        detail = f"{TRANSPORT[cause][1]} ({detail})"
    patience = UNREACHED_PATIENCE if cause in _UNREACHED else PATIENCE
    return ListFailed(detail, cause, patience)


async def _get_models(account: Account, transport: Transport, now: float) -> object:
    async with transport.open(account, "GET", account.models or "/models") as response:
        body = await response.read()
        if response.status == 404 and account.models:  # a server that has only OpenAI's path
            return await _get_models(replace(account, models=""), transport, now)
        if response.status != 200:
            fault = judge_rejection(read_rejection(response.status, response.headers, body), now)
            words = redact(f"HTTP {response.status} {fault.message}".strip(), account)
            passes = fault.kind.passing or fault.status == 429
            raise ListFailed(words, fault.cause, PATIENCE if passes else 0.0)
    try:
        payload: object = parse_json(body, MAX_VALUES)
    except ValueError:
        raise ListFailed("the list of models is not JSON") from None
    return payload
