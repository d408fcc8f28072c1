"""A scripted engine and a scripted network, for driving one request by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from freerouter_core import ChatRequest, Limit, events
from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.routing import steps as s
from freerouter_core.routing.charges import Charge
from freerouter_core.routing.engine import Route
from freerouter_core.routing.journal import Journal
from freerouter_core.routing.need import checked_need
from freerouter_core.routing.plan import Outcome, Plan
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.ruling import Ruling
from freerouter_core.runtime import driver as driver_module
from freerouter_core.runtime.driver import Driver
from freerouter_core.runtime.http.transport import Transport
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.fault import Fault

KEY = "sk-or-v1-a-secret-key-0123456789"
ACCOUNT = Account("openrouter", "https://simulated.invalid/api/v1", KEY, dialect="openrouter")
LANE = Charge("account", Limit(concurrent=1))
MINUTE = Charge("account", Limit(requests=1, per=60.0))
TOKENS = Charge("account", Limit(tokens=1_000, per=60.0))
STALL = 7.0


def attempt(number: int = 1, name: str = "acme/a:free", **fields: Any) -> s.Attempt:
    model = Model(name, name=name, free=True)
    fields = {"soft_timeout": 30.0, "stall_timeout": STALL, **fields}
    return s.Attempt(number=number, model=model, account=ACCOUNT, **fields)


def reserve(*charges: Charge, number: int = 1, tokens: int = 0) -> s.Reserve:
    return s.Reserve(attempt(number), charges, tokens)


def done(event: s.Event) -> Answer:
    assert isinstance(event, s.Done), event
    return event.answer


def failed(event: s.Event) -> Fault:
    assert isinstance(event, s.Failed), event
    return event.fault


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_: object) -> None:
        raise error

    return call


class Rig:
    """A runtime with a virtual clock and a scripted engine."""

    def __init__(self, client: httpx.AsyncBaseTransport, clock: VirtualClock) -> None:
        self.clock = clock
        self.runtime = Runtime(clock=clock, client=client, cache=None)
        self.start = clock.now()
        self.journal = Journal(started=self.start, number=self.runtime.next_number())
        self.shown: list[Delta] = []
        self.seen: list[events.Event] = []
        self.runtime.subscribe(self.seen.append)

    @property
    def elapsed(self) -> float:
        return round(self.clock.now() - self.start, 3)

    def driver(
        self,
        route: Callable[[], Route],
        monkeypatch: pytest.MonkeyPatch,
        *,
        request: ChatRequest | None = None,
        policy: Policy | None = None,
        stream: bool = False,
        run_guards: Callable[[Answer, str], Ruling] | None = None,
        transport_of: Callable[[Account], Transport] | None = None,
    ) -> Driver:
        monkeypatch.setattr(driver_module, "route", lambda *_, now: route())
        request = request or ChatRequest.of("hello")
        plan = Plan(
            request=request,
            need=checked_need(request, allow_paid=False),
            policy=policy or Policy(),
            catalogue=Catalogue.of([], 0.0),
            accounts={"openrouter": ACCOUNT},
            stream=stream,
            run_guards=run_guards,
        )
        show = self.shown.append if stream else None
        transport = self.runtime.transport_for()
        transport_of = transport_of or (lambda account: transport)
        return Driver(self.runtime, plan, self.journal, show, transport_of)

    def outcome(self, answer: Answer, number: int = 1, **fields: Any) -> Outcome:
        return Outcome(answer=answer, attempt=attempt(number), journal=self.journal, **fields)

    def used(self, charge: Charge) -> float:
        return self.runtime.call(lambda: self.runtime.ledger.used(charge))


Drive = Callable[..., Outcome]
"""Drives a route to its end: see `conftest.drive`."""
TOOLS = ({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},)


Script = Sequence[dict[str, Any] | float | bytes | Exception]
"""Events of a stream, raw bytes, pauses in seconds, and how the connection fails."""


@dataclass(frozen=True)
class Reply:
    """One response."""

    script: Script
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Chunks(httpx.AsyncBaseTransport):
    """Answers each request with a reply of its own."""

    def __init__(self, *replies: Reply | Script) -> None:
        self.replies = [r if isinstance(r, Reply) else Reply(r) for r in replies]
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = self.replies.pop(0)
        body = _Body(reply.script, self)
        return httpx.Response(reply.status, headers=dict(reply.headers), stream=body)


class _Body(httpx.AsyncByteStream):
    def __init__(self, script: Script, owner: Chunks) -> None:
        self.script, self.owner = script, owner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.script:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif isinstance(piece, Exception):
                raise piece
            elif isinstance(piece, bytes):
                yield piece
            else:
                yield b"data: " + json.dumps(piece).encode() + b"\n\n"

    async def aclose(self) -> None:
        self.owner.closed += 1


def says(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def thinks(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"reasoning": text}, "finish_reason": None}]}


def calls(arguments: str, name: str | None = None, finish: str | None = None) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    fragment = {"index": 0, "id": "c1", "type": "function", "function": function}
    delta = {"tool_calls": [fragment]}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
