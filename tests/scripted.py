"""A provider that answers from a script of HTTP responses, in virtual time."""

from __future__ import annotations

import json
from typing import Any

import httpx

from freerouter_core import Limit, Provider, Router
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.json_values import Json

KEY = "key-abcdefgh"
"""The key of a scripted router."""
GOOD = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}


class ScriptedRouter(Router):
    """A router whose provider gives scripted responses."""

    bodies: list[Json]
    """The bodies of its chat requests."""
    clock: VirtualClock


def scripted_router(
    *replies: httpx.Response, models: int = 1, limits: list[Limit] | None = None, **policy: Any
) -> ScriptedRouter:
    """A router whose provider gives these responses in turn, then repeats the last one.

    It lists the models acme/m0:free, acme/m1:free, …, the largest context first.
    """
    rows = [
        {
            "id": f"acme/m{n}:free",
            "context_length": (99 - n) * 1000,
            "pricing": {"prompt": "0", "completion": "0"},
        }
        for n in range(models)
    ]
    remaining = list(replies)

    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": rows})
        bodies.append(json.loads(request.content))
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    bodies: list[Json] = []
    clock = VirtualClock()
    runtime = Runtime(clock=clock, client=httpx.MockTransport(reply), cache=None)
    provider = Provider("openrouter", "https://x.test/v1", KEY, limits=limits or [])
    router = ScriptedRouter(providers=(provider,), strategy="context", runtime=runtime, **policy)
    router.__dict__.update(bodies=bodies, clock=clock)
    return router


def error_response(
    status: int, message: str, headers: dict[str, str] | None = None, **metadata: Any
) -> httpx.Response:
    body = {"error": {"message": message, "code": status, "metadata": metadata}}
    return httpx.Response(status, json=body, headers=headers)


def answer_response(**changes: Any) -> httpx.Response:
    return httpx.Response(200, json=GOOD | changes)
