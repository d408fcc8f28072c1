"""`Afternoon`: a router of plain good sense, as a good engineer writes it in an afternoon.

An honest rival, and the one to beat. It keeps a sliding window for each account. It benches failed
models for 20 seconds, then doubles, with jitter. It honours `Retry-After` and `X-RateLimit-Reset`,
rests a model ten minutes after a 403 or 404, and takes empty answers and errors in a 200 for
failures. It chooses by Beta-Thompson sampling over average latency, among the models that the
catalogue says can do what a call needs. One that answers a call the wrong way is not asked that
way again.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from scene import WISH, Call, Scene, abilities_of

from freerouter_core.wire.answer import read_answer

Post = Callable[[str, str, bytes], Awaitable[tuple[int, dict[str, str], bytes]]]
"""(provider, model, body) → (status, headers, body). It may raise anything."""
REFRESH = 600.0
"""Seconds between two looks at the catalogue."""


@dataclass(kw_only=True)
class Candidate:
    provider: str
    name: str
    abilities: frozenset[str]
    good: float = 1.0
    bad: float = 1.0
    latency: float = 2.0
    bench: float = 0.0
    strikes: int = 0
    unable: set[str] = field(default_factory=set)


def afternoon_in(scene: Scene, post: Post, now: Callable[[], float]) -> Afternoon:
    """The rival in a world. It is told the same limits as everybody, and reads the same lists."""
    start = now()

    def catalogue() -> list[Candidate]:
        return [
            Candidate(provider=server.provider, name=model.id, abilities=abilities_of(model))
            for server, model in scene.models
            if model.exists(now() - start)
        ]

    per_minute = {
        server.provider: (server.stated and server.stated.per_minute) or 10**6
        for server in scene.servers
    }
    return Afternoon(
        catalogue=catalogue,
        per_minute=per_minute,
        by_model={server.provider for server in scene.servers if server.by_model},
        post=post,
        now=now,
        rng=Random(scene.seed),
    )


class Afternoon:
    def __init__(
        self,
        *,
        catalogue: Callable[[], list[Candidate]],
        per_minute: dict[str, int],
        by_model: set[str],
        post: Post,
        now: Callable[[], float],
        rng: Random,
    ) -> None:
        self.catalogue, self.per_minute, self.by_model = catalogue, per_minute, by_model
        self.post, self.now, self.rng = post, now, rng
        self.models: list[Candidate] = []
        self.refreshed = float("-inf")
        self.windows: dict[str, deque[float]] = {}

    def refresh(self) -> None:
        if self.now() - self.refreshed >= REFRESH:
            old = {(model.provider, model.name): model for model in self.models}
            listed = self.catalogue()
            self.models = [old.get((model.provider, model.name), model) for model in listed]
            self.refreshed = self.now()

    def window(self, model: Candidate) -> tuple[deque[float], int]:
        by_model = model.provider in self.by_model
        name = f"{model.provider}|{model.name}" if by_model else model.provider
        return self.windows.setdefault(name, deque()), self.per_minute[model.provider]

    def free_at(self, model: Candidate) -> float:
        sent, most = self.window(model)
        while sent and sent[0] <= self.now() - 60.5:
            sent.popleft()
        return max(model.bench, 0.0 if len(sent) < most else sent[-most] + 60.5)

    async def ask(self, call: Call) -> bool:
        """Whether the call was answered before its deadline."""
        ends = self.now() + call.deadline
        tried: set[int] = set()
        while (remaining := ends - self.now()) > 0:
            self.refresh()
            able = [m for m in self.models if call.needs <= m.abilities - m.unable]
            ready = [m for m in able if self.free_at(m) <= self.now()]
            if not ready:
                back = min((self.free_at(m) for m in able), default=ends)
                await asyncio.sleep(max(0.01, min(back - self.now(), remaining)))
                continue
            fresh = [m for m in ready if id(m) not in tried] or ready
            model = max(fresh, key=lambda m: self.rng.betavariate(m.good, m.bad) / m.latency)
            tried.add(id(model))
            self.window(model)[0].append(self.now())
            if await self.attempt(model, call, min(remaining, 20.0)):
                return True
        return False

    async def attempt(self, model: Candidate, call: Call, patience: float) -> bool:
        began, wait = self.now(), 0.0
        try:
            async with asyncio.timeout(patience):
                status, headers, raw = await self.post(
                    model.provider, model.name, _body(model, call)
                )
            body = json.loads(raw)
            if status == 200 and "error" not in body:
                answer = read_answer(body, model.name)
                if call.accepts(answer):
                    model.good, model.bad, model.strikes = (
                        model.good * 0.98 + 1,
                        model.bad * 0.98,
                        0,
                    )
                    model.latency += 0.3 * (self.now() - began - model.latency)
                    return True
                if not answer.empty:  # it answered, but not in this way
                    model.unable |= call.needs
                    return False
            elif status in (400, 404) and "support" in str(body):
                model.unable |= call.needs
                return False
            elif status in (403, 404):
                wait = REFRESH
            elif "retry-after" in headers:
                wait = float(headers["retry-after"])
            elif "x-ratelimit-reset" in headers:  # the account's own limit: all its models wait
                until = float(headers["x-ratelimit-reset"]) / 1_000
                for other in self.models:
                    if other.provider == model.provider:
                        other.bench = max(other.bench, until)
                return False
        except Exception:  # noqa: S110  # whatever it was, it was no answer
            pass
        model.strikes += 1
        model.bad = model.bad * 0.98 + 1
        model.good *= 0.98
        doubled = min(600.0, 20.0 * 2 ** (model.strikes - 1)) * self.rng.uniform(0.8, 1.2)
        model.bench = max(model.bench, self.now() + (wait or doubled))
        return False


def _body(model: Candidate, call: Call) -> bytes:
    body: dict[str, Any] = {"model": model.name, "messages": call.messages}
    if call.tools:
        body["tools"] = call.tools
    if call.way == "schema":
        schema = {"name": "answer", "schema": WISH.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return json.dumps(body).encode()
